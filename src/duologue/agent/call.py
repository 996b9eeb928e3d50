"""A call as the application sees it: what is known of it when it begins, and what its agent may do to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn, Protocol, cast

from duologue.conversation.eagerness import Eagerness
from duologue.conversation.question import AnswerKind
from duologue.errors import InvalidStateError

__all__ = ["Call", "CallInfo", "Spoken", "detached_call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """What is known of a call when it begins; given to factories, and `turn.call.info` in the agent.

    Its repr shows none of what the client sent beyond the names of agent, language and voice, so that it may be logged.
    """

    id: str
    """Names the call in logs and records; the client gets it as `session` in `started`."""
    agent: str = "default"
    """The name under which `agents=` has the agent that answers first."""
    language: str | None = None
    """As the recognizer calls it; None if the client and the server leave it to the recognizer."""
    voice: str | None = None
    """The name of the voice, of those in `voices=`; None for the only one."""
    client: str = field(default="", repr=False)
    """Address of the client, as the nearest trusted proxy or the socket tells it; empty if there is none."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of the request, names in lower case, without those that hold secrets (`expose_headers` keeps some)."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameters of the address."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is proven of the caller: set by a middleware of the application in `scope["state"]["claims"]`."""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the client sent in `start`; nothing of it is proven."""
    user_data: Any = field(default=None, repr=False)
    """What `user_data=` gave for this call."""


class Spoken(Protocol):
    """A text or file that waits to be heard. `SpeechHandle` is one."""

    text: str
    heard: str
    """What the user heard of it, once it is over."""
    interrupted: bool
    """True if it was cut off, or never played."""

    async def wait_for_playout(self) -> None:
        """Return when it has been heard or cut off."""
        ...


class Call(Protocol):
    """The live call that an agent answers in, as `turn.call`.

    Each method first waits until the turn is decided, as `turn.committed()` does: a discarded answer changes nothing.
    All raise SessionNotActiveError once the call has ended.
    """

    @property
    def info(self) -> CallInfo:
        """What was known of the call when it began."""
        ...

    @property
    def agent(self) -> str:
        """The name of the agent that answers now."""
        ...

    async def say(self, text: str, *, interruptible: bool = True) -> Spoken:
        """Say `text` at this point of the answer."""
        ...

    async def play(
        self, wav: str | os.PathLike[str] | bytes | BinaryIO, *, text: str = "", interruptible: bool = True
    ) -> Spoken:
        """Play a WAV file at this point of the answer; `text` is what it says, for the history.

        Raises InvalidAudioError for what is no WAV file or is too long.
        """
        ...

    async def configure(
        self,
        *,
        voice: str | None = None,
        action_delay: float | None = None,
        timeout: float | None = None,
        barge_in: bool | None = None,
        eagerness: Eagerness | None = None,
    ) -> None:
        """Change settings of the call from now on; None keeps what there is.

        `voice` is one of `voices=`, of the same rate. `action_delay` and `timeout` are the silence, in seconds, after
        which a turn is decided that sounds finished, and any turn; `barge_in` is whether the user may interrupt;
        `eagerness` is how soon the agent answers: "low", "medium", "high", or the price of a cut-off in seconds.
        Raises ConfigError for what cannot be.
        """
        ...

    async def expect(self, kind: AnswerKind, *lengths: int) -> None:
        """Declare what the user's next turn is to answer, where the question alone does not tell.

        `kind` is "yes_no", "name", "number" (a quantity), "digits", "time", "spelling" or "open"; `lengths` are the
        numbers of digits, letters or words that a complete answer may have. It holds until the next answer is played.
        Raises ConfigError for what cannot be.
        """
        ...

    async def hand_over(self, agent: str, *, greeting: str | None = None) -> None:
        """Have another agent of `agents=` answer from the next turn on; it gets the whole history.

        What this answer still says is said first, then the new agent's `greeting`: its own, or the one given here; ""
        for none. Raises ConfigError if there is no such agent, and what its factory fails with: then nothing changes.
        """
        ...

    async def end(self, reason: str = "agent_done") -> None:
        """End the call once what is being said has been heard."""
        ...


class _Detached:
    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # what Python itself asks of any object
            raise AttributeError(name)
        raise InvalidStateError(
            "The turn belongs to no call.", hint="In a test, use duologue.testing.virtual.VirtualCall."
        )


def detached_call() -> Call:
    """Stand for the call of a Turn that belongs to none, such as one that a test makes: every use is an error."""
    return cast("Call", _Detached())
