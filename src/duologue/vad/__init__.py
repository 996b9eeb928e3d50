"""Voice activity: is there speech in this window? One bank of states serves the windows of many sessions at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["VoiceActivityDetector"]


class VoiceActivityDetector(Protocol):
    """A model that scores one window for each of many streams in a single call.

    The states of all streams live in the detector, a row a stream. Not thread-safe: one thread calls it at a time.
    """

    name: str
    window: int
    """Samples at 16 kHz that one score covers."""

    def open(self) -> int:
        """Take a row for a new stream, with zero state."""
        ...

    def reset(self, row: int) -> None:
        """Forget what the stream heard: zero state and zero context, as after a gap."""
        ...

    def close(self, row: int) -> None:
        """Give the row back."""
        ...

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """The probability of speech in the next window of each stream.

        `rows` (B,) names the streams, each once; `windows` (B, window) holds their next samples. Returns (B,).
        """
        ...
