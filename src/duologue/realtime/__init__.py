"""Speech-to-speech models: the Protocol of a model that hears audio and answers with audio and text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from duologue.conversation.history import Message
from duologue.errors import DuologueError

__all__ = [
    "RealtimeAudio",
    "RealtimeCapabilities",
    "RealtimeConnection",
    "RealtimeDone",
    "RealtimeEvent",
    "RealtimeFailed",
    "RealtimeModel",
    "RealtimeResponseEvent",
    "RealtimeText",
    "RealtimeToolCall",
    "RealtimeTurnEnded",
]


@dataclass(frozen=True, slots=True)
class RealtimeCapabilities:
    """What a speech-to-speech model can do."""

    aligned: bool = False
    """Its text says where in the audio it sounds."""
    decides_turns: bool = False
    """It sends RealtimeTurnEnded: what it says of the end of a turn counts towards the session's decision."""
    languages: frozenset[str] = frozenset()
    """Language codes such as "en"; empty if any."""
    typical_latency: float | None = None
    """Seconds from `respond` to the first audio; None if unknown."""
    cost: float | None = None
    """US dollars for a minute of conversation; None if unknown."""


@dataclass(frozen=True, slots=True)
class RealtimeAudio:
    """Audio of a response: 16-bit little-endian mono at the model's rate."""

    response: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class RealtimeText:
    """What a response says, piece by piece."""

    response: str
    text: str
    start: float | None = None
    """Seconds from the start of the response's audio at which the text begins to sound, if the model is aligned."""
    end: float | None = None


@dataclass(frozen=True, slots=True)
class RealtimeToolCall:
    """The model wants a tool called; it waits for `tool_result`."""

    response: str
    id: str
    name: str
    arguments: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class RealtimeDone:
    """A response is complete, unless it asked for tools: then it continues with their results."""

    response: str


@dataclass(frozen=True, slots=True)
class RealtimeFailed:
    """A response failed; the connection can make another."""

    response: str
    error: DuologueError


@dataclass(frozen=True, slots=True)
class RealtimeTurnEnded:
    """The model takes the user's turn for over, of a model that declares `decides_turns`. The session decides it."""

    probability: float = 0.9
    """0 to 1: how likely the user has finished, after what the model has heard so far."""


RealtimeResponseEvent = RealtimeAudio | RealtimeText | RealtimeToolCall | RealtimeDone | RealtimeFailed
RealtimeEvent = RealtimeResponseEvent | RealtimeTurnEnded


class RealtimeConnection(Protocol):
    """One conversation with the model. All methods but `aclose` are plain calls that never wait."""

    def push(self, pcm: bytes) -> None:
        """Hear 16 kHz mono PCM16 of the user."""
        ...

    def respond(self, response: str, *, text: str | None = None, say: str | None = None) -> None:
        """Answer what was heard since the last response.

        Args:
            response: The id that all events of the response bear.
            text: What the user typed, if nothing was heard.
            say: Say this text, word for word as far as the model can, and answer nothing.
        """
        ...

    def tool_result(self, call: str, output: str) -> None:
        """Send the result of a tool; the response continues with the same id."""
        ...

    def truncate(self, response: str, seconds: float, text: str) -> None:
        """Forget what a cancelled response would have said after `seconds` of its audio: the user heard `text`."""
        ...

    def cancel(self, response: str) -> None:
        """Stop a response."""
        ...

    def __aiter__(self) -> AsyncIterator[RealtimeEvent]: ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


class RealtimeModel(Protocol):
    """A speech-to-speech service. A connection is opened for each session."""

    name: str
    rate: int
    """Samples a second of its audio."""
    capabilities: RealtimeCapabilities

    async def connect(self, *, language: str | None = None, history: Sequence[Message] = ()) -> RealtimeConnection:
        """Open a connection.

        Args:
            language: The language of the session, such as "en"; None if it is not known.
            history: What was said before, as heard, if an earlier connection of the session was lost.
        """
        ...
