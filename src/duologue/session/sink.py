"""Where the agent's audio goes."""

from __future__ import annotations

from typing import Protocol

__all__ = ["AudioSink"]


class AudioSink(Protocol):
    """Where the agent's voice goes, one for each session.

    Every method is a plain call on the loop's thread and never waits. A sink whose client is gone or stuck takes all
    calls and does nothing; the transport ends the session. One that raises is not called again, and the call ends.
    """

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Play 20 ms of 16-bit mono PCM at the session's `output_rate`; `position` is the samples sent before it."""
        ...

    def pause(self, generation: int) -> None:
        """Stop playing at once, and keep the rest."""
        ...

    def resume(self, generation: int) -> None:
        """Go on where playback was paused."""
        ...

    def flush(self, generation: int) -> None:
        """Drop what has not been played of this generation and older."""
        ...
