"""What of the microphone's sound is our own voice coming back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.echo import EchoExplainer
from duologue.audio.resample import Resampler
from duologue.conversation.config import RATE

__all__ = ["EchoGuard"]

TAIL = RATE // 2
"""Samples after the last frame of ours in which its echo may still arrive."""


class EchoGuard:
    """Keeps what was played in line with what is heard. It costs nothing while the agent is silent."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._explainer: EchoExplainer | None = None
        self._resampler: Resampler | None = None
        self._next = self._until = 0
        self._sounding = False

    def played(self, pos: int, frame: bytes) -> None:
        """Note a frame of ours, sent when the input was at `pos`."""
        if self._explainer is None or self._resampler is None:
            self._explainer, self._resampler = EchoExplainer(), Resampler(self._rate, RATE)
        start = max(pos, self._next)
        samples = np.frombuffer(self._resampler.process(frame), np.int16)
        self._explainer.play(start, samples)
        self._next = start + len(samples)
        self._until = self._next + TAIL
        self._sounding = True

    def active(self, pos: int) -> bool:
        """True while our own voice may be in what is heard at `pos`; the playout is forgotten when that is over."""
        if self._explainer is not None and self._sounding and pos >= self._until:
            self._explainer.stop()
            self._sounding = False
        return self._sounding

    def explained(self, end: int, mic: NDArray[np.int16]) -> float:
        """The share of the energy of `mic`, the window that ends at `end`, that our own voice explains; 0 to 1.

        To be asked while `active` for the windows that may be speech; the others need no explanation, and this costs
        more than all else that is done for a window.
        """
        return self._explainer.explained(end, mic) if self._explainer is not None else 0.0
