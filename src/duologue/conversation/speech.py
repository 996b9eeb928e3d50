"""Speech start and stop: probabilities of windows, with hysteresis, a shortest speech and a hangover."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from duologue.conversation.config import RATE, SpeechDetection

__all__ = ["SpeechDetector", "Step"]


class Step(Enum):
    """What one window did."""

    NONE = auto()
    START = auto()
    STOP = auto()


@dataclass(slots=True)
class SpeechDetector:
    """Follows one stream; every length is in samples."""

    config: SpeechDetection
    speaking: bool = False
    hot: int = 0
    """Speech in a row that has not started anything yet, or goes on."""
    doubtful: int = 0
    """Windows in a row that may be speech, those in `hot` among them."""
    quiet: int = 0
    """Silence in a row."""
    last_end: int = 0
    """Position after the last window of speech."""

    def window(self, start: int, end: int, probability: float) -> Step:
        """Take one window."""
        c = self.config
        doubtful = self.doubtful + end - start if probability >= c.doubt_threshold else 0
        step = self._step(start, end, probability)
        self.doubtful = doubtful
        return step

    def _step(self, start: int, end: int, probability: float) -> Step:
        c = self.config
        if probability >= (c.stop_threshold if self.speaking else c.start_threshold):
            self.hot += end - start
            self.quiet = 0
            if self.speaking:
                self.last_end = end
            elif self.hot >= c.min_speech * RATE:
                self.speaking = True
                self.last_end = end
                return Step.START
            return Step.NONE
        return self.silence(start, end)

    def silence(self, start: int, end: int) -> Step:
        """Take a stretch without speech: a silent window, or a gap."""
        self.hot = self.doubtful = 0
        self.quiet += end - start
        if self.speaking and self.quiet >= self.config.hangover * RATE:
            self.speaking = False
            return Step.STOP
        return Step.NONE
