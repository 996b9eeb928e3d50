"""Barge-in: the user speaks while the agent does. Duck at onset, pause on speech, then see whether it has words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duologue.conversation.config import RATE, ConversationConfig

__all__ = ["BargeInWatch", "Step"]

Step = Literal["duck", "unduck", "pause", "resume", "confirm", ""]

NO_ECHO = 0.1
"""Of a window of which our own playout explains less, nothing is an echo."""

LITTLE_ECHO = 0.3
"""The share that it may explain by chance while the user speaks; of half of their windows it is more than 0.13."""


@dataclass(slots=True)
class BargeInWatch:
    """Counts the user's speech over one reply."""

    config: ConversationConfig
    speech: float = 0.0
    """Samples of the user's own speech since it began."""
    certain: bool = False
    """Some of it was beyond doubt."""
    quiet: int = 0
    """Samples of silence in a row."""
    doubtful: int = 0
    """Samples in a row that may be speech."""

    def window(self, samples: int, probability: float, explained: float, state: str) -> Step:
        """Take one window while the agent is `speaking`, `ducked` or `paused`; says what is to be done, if anything.

        `explained`: the share of it that is an echo. Until the agent is paused, three quarters count of a window of
        speech that may well be an echo in part, and half of one that may be speech and is no echo at all; of those
        before the first that is speech, as much as one. A beginning that stays in doubt for `doubt_after` is speech as
        well; doubt that goes on keeps nobody paused, and takes no floor.
        """
        c = self.config.barge_in
        may_be = probability >= c.doubt_threshold and explained < NO_ECHO
        before, self.doubtful = self.doubtful, self.doubtful + samples if may_be else 0
        if probability >= self.config.speech.start_threshold:
            self.certain, share = True, 1.0 if explained < LITTLE_ECHO or state == "paused" else 0.75
        elif may_be and state != "paused":
            self.certain = self.certain or before < c.doubt_after * RATE <= self.doubtful
            share = 0.5 if self.certain or self.speech < samples else 0.0
        else:
            self.quiet += samples
            if state == "paused":
                return self._over("resume", c.resume_after)
            return self._over("unduck" if state == "ducked" else "", c.unduck_after)
        self.quiet = 0
        self.speech += share * samples
        if not self.certain:
            return ""
        if self.speech >= c.confirm_after * RATE:
            return "confirm"
        if state != "paused" and self.speech >= c.pause_after * RATE:
            return "pause"
        return "duck" if state == "speaking" else ""

    def _over(self, step: Step, after: float) -> Step:
        """That step when it has been silent for so long; what was said before is then forgotten."""
        if self.quiet < after * RATE:
            return ""
        self.speech, self.certain = 0.0, False
        return step
