"""Speech start and stop from the probabilities of windows: hysteresis, a minimum duration and a hangover."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from duologue.audio.format import RATE
from duologue.conversation.config import SpeechDetection

__all__ = ["SpeechChange", "SpeechDetector"]


class SpeechChange(Enum):
    """What one window changed."""

    NONE = auto()
    START = auto()
    STOP = auto()


@dataclass(slots=True)
class SpeechDetector:
    """Follows one stream of windows; every length is in samples."""

    config: SpeechDetection
    speaking: bool = False
    speech_run: int = 0
    """Length of the current run of speech windows."""
    doubt_run: int = 0
    """Length of the current run of windows that may be speech, those in `speech_run` included."""
    silence_run: int = 0
    """Length of the current run of silent windows."""
    last_end: int = 0
    """Position after the last window of speech."""

    def window(self, start: int, end: int, probability: float) -> SpeechChange:
        """Take one window."""
        c = self.config
        doubt_run = self.doubt_run + end - start if probability >= c.doubt_threshold else 0
        change = self._change(start, end, probability)
        self.doubt_run = doubt_run
        return change

    def _change(self, start: int, end: int, probability: float) -> SpeechChange:
        c = self.config
        if probability >= (c.stop_threshold if self.speaking else c.start_threshold):
            self.speech_run += end - start
            self.silence_run = 0
            if self.speaking:
                self.last_end = end
            elif self.speech_run >= c.min_speech * RATE:
                self.speaking = True
                self.last_end = end
                return SpeechChange.START
            return SpeechChange.NONE
        return self.silence(start, end)

    def silence(self, start: int, end: int) -> SpeechChange:
        """Take a stretch without speech: a silent window, or a gap."""
        self.speech_run = self.doubt_run = 0
        self.silence_run += end - start
        if self.speaking and self.silence_run >= self.config.hangover * RATE:
            self.speaking = False
            return SpeechChange.STOP
        return SpeechChange.NONE

    def onset(self, start: int) -> int:
        """Return where the run of windows began that led to speech at `start`; words often begin softly."""
        return max(start - (self.doubt_run - self.speech_run), start - round(self.config.longest_onset * RATE))
