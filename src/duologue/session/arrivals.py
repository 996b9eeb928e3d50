"""When the audio of one client arrives, and from when on its absence is a gap."""

from __future__ import annotations

from typing import Final

from duologue.audio.format import RATE

__all__ = ["MAX_TIMEOUT_S", "Arrivals"]

MAX_TIMEOUT_S: Final = 1.6
"""Seconds without audio after which any client's audio is missing: a chunk of a second, and a stall of 0.6 s."""

MAX_CHUNK: Final = 1.0
"""Seconds of the longest chunk that is waited for; a program may hand over more at once."""

FILL_EVERY: Final = 0.2
"""Seconds between two gaps while nothing arrives."""

WATCH: Final = 5.0
"""Seconds in which a client may make up for a stall: as much as the protocol lets it send at once."""

RELEARN_EVERY: Final = 30.0
"""Seconds after which what was observed before counts no more."""

JITTER: Final = 0.05
"""Seconds by which a chunk of any client may be late without being noted."""


class Arrivals:
    """Learns how large the chunks of a client are and how long it stalls, so that neither is mistaken for a gap.

    Audio counts as missing once none has arrived for `timeout` seconds: `base`, or 1.5 times the longest stall that
    the client made up for recently, and the length of its largest recent chunk on top; MAX_TIMEOUT_S at most, and that
    until the first chunk has arrived. `ahead` are samples of silence that were invented although the audio came later:
    the session's time is ahead of the client's by so much, until the session takes it back.

    Plain numbers only, and for a chunk that is like those before only two comparisons, which the caller makes:
    `note` is to be called where a chunk is longer than `largest` or comes more than `usual` after `at`, and else `at`
    is to be set.
    """

    __slots__ = (
        "_base",
        "_clock",
        "_invented",
        "_size",
        "_stall",
        "_stall_now",
        "_started",
        "_watch_stall",
        "_watch_until",
        "ahead",
        "at",
        "filled",
        "largest",
        "relearn_at",
        "timeout",
        "usual",
    )  # fmt: skip

    def __init__(self, base: float) -> None:
        self.at: float = 0.0
        """Seconds of the session's clock until which the input is accounted for."""
        self.timeout: float = MAX_TIMEOUT_S
        """Seconds after `at` from which on audio is missing."""
        self.largest: int = 0
        """Samples of the largest chunk since the last look back."""
        self.usual: float = -1.0
        """Seconds between chunks beyond which `note` is to be called."""
        self.filled: int = 0
        """Samples invented since the last chunk."""
        self.ahead: int = 0
        """Samples invented whose audio came all the same."""
        self._base = base
        self._started = False
        self._size = 0.0
        self._stall = self._stall_now = 0.0
        self.relearn_at: float = float("inf")
        """Seconds of the session's clock at which `relearn` is to be called."""
        # A stall that is being watched: whether its audio comes late, or never.
        self._watch_until = 0.0
        self._watch_stall = 0.0
        self._clock = 0.0
        self._invented = 0

    def note(self, samples: int, now: float) -> None:
        """Learn from a chunk that is larger or later than usual, or that follows a stall."""
        seconds = samples / RATE
        gap = now - self.at
        if not self._started:
            self._started = True  # What passed before the first chunk says nothing about those after it.
            self.relearn_at = now + RELEARN_EVERY
        elif self.filled or gap > self._limit:
            self._watch_until = now + WATCH
            self._watch_stall = gap + self.filled / RATE
            self._clock = self.at
            self._invented, self.filled = self.filled, 0
        if samples > self.largest:
            self.largest = samples
            self._size = max(self._size, min(seconds, MAX_CHUNK))
        if now < self._watch_until:
            self._watch(seconds, now)
        self.filled = 0
        self.at = now
        self._settle(now)

    def _watch(self, seconds: float, now: float) -> None:
        """See whether what comes makes up for the stall: how far it is ahead of the clock shows it."""
        self._clock += seconds
        early = self._clock - now
        if self._invented and early > JITTER:
            made_up = min(self._invented, int(early * RATE))
            self._invented -= made_up
            self._clock -= made_up / RATE
            self.ahead += made_up
        if self._invented <= JITTER * RATE and early >= -self._size - JITTER:
            self._stall_now = max(self._stall_now, min(self._watch_stall, MAX_TIMEOUT_S))
            self._stall = max(self._stall, self._stall_now)
            self._watch_until = 0.0

    def fill(self, now: float) -> int:
        """The samples that are missing by now; the next are looked for after FILL_EVERY."""
        # A chunk covers the time before its arrival, so that the last of them may still be on its way.
        missing = int((now - self.at - self._size) * RATE)
        self.at += missing / RATE
        self.filled += missing
        self.usual = -1.0
        self.timeout = self._size + FILL_EVERY
        return missing

    def cover(self, samples: int, now: float) -> int:
        """How many of `samples` that never came are to be skipped still, because no silence was invented for them."""
        if samples <= 0:
            return samples
        covered = min(samples, self.filled)
        self.filled -= covered
        samples -= covered
        covered = min(samples, self.ahead)
        self.ahead -= covered
        if not self.filled:
            self.at = now
        return samples - covered

    def relearn(self, now: float) -> None:
        """Forget what was observed before the last look back, except where nothing has come since."""
        self.relearn_at = now + RELEARN_EVERY
        if self.largest and not self.filled:
            self._size, self._stall = min(self.largest / RATE, MAX_CHUNK), self._stall_now
            self.largest, self._stall_now = 0, 0.0
            self._settle(now)

    @property
    def _limit(self) -> float:
        return max(1.5 * self._size, self._stall_now) + JITTER

    def _settle(self, now: float) -> None:
        """Set what the next chunk is compared with."""
        wait = max(self._base, 1.5 * self._stall) + self._size
        self.timeout = min(max(MAX_TIMEOUT_S, self._base), wait)
        self.usual = -1.0 if now < self._watch_until else self._limit
