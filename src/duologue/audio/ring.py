"""The sound that a session holds: addressed by absolute sample positions, bounded in bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidAudioError, InvalidStateError, OverloadedError

__all__ = ["Ring"]

_FIRST_CAPACITY = 2048
_GAP_COST = 64
"""Samples' worth of room that the record of one gap counts as; about what it takes in memory."""


class Ring:
    """A stretch of 16-bit mono sound, [first, end) in samples since the stream began.

    `write` adds at the end and `discard` frees the beginning. Where a write would take the ring beyond
    `max_bytes` the oldest sound is dropped and counted. Gaps are kept as records, not as zeros, so that an hour of
    nothing costs nothing. Memory grows by doubling and shrinks when audio is freed. Not thread-safe.
    """

    __slots__ = (
        "_bytes",
        "_capacity",
        "_gaps",
        "_head",
        "_held",
        "_limit",
        "_max",
        "_samples",
        "dropped",
        "end",
        "first",
        "skipped",
    )

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 4 * _GAP_COST:
            raise ConfigError(f"A ring holds {4 * _GAP_COST} bytes or more, not {max_bytes!r}.")
        self.first: int = 0
        """The position of the oldest sample held."""
        self.end: int = 0
        """The position after the newest sample, in samples since the stream began."""
        self.dropped: int = 0
        """Samples lost because the ring was full."""
        self.skipped: int = 0
        """Samples that never came: the sum of all gaps."""
        self._max = max_bytes // 2
        self._gaps: list[tuple[int, int]] = []  # (position, length), in order, never adjacent
        self._head = 0  # where in _samples the oldest sample is
        self._held = 0  # samples in _samples; gaps are not among them
        self._allocate(0)

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def held_bytes(self) -> int:
        """What counts against `max_bytes`: the samples, and 128 bytes for each gap."""
        return 2 * (self._held + _GAP_COST * len(self._gaps))

    @property
    def allocated_bytes(self) -> int:
        """Memory taken for samples now."""
        return 2 * self._capacity

    def write(self, pcm: bytes | bytearray | memoryview, *, drop_oldest: bool = True) -> int:
        """Add sound at the end and return the new `end`.

        Where there is no room the oldest is dropped; with `drop_oldest=False` OverloadedError is raised instead and
        nothing is written. Raises InvalidAudioError unless `pcm` is whole samples.
        """
        if isinstance(pcm, memoryview):
            pcm = pcm.cast("B")
        n_bytes = len(pcm)
        if n_bytes & 1:
            raise InvalidAudioError(f"{n_bytes} bytes are not whole samples of 2 bytes each.")
        n = n_bytes >> 1
        if self._held + n > self._limit:
            pcm = self._make_room(pcm, n, drop_oldest)
            n_bytes = len(pcm)
            n = n_bytes >> 1
        tail = (self._head + self._held) % self._capacity if self._capacity else 0
        over = tail + n - self._capacity
        if over <= 0:
            self._bytes[2 * tail : 2 * tail + n_bytes] = pcm
        else:
            cut = n_bytes - 2 * over
            self._bytes[2 * tail :] = pcm[:cut]
            self._bytes[: 2 * over] = pcm[cut:]
        self._held += n
        self.end += n
        return self.end

    def skip(self, n: int) -> int:
        """Advance the position by a gap of `n` samples, which reads as zeros, and return the new `end`."""
        if n < 0:
            raise ConfigError(f"A gap is 0 samples or more, not {n}.")
        if n == 0:
            return self.end
        if self._gaps and sum(self._gaps[-1]) == self.end:
            position, length = self._gaps.pop()
            self._gaps.append((position, length + n))
        else:
            while (missing := self._held + _GAP_COST * (len(self._gaps) + 1) - self._max) > 0:
                self._drop(missing)
            self._gaps.append((self.end, n))
            self._limit = min(self._capacity, self._max - _GAP_COST * len(self._gaps))
        self.end += n
        self.skipped += n
        return self.end

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """A copy of [start, end), gaps as zeros.

        Raises InvalidStateError where that is not all held, or is longer than the ring may hold.
        """
        if end - start > self._max:
            raise InvalidStateError(f"{end - start} samples were asked for at once; the ring holds {self._max}.")
        out = np.empty(max(0, end - start), np.int16)
        self.copy_into(start, out)
        return out

    def copy_into(self, start: int, out: NDArray[np.int16]) -> None:
        """Fill `out` (n,) with [start, start + n), gaps as zeros.

        Raises InvalidStateError where that is not all held; `out` is then untouched.
        """
        n = len(out)
        end = start + n
        if start < self.first or end > self.end:
            raise InvalidStateError(
                f"Samples {start} to {end} were asked for; the ring holds {self.first} to {self.end}.",
                hint="Read between `first` and `end`.",
            )
        if self._gaps:
            self._copy_around_gaps(start, out)
        else:
            self._copy(start - self.first, out)

    def replace(self, start: int, samples: NDArray[np.int16]) -> None:
        """Put other samples (n,) in the place of [start, start + n), in which there is no gap.

        Raises InvalidStateError where that is not all held.
        """
        end = start + len(samples)
        inside = any(gap < end and start < gap + length for gap, length in self._gaps)
        if start < self.first or end > self.end or inside:
            raise InvalidStateError(f"Samples {start} to {end} are not all held, and cannot be replaced.")
        at = (self._head + start - self.first - sum(n for gap, n in self._gaps if gap < start)) % self._capacity
        head = samples[: self._capacity - at]
        self._samples[at : at + len(head)] = head
        self._samples[: len(samples) - len(head)] = samples[len(head) :]

    def remove(self, start: int, end: int) -> bool:
        """Take [start, end) out, so that what comes after it moves to its place.

        Changes nothing and returns False if that is not all held, or a gap is in it or after it.
        """
        if start < self.first or end > self.end or (self._gaps and sum(self._gaps[-1]) > start):
            return False
        after = self.read(end, self.end).tobytes()
        self._held -= self.end - start
        self.end = start
        self.write(after)
        return True

    def discard(self, before: int) -> None:
        """Free everything before the position `before`, which is not read again.

        Raises InvalidStateError for a position that has not arrived yet; one that is freed already is fine.
        """
        if before > self.end:
            raise InvalidStateError(f"Position {before} has not come yet; the ring ends at {self.end}.")
        if before > self.first:
            self._advance(before)
            if self._held <= self._capacity // 8 and self._capacity > _FIRST_CAPACITY:
                self._allocate(max(_FIRST_CAPACITY, self._capacity // 4))

    def clear(self) -> None:
        """Free everything; the position stays."""
        self._gaps.clear()
        self.first = self.end
        self._head = self._held = 0
        self._allocate(0)

    def _copy(self, index: int, out: NDArray[np.int16]) -> None:
        """Fill `out` with held samples from the one at `index` after the oldest."""
        at = self._head + index
        if at >= self._capacity:
            at -= self._capacity
        n = len(out)
        over = at + n - self._capacity
        if over <= 0:
            out[:] = self._samples[at : at + n]
        else:
            out[: n - over] = self._samples[at:]
            out[n - over :] = self._samples[:over]

    def _copy_around_gaps(self, start: int, out: NDArray[np.int16]) -> None:
        end = start + len(out)
        position, index = self.first, 0
        for gap, length in (*self._gaps, (self.end, 0)):
            low, high = max(start, position), min(end, gap)
            if low < high:
                self._copy(index + low - position, out[low - start : high - start])
            out[max(start, gap) - start : max(0, gap + length - start)] = 0
            index += gap - position
            position = gap + length

    def _make_room(
        self, pcm: bytes | bytearray | memoryview, n: int, drop_oldest: bool
    ) -> bytes | bytearray | memoryview:
        """Grow or drop until `pcm` fits, and return the part of it that fits: all but the excess over `max_bytes`."""
        room = self._max - _GAP_COST * len(self._gaps) - self._held
        if n > room and not drop_oldest:
            raise OverloadedError(f"{n} samples do not fit: the ring has room for {room} of {self._max}.")
        if n > self._max:
            excess = n - self._max
            self.dropped += self._held + excess
            self._advance(self.end)
            self.first = self.end = self.end + excess
            pcm, n = pcm[2 * excess :], self._max
        while (missing := self._held + n + _GAP_COST * len(self._gaps) - self._max) > 0:
            self._drop(missing)
        if self._held + n > self._capacity:
            capacity = max(self._capacity, _FIRST_CAPACITY)
            while capacity < self._held + n:
                capacity *= 2
            self._allocate(min(capacity, self._max))
        return pcm

    def _drop(self, n: int) -> None:
        """Lose up to `n` of the oldest samples, or the gap that is older than they."""
        if self._gaps and self._gaps[0][0] == self.first:
            self._advance(sum(self._gaps[0]))
            return
        until = min(self.first + n, self._gaps[0][0] if self._gaps else self.end)
        self.dropped += until - self.first
        self._advance(until)

    def _advance(self, first: int) -> None:
        """Free everything before `first`, and the gaps that end there."""
        gone, in_gaps = first - self.first, 0
        whole = 0
        for position, length in self._gaps:
            if position >= first:
                break
            if position + length <= first:
                whole += 1
                in_gaps += length
            else:
                in_gaps += first - position
                self._gaps[whole] = (first, position + length - first)
                break
        del self._gaps[:whole]
        self.first = first
        self._held -= gone - in_gaps
        self._head = (self._head + gone - in_gaps) % self._capacity if self._held else 0
        self._limit = min(self._capacity, self._max - _GAP_COST * len(self._gaps))

    def _allocate(self, capacity: int) -> None:
        samples = np.empty(capacity, np.int16)
        if self._held:
            self._copy(0, samples[: self._held])
        self._samples = samples
        self._bytes = samples.data.cast("B")
        self._capacity = capacity
        self._head = 0
        self._limit = min(capacity, self._max - _GAP_COST * len(self._gaps))
