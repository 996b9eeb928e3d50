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
ALERT = 2 * RATE
"""Samples after an echo in which every window is looked at, and freed of it, before it is understood."""
UNSURE = round(0.7 * RATE)
"""Where the first that may be speech is heard this soon after the first sound of ours in a call..."""
LEARNING = round(0.32 * RATE)
"""...it is taken for echo for so many samples: as many as it takes to find its delay."""
ECHOES = 4
"""Windows of echo in a row that make sure that there is one."""


class EchoGuard:
    """Keeps what was played in line with what is heard. It costs nothing while the agent is silent."""

    def __init__(self, rate: int, threshold: float) -> None:
        self._rate = rate
        self._threshold = threshold
        self._explainer: EchoExplainer | None = None
        self._resampler: Resampler | None = None
        self._next = self._until = 0
        self._sounding = False
        self._held = np.zeros(0, np.int16)
        """What was sent and did not sound before the client paused."""
        self._alert_until = 0
        self._echoes = 0
        self._first: int | None = None
        """Where our first sound could be heard, while nothing else was."""
        self._sure_from = 0

    def played(self, pos: int, frame: bytes) -> None:
        """Note a frame of ours, sent when the input was at `pos`."""
        if self._explainer is None or self._resampler is None:
            self._explainer, self._resampler = EchoExplainer(), Resampler(self._rate, RATE)
            self._first = pos
        self._play(pos, np.frombuffer(self._resampler.process(frame), np.int16))

    def paused(self, pos: int) -> None:
        """Note that the client fell silent when the input was at `pos`, and keeps what has not sounded."""
        if self._explainer is not None:
            self._held = self._explainer.take_back(pos)
            self._next = pos

    def resumed(self, pos: int) -> None:
        """Note that the client went on where it had paused."""
        held, self._held = self._held, self._held[:0]
        if len(held):
            self._play(pos, held)

    def flushed(self, pos: int) -> None:
        """Note that the client fell silent, and forgot what had not sounded."""
        self.paused(pos)
        self._held = self._held[:0]

    def _play(self, pos: int, samples: NDArray[np.int16]) -> None:
        assert self._explainer is not None
        start = max(pos, self._next)
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

    def alert(self, pos: int) -> bool:
        """True where an echo was heard shortly before `pos`: there may be some of it in every window."""
        return pos < self._alert_until

    def explained(self, end: int, mic: NDArray[np.int16], is_speech: bool) -> float:
        """The share of the energy of `mic`, the window that ends at `end`, that our own voice explains; 0 to 1.

        To be asked while `active` for the windows that may be speech, and for all while `alert`; the others need no
        explanation, and this costs more than all else that is done for a window. `is_speech`: it may be speech.
        """
        assert self._explainer is not None, "asked only while active"
        share = self._explainer.explained(end, mic)
        if not is_speech:
            return share
        if self._first is not None:
            self._sure_from = end + LEARNING if end < self._first + UNSURE else 0
            self._first = None
        self._echoes = self._echoes + 1 if share >= self._threshold else 0
        if self._echoes >= ECHOES:
            self._alert_until = end + ALERT
        return share if end >= self._sure_from else 1.0

    @property
    def left(self) -> NDArray[np.int16]:
        """The last window that was explained, without our own voice."""
        assert self._explainer is not None, "asked only after an explanation"
        return self._explainer.left
