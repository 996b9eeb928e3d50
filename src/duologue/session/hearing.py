"""The input side: what arrives, what is missing, and the windows that are scored. Positions in samples at 16 kHz."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from duologue.audio.ring import Ring
from duologue.conversation.inputs import Gap

__all__ = ["Hearing"]


class Hearing:
    """Audio on its way to the rules. `position` is where the rules are: everything before it has been scored."""

    def __init__(self, *, window: int, max_bytes: int, max_lag: int) -> None:
        self.position = 0
        self.dropped = 0
        """Samples that were dropped because they waited too long."""
        self.missing = 0
        """Samples that never came."""
        self._ring = Ring(max_bytes)
        self._window = window
        self._max_lag = max_lag
        self._gaps: deque[Gap] = deque()

    @property
    def end(self) -> int:
        """The position after the newest sample."""
        return self._ring.end

    @property
    def lag(self) -> int:
        """Samples that wait to be scored."""
        return self._ring.end - self.position

    def write(self, pcm: bytes) -> int:
        """Add 16-bit mono PCM; returns the samples that were dropped for it, as a gap."""
        self._ring.write(pcm)
        excess = self.lag - self._max_lag
        if excess <= 0:
            return 0
        start, end = self.position, self.position + excess
        while self._gaps and self._gaps[0].start < end:
            gap = self._gaps.popleft()
            end = max(end, gap.end)
        self._gaps.appendleft(Gap(start, end, "dropped"))
        self.dropped += excess
        return excess

    def skip(self, samples: int, reason: str) -> None:
        """Note that `samples` are missing after what has arrived."""
        start = self._ring.end
        self._ring.skip(samples)
        self.missing += samples
        if self._gaps and self._gaps[-1].end == start and self._gaps[-1].reason == reason:
            start = self._gaps.pop().start
        self._gaps.append(Gap(start, self._ring.end, reason))

    def window_ready(self) -> bool:
        """True where a whole window without a gap waits."""
        end = self.position + self._window
        return end <= self._ring.end and not (self._gaps and self._gaps[0].start < end)

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and go past it."""
        self._ring.copy_into(self.position, out)
        self.position += self._window

    def next_gap(self) -> Gap | None:
        """The gap that comes before another whole window can, if there is one; the position goes past it."""
        if not self._gaps or self._gaps[0].start >= self.position + self._window:
            return None
        gap = self._gaps.popleft()
        start, self.position = self.position, gap.end
        return Gap(start, gap.end, gap.reason)

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """A copy of what is still held of [start, end)."""
        return self._ring.read(max(start, self._ring.first), min(end, self._ring.end))

    def discard(self, before: int) -> None:
        """Let go of what nobody will ask for again."""
        self._ring.discard(min(before, self.position))
