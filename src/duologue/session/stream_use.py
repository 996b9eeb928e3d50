"""How much audio each recognition stream of a call was sent, and by which provider it was recognized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duologue.audio.format import RATE
from duologue.stt import RecognitionStream

__all__ = ["StreamUses"]


@dataclass(slots=True)
class _Use:
    provider: Any
    first: int
    """The position from which on it has got audio."""
    stream: RecognitionStream | None
    """None once it is closed."""
    seconds: float = 0.0
    """Seconds of audio, once it is closed."""

    def until(self, sent: int) -> float:
        """Seconds of audio, up to this position."""
        if self.stream is None:
            return self.seconds
        own: float | None = getattr(self.stream, "sent_s", None)  # where it is less than what was pushed
        return max(sent - self.first, 0) / RATE if own is None else own


class StreamUses:
    """What the streams of one call were used for, one after the other."""

    def __init__(self) -> None:
        self._uses: list[_Use] = []

    def opened(self, provider: Any, at: int, stream: RecognitionStream) -> None:
        """A stream of this provider gets the audio from this position on."""
        self._uses.append(_Use(provider, at, stream))

    def closed(self, sent: int) -> None:
        """The last stream, if one was opened, got the audio up to this position."""
        if self._uses and (use := self._uses[-1]).stream is not None:
            use.seconds, use.stream = use.until(sent), None

    def seconds(self, sent: int) -> list[tuple[Any, float]]:
        """The provider and the seconds of audio of each stream; the open one got the audio up to `sent`."""
        return [(use.provider, use.until(sent)) for use in self._uses]
