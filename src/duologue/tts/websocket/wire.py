"""What a vendor's WebSocket for speech says: messages out and replies in, without any I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from duologue.errors import DuologueError, ProviderError

__all__ = ["Reply", "Timed", "Wire", "parse_message", "timed_rows"]

Timed = tuple[str, float, float]
"""Text, and when it sounds: start and end in seconds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One frame of the service."""

    context: str | None = None
    """The context that it is about; None if it is about the connection."""
    audio: str | bytes = b""
    """PCM, or PCM in base64."""
    timed: tuple[Timed, ...] = ()
    """Characters or words that sound; a word ends with a space."""
    from_here: bool = False
    """Times count from the start of `audio`; else from the start of the context's audio."""
    is_final: bool = False
    """Nothing more comes of the context."""
    error: DuologueError | None = None


class Wire(Protocol):
    """The protocol of one connection. A context is one stream of speech; its methods return the messages to send."""

    streams: int
    """Contexts that a connection has at once."""
    confirms_cancel: bool
    """A context that was cancelled takes its place until the service confirms it."""
    keep_alive: float | None
    """Seconds between messages that keep a context open which waits for text; None if there is no such message."""
    idle_end: float | None
    """Seconds without text or audio after which a context is ended, because the service would drop it; None if it
    does not."""

    @property
    def has_room(self) -> bool:
        """Whether the service takes another context now."""
        ...

    def begin(self, context: str) -> tuple[str, ...]:
        """Open a context."""
        ...

    def say(self, context: str, clause: str) -> tuple[str, ...]:
        """Speak a clause now."""
        ...

    def stay(self, context: str) -> tuple[str, ...]:
        """Keep a context open that waits for text."""
        ...

    def end(self, context: str) -> tuple[str, ...] | None:
        """Say that no text follows; what was sent is still spoken. None if all of it has been."""
        ...

    def cancel(self, context: str, *, ended: bool) -> tuple[str, ...]:
        """Stop a context. `ended`: `end` was sent."""
        ...

    def goodbye(self) -> tuple[str, ...]:
        """Close the connection."""
        ...

    def read(self, data: str | bytes) -> Reply | None:
        """Read a frame; None if it says nothing of use. Raises ProviderError for what is no message."""
        ...


def parse_message(name: str, data: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a message. Raises ProviderError, of `name`, for anything else."""
    try:
        message = json.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise ProviderError(f"{name} sent what is not a message.", provider=name)
    return message


def timed_rows(texts: Any, starts: Any, times: Any) -> list[Timed]:
    """Return each text with its start and its other time, as the service states them; none if they make no sense."""
    if not (isinstance(texts, list) and isinstance(starts, list) and isinstance(times, list)):
        return []
    if not len(texts) == len(starts) == len(times):
        return []
    rows = list(zip(texts, starts, times, strict=True))
    if not all(isinstance(t, str) and isinstance(a, int | float) and isinstance(b, int | float) for t, a, b in rows):
        return []
    return rows
