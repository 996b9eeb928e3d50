"""Barge-in: the user speaks while the agent does. Duck at the onset, pause on speech, then check it for words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duologue.audio.format import RATE
from duologue.conversation.config import ConversationConfig

__all__ = ["BargeInAction", "BargeInWatch"]

BargeInAction = Literal["duck", "unduck", "pause", "resume", "confirm", ""]

NO_ECHO = 0.1
"""A window of which our own playout explains less than this share has no echo in it."""

LITTLE_ECHO = 0.3
"""The share that playout may explain by chance while the user speaks; in half of such windows it is over 0.13."""


@dataclass(slots=True)
class BargeInWatch:
    """Counts the user's speech over one reply."""

    config: ConversationConfig
    speech: float = 0.0
    """Samples of the user's own speech since it began."""
    certain: bool = False
    """Some of it was beyond doubt."""
    silence_run: int = 0
    """Samples of silence in a row."""
    doubt_run: int = 0
    """Samples in a row that may be speech."""

    def window(self, samples: int, probability: float, echo_ratio: float, state: str) -> BargeInAction:
        """Take one window while the agent is `speaking`, `ducked` or `paused`, and return what is to be done.

        Until the agent is paused, a speech window that may be partly echo counts three quarters, and one that may be
        speech and is certainly no echo counts half. At most one doubtful window before the first speech window counts.
        Doubt that lasts for `doubt_after` counts as speech; while the agent is paused, doubt counts as silence.

        Args:
            samples: Length of the window.
            probability: That of speech.
            echo_ratio: Share of the window's energy that our own playout explains.
            state: The agent's state.
        """
        c = self.config.barge_in
        may_be = probability >= c.doubt_threshold and echo_ratio < NO_ECHO
        before, self.doubt_run = self.doubt_run, self.doubt_run + samples if may_be else 0
        if probability >= self.config.speech.start_threshold:
            self.certain, share = True, 1.0 if echo_ratio < LITTLE_ECHO or state == "paused" else 0.75
        elif may_be and state != "paused":
            self.certain = self.certain or before < c.doubt_after * RATE <= self.doubt_run
            share = 0.5 if self.certain or self.speech < samples else 0.0
        else:
            self.silence_run += samples
            if state == "paused":
                return self._after_silence("resume", c.resume_after)
            return self._after_silence("unduck" if state == "ducked" else "", c.unduck_after)
        self.silence_run = 0
        self.speech += share * samples
        if not self.certain:
            return ""
        if self.speech >= c.confirm_after * RATE:
            return "confirm"
        if state != "paused" and self.speech >= c.pause_after * RATE:
            return "pause"
        return "duck" if state == "speaking" else ""

    def _after_silence(self, action: BargeInAction, seconds: float) -> BargeInAction:
        """Return `action` once the silence is that long, and forget the speech before it."""
        if self.silence_run < seconds * RATE:
            return ""
        self.speech, self.certain = 0.0, False
        return action
