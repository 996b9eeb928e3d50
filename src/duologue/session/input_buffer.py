"""The input side: what arrives, what is missing, and the windows that are scored. Positions in samples at 16 kHz."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.audio.ring import Ring
from duologue.conversation.inputs import Gap

__all__ = ["AudioSource", "InputBuffer"]

MAX_GAPS = 64
"""Gaps that may wait to be reported; beyond it the last ones are merged, with the audio between them."""


class AudioSource(Protocol):
    """The audio of the session."""

    @property
    def first(self) -> int:
        """The oldest sample that is kept."""
        ...

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """A copy of the part of [start, end) that is still held."""
        ...


class InputBuffer:
    """Audio on its way to the rules. `position` is where the rules are: everything before it has been scored, or is in
    a gap that has been reported.

    Less than a window of sound before a gap is never scored, and belongs to the gap.
    """

    def __init__(self, *, window: int, max_bytes: int, max_lag: int) -> None:
        self.position: int = 0
        self.dropped: int = 0
        """Samples that arrived and were dropped because they waited too long."""
        self.missing: int = 0
        """Samples that never came."""
        self._ring = Ring(max_bytes)
        self._window = window
        self._max_lag = self._usual_lag = max_lag
        self.waiting: int = 0
        """Samples that arrived and wait to be scored; what is missing does not count."""
        self.gaps: deque[Gap] = deque()
        """What is missing and was not told yet, oldest first."""

    @property
    def first(self) -> int:
        """The position of the oldest sample that is kept."""
        return self._ring.first

    @property
    def end(self) -> int:
        """The position after the newest sample."""
        return self._ring.end

    @property
    def lag(self) -> int:
        """Samples between the newest and the rules, those that never came among them."""
        return self._ring.end - self.position

    def allow_lag(self, samples: int) -> None:
        """Let so many more samples wait, until those that wait are as few as usual again."""
        self._max_lag = self._usual_lag + samples

    def write(self, pcm: bytes) -> int:
        """Add 16-bit mono PCM; returns how many samples that waited were dropped for it, oldest first, as a gap."""
        samples = len(pcm) // 2
        # A chunk of the whole lag must fit beside the rest of a window, which waits for it.
        if self.waiting + samples < self._max_lag + self._window:
            self._ring.write(pcm)
            self.waiting += samples
            return 0
        useless = samples - self._max_lag
        if useless > 0:  # what the chunk itself makes too old need not be kept
            self._ring.skip(useless)
            pcm = pcm[2 * useless :]
        self._ring.write(pcm)
        self.waiting += samples
        excess = self.waiting - self._max_lag
        start = end = self.position
        left = excess
        while self.gaps and self.gaps[0].start - end < left:
            gap = self.gaps.popleft()
            left -= gap.start - end
            end = gap.end
        self.gaps.appendleft(Gap(start, end + left, "dropped"))
        self.waiting -= excess
        self.dropped += excess
        return excess

    def skip(self, samples: int, reason: str) -> None:
        """Note that `samples` are missing after what has arrived."""
        start = self._ring.end
        self._ring.skip(samples)
        self.missing += samples
        if not samples:
            return
        last = self.gaps[-1] if self.gaps else None
        if last and (len(self.gaps) >= MAX_GAPS or (last.end == start and last.reason == reason)):
            self.gaps.pop()
            self.waiting -= start - last.end
            self.dropped += start - last.end
            start = last.start
        self.gaps.append(Gap(start, self._ring.end, reason))

    def window_ready(self) -> bool:
        """True if a whole window without a gap waits."""
        end = self.position + self._window
        return end <= self._ring.end and not (self.gaps and self.gaps[0].start < end)

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and go past it."""
        self._ring.copy_into(self.position, out)
        self.position += self._window
        self.waiting -= self._window
        if self._max_lag != self._usual_lag and self.waiting < self._window:
            self._max_lag = self._usual_lag

    def take_back(self, samples: int) -> bool:
        """Leave out the newest samples that were scored, as if they had never come; False if a gap is in the way.

        What waits moves to their place.
        """
        if self.gaps or not self._ring.remove(self.position - samples, self.position):
            return False
        self.position -= samples
        return True

    def next_gap(self) -> Gap | None:
        """The gap that comes before another whole window can, if there is one; the position goes past it."""
        if not self.gaps or self.gaps[0].start >= self.position + self._window:
            return None
        gap = self.gaps.popleft()
        self.waiting -= gap.start - self.position
        start, self.position = self.position, gap.end
        return Gap(start, gap.end, gap.reason)

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """A copy of the part of [start, end) that is still held."""
        return self._ring.read(max(start, self._ring.first), min(end, self._ring.end))

    def replace(self, start: int, samples: NDArray[np.int16]) -> None:
        """Put other samples in the place of a window that was scored."""
        self._ring.replace(start, samples)

    def discard(self, before: int) -> None:
        """Free the audio that is no longer needed."""
        self._ring.discard(min(before, self.position))
