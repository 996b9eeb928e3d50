"""What the rules want done. The shell does it; the rules never wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.conversation.events import Event
from duologue.conversation.history import Message
from duologue.conversation.inputs import SayRequested
from duologue.conversation.question import Expected

__all__ = [
    "CommitReply",
    "DiscardReply",
    "DropAsk",
    "Duck",
    "Effect",
    "EndCall",
    "Fill",
    "Hold",
    "Pause",
    "Release",
    "RequestEndOfTurn",
    "RequestPartial",
    "RequestTranscript",
    "Resume",
    "StartReply",
    "StartSpeech",
    "Unduck",
]


@dataclass(frozen=True, slots=True)
class RequestTranscript:
    """Understand the audio from `start` to `end`; the answer is applied at `due`, or when it comes if that is later."""

    ask: int
    start: int
    end: int
    due: int
    may_go_on: bool = True
    """The user may continue after all, and then the answer is useless. False if a long utterance was cut, or if the
    button was released."""
    before: str = ""
    """The words of the turn before `start`, as far as they are known: those that follow are judged with them."""
    turn: int = 0
    final: bool = True
    """False while the user speaks: the words so far are enough."""
    expects: Expected | None = None
    """What the agent has asked for; None if it has asked nothing."""


@dataclass(frozen=True, slots=True)
class RequestEndOfTurn:
    """Judge from the sound up to `end` whether the turn that began at `start` is over.

    `words`: the probability by the words alone; None if they are not there yet.
    """

    ask: int
    start: int
    end: int
    due: int
    words: float | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class RequestPartial:
    """Words so far, if there is time for them."""

    ask: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DropAsk:
    """The answer is no longer needed."""

    ask: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Have the agent answer."""

    generation: int
    turn: int
    text: str
    history: tuple[Message, ...]
    speculative: bool
    """Hold the sound, and allow no side effects, until CommitReply."""
    says: tuple[SayRequested, ...] = ()
    """Texts that waited for the floor: speak them before the answer, as part of the same reply."""


@dataclass(frozen=True, slots=True)
class CommitReply:
    """The turn is decided: the speculative reply may sound."""

    generation: int


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Say a text that no agent is asked for."""

    generation: int
    text: str
    say: int = 0
    """The id of the SayRequested; 0 for the greeting and the apology."""
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class Fill:
    """The reply is late: say `text` as a part of it, at once, unless its audio comes first."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class DiscardReply:
    """Drop everything of this generation: sound, text and work. If any of it was played, PlayoutFinished follows."""

    generation: int
    rollback: bool
    """None of the answer was heard: an agent with state restores its snapshot."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Play softly."""

    generation: int


@dataclass(frozen=True, slots=True)
class Unduck:
    """Play at full level again."""

    generation: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop playing; keep the rest."""

    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume playout where it was paused."""

    generation: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Prepare the reply but do not let it sound: the user may be speaking."""

    generation: int


@dataclass(frozen=True, slots=True)
class Release:
    """Let a held reply sound."""

    generation: int


@dataclass(frozen=True, slots=True)
class EndCall:
    """Close the session."""

    reason: str


Effect = (
    RequestTranscript
    | RequestEndOfTurn
    | RequestPartial
    | DropAsk
    | StartReply
    | CommitReply
    | StartSpeech
    | Fill
    | DiscardReply
    | Duck
    | Unduck
    | Pause
    | Resume
    | Hold
    | Release
    | EndCall
    | Event
)
