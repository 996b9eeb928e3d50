"""The user's audio on its way to a speech-to-speech service: at its rate, in larger pieces, without long silence."""

from __future__ import annotations

from collections import deque
from typing import Final

from duologue.audio.format import RATE
from duologue.audio.level import rms
from duologue.audio.resample import Resampler

__all__ = ["Microphone"]

QUIET: Final = 60
"""The root mean square below which audio is silence: -55 dBFS."""
TAIL_S: Final = 1.0
"""Seconds of silence that are sent after sound, and kept to be sent before it."""
PIECE_S: Final = 0.1
"""Seconds of audio that are sent at once."""
MAX_WAITING_S: Final = 30.0
"""Seconds of audio that may wait to be sent; then the oldest is dropped."""


class Microphone:
    """Collects audio until a piece of it is due. Services charge for silence, so long silence is left out.

    Args:
        rate: Samples a second that the service takes.
        keeps_silence: Leave nothing out, for a service whose time advances with the audio alone.
    """

    def __init__(self, rate: int, *, keeps_silence: bool = False) -> None:
        self.dropped_s: float = 0.0
        """Seconds that were dropped because the service did not take them."""
        self.passed: int = 0
        """Samples of the input that were let through so far."""
        self._resampler = Resampler(RATE, rate)
        self._rate = rate
        self._keeps_silence = keeps_silence
        self._kept: deque[bytes] = deque()
        """Silence that was not sent, to be sent before the next sound."""
        self._kept_s = 0.0
        self._silence_s = TAIL_S
        self._waiting = bytearray()

    def push(self, pcm: bytes) -> bool:
        """Add audio of the user; return True if a piece is due."""
        seconds = len(pcm) / 2 / RATE
        if rms(pcm) > QUIET:
            for kept in self._kept:
                self._add(kept)
            self._kept.clear()
            self._kept_s = self._silence_s = 0.0
        else:
            self._silence_s += seconds
        if self._silence_s <= TAIL_S or self._keeps_silence:
            self._add(pcm)
        else:
            self._kept.append(pcm)
            self._kept_s += seconds
            while self._kept_s > TAIL_S:
                self._kept_s -= len(self._kept.popleft()) / 2 / RATE
        return len(self._waiting) >= PIECE_S * 2 * self._rate

    def take(self) -> bytes:
        """Return the audio that is to be sent, at the service's rate."""
        pcm = bytes(self._waiting)
        self._waiting.clear()
        return pcm

    def _add(self, pcm: bytes) -> None:
        self.passed += len(pcm) // 2
        self._waiting += self._resampler.process(pcm)
        excess = len(self._waiting) - round(MAX_WAITING_S * self._rate) * 2
        if excess > 0:
            del self._waiting[:excess]
            self.dropped_s += excess / 2 / self._rate
