"""A caller's loudspeaker, simulated by a clock: when each received sample would sound, and which arrived too late."""

from __future__ import annotations

import math

from duologue.audio.format import FRAME

__all__ = ["Playback"]


class Playback:
    """Plays received audio at once and without a gap, in steps of 20 ms, as a plain client does. Times are seconds.

    A reply that has begun and has nothing to play while more of it comes later is *starved*: whole frames of silence.
    """

    __slots__ = ("_dropped", "_end", "_left", "_paused", "_rate", "_stopped", "generation", "position", "starved")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._end = 0.0
        """When what has come will have sounded."""
        self._left = 0.0
        """Seconds that have not sounded, while paused."""
        self._paused = False
        self._stopped = 0.0
        self._dropped = -1
        self.generation: int = -1
        """The newest reply that sounded."""
        self.position: int = 0
        """The sample after the last that came."""
        self.starved: int = 0
        """Frames of 20 ms of silence inside replies."""

    def add(self, now: float, position: int, generation: int, samples: int) -> float | None:
        """Take a frame that came now, and return when it sounds; None if it was dropped or has to wait."""
        if generation <= self._dropped:
            return None
        begins = generation != self.generation
        self.generation = generation
        self.position = position + samples
        length = samples / self._rate
        if self._paused and not begins:
            self._left += length
            return None
        if self._paused:
            self._paused, self._end = False, now
        if self._end >= now:
            start = self._end
        elif begins:
            start = now
        else:
            missed = math.ceil((now - self._end) / FRAME - 1e-9)
            self.starved += missed
            start = self._end + missed * FRAME
        self._end = start + length
        return start

    def pause(self, now: float, generation: int) -> None:
        """Stop, and keep the rest."""
        if generation == self.generation and not self._paused:
            self._paused = True
            self._left = max(0.0, self._end - now)
            self._stopped = min(now, self._end)

    def resume(self, now: float, generation: int) -> None:
        """Resume."""
        if generation == self.generation and self._paused:
            self._paused = False
            self._end = now + self._left

    def drop(self, now: float, generation: int) -> None:
        """Forget what has not sounded of this generation and older."""
        self._dropped = max(self._dropped, generation)
        if self.generation <= generation:
            self.position -= round(self._unplayed(now) * self._rate)
            self._end = self.silent_since(now)
            self._paused = False

    def sounding(self, now: float) -> bool:
        """Whether there is sound at this moment."""
        return not self._paused and self._end > now

    def silent_since(self, now: float) -> float:
        """When the last sample sounded; `now` where it sounds still."""
        return self._stopped if self._paused else min(now, self._end)

    @property
    def end(self) -> float:
        """When all that has come will have sounded."""
        return self._end

    def played(self, now: float) -> int:
        """The position before which everything has sounded."""
        return self.position - math.ceil(self._unplayed(now) * self._rate)

    def _unplayed(self, now: float) -> float:
        return self._left if self._paused else max(0.0, self._end - now)
