"""What answers a turn: the Protocol that sessions drive, and the items of a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from duologue.agent import EndCall, FunctionCall, Turn
from duologue.conversation.inputs import SayRequested
from duologue.errors import DuologueError
from duologue.tts.placement import Placement

if TYPE_CHECKING:
    from duologue.session.config import SessionConfig

__all__ = [
    "Heard",
    "Responder",
    "ResponderCapabilities",
    "ResponseItem",
    "ResponseOutput",
    "ResponseRequest",
    "ResponseWriter",
    "SaySpoken",
    "SpokenAudio",
    "SpokenText",
    "current_writer",
]


@dataclass(frozen=True, slots=True)
class ResponderCapabilities:
    """What a responder can do; the rules take it into account."""

    speculative: bool = False
    """`respond` may be called before the turn is decided: it has no side effects before `commit`."""
    hears_audio: bool = False
    """It is given the user's audio, and needs no transcript to answer."""
    decides_turns: bool = False
    """It calls `on_turn_ended` when it takes a turn for over, which counts towards the session's decision."""


@dataclass(frozen=True, slots=True)
class SpokenAudio:
    """Audio of a response: 16-bit little-endian mono at the responder's rate."""

    pcm: bytes
    say: int | None = None
    """The id of the `say` that it belongs to; None for the answer itself."""


@dataclass(frozen=True, slots=True)
class SpokenText:
    """Text of a response, and where in its audio it sounds."""

    place: Placement
    """In seconds from the start of the response. A later place with the same positive id replaces this one."""
    say: int | None = None
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class SaySpoken:
    """All audio of a `say` inside the response has been given."""

    say: int


ResponseItem = SpokenAudio | SpokenText | SaySpoken | FunctionCall | EndCall


@dataclass(frozen=True, slots=True)
class Heard:
    """What the user heard of a response that was cut off."""

    generation: int
    seconds: float = 0.0
    """0 if nothing of it was played: the turn is as if it had not been answered."""
    text: str = ""


class ResponseOutput(Protocol):
    """What a responder may know of the playout of its session."""

    @property
    def busy(self) -> bool:
        """True if the machine has no time for work that may be in vain."""
        ...

    @property
    def ready(self) -> float:
        """Seconds of audio that wait to be played."""
        ...

    async def room(self) -> None:
        """Wait until more audio is needed."""
        ...

    def text_started(self, generation: int) -> None:
        """Note that the answer's first words are there."""
        ...

    def speech_requested(self, generation: int) -> None:
        """Note that the voice is given the first text of the answer."""
        ...

    def failed(self, error: DuologueError, turn: int = 0, *, repeated: bool = False) -> None:
        """Report an error that does not end the response; one that is `repeated` is counted, and not reported again."""
        ...


@dataclass(eq=False, slots=True)
class ResponseRequest:
    """One response that is wanted, to a turn or as a text that is to be said."""

    generation: int
    turn: Turn
    """What is to be answered; its `id` is 0 for a `say`."""
    session: str
    """The session's id."""
    config: SessionConfig
    output: ResponseOutput
    says: tuple[SayRequested, ...] = ()
    """Texts to be spoken before the answer, in the same response."""
    is_typed: bool = False
    """The user typed the turn: there is no audio of it."""
    say: SayRequested | None = None
    """The text to be said, if no agent is asked for an answer."""
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the turn is decided."""
    recordings: Mapping[int, bytes] = field(default_factory=dict)
    """PCM16 at the responder's rate that is played in place of the speech of a `say`, by the id of that."""


class ResponseWriter(Protocol):
    """The code that writes a response, which may have a text of its own spoken inside it."""

    request: ResponseRequest
    may_stay_silent: bool
    """Set to True once the agent has ended the call or handed it over: the response needs no words then."""

    @property
    def is_written(self) -> bool:
        """True once nothing more is written."""
        ...

    async def say_within(self, text: str, say: int, *, interruptible: bool) -> None:
        """Have `text` spoken, or its recording played, at this point of the response; returns when it is queued."""
        ...


current_writer: ContextVar[ResponseWriter | None] = ContextVar("current_writer", default=None)
"""The writer that this code runs in."""


class Responder(Protocol):
    """Answers the turns of one session: `Cascade` with an agent and a voice, `RealtimeResponder` with one model.

    `hear`, `commit`, `truncate` and `cancel` are plain calls that never wait. A class of your own that derives from it
    needs `name`, `rate`, `capabilities` and `respond`.
    """

    name: str
    rate: int
    """Samples a second of its audio."""
    on_turn_ended: Callable[[float], None] | None = None
    """Set by the session if `capabilities.decides_turns`: to be called with the probability that the user's turn is
    over, 0 to 1, after the audio that was heard so far."""

    @property
    def capabilities(self) -> ResponderCapabilities:
        """What it can do."""
        ...

    def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        """Answer a turn, or say a text: give audio and its text as they are there. Raises a DuologueError if it fails.

        Before `request.committed` is set it gives no more than the first clause, and has no side effects.
        """
        ...

    def hear(self, pcm: bytes) -> None:
        """Hear the user: 16 kHz mono PCM16 without the agent's echo. Called if `capabilities.hears_audio`."""
        return

    def commit(self, generation: int) -> None:
        """Note that the turn is decided: the response will be played."""
        return

    def truncate(self, heard: Heard) -> None:
        """Note how much of a cancelled response the user heard, so that later responses do not rest on the rest."""
        return

    def cancel(self, generation: int) -> None:
        """Stop a response. The iterator that `respond` returned is closed, too."""
        return

    async def released(self, generation: int) -> None:
        """Return once nothing of a response that is over or cancelled runs any more."""
        return

    async def aclose(self) -> None:
        """Release what belongs to this session, which has ended."""
        return
