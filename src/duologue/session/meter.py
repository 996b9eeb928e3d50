"""The detectors' opinion as it changes, for those who want to watch it."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.audio.format import RATE
from duologue.conversation.conversation import Conversation
from duologue.conversation.inputs import VadScored
from duologue.session.events import Metered

__all__ = ["Meter"]


@dataclass(slots=True)
class Meter:
    """Sums up the scores of windows, `every` so many seconds of audio."""

    every: float
    speech: float = 0.0
    echo_ratio: float = 0.0
    due: int = 0

    def take(self, window: VadScored, rules: Conversation, wall: float) -> Metered | None:
        """Count a window that the rules have got; return the sum if one is due."""
        if window.probability >= self.speech:
            self.speech, self.echo_ratio = window.probability, window.echo_ratio
        if window.end < self.due:
            return None
        measured = Metered(window.end, wall, self.speech, self.echo_ratio, rules.end_of_turn, rules.silence)
        self.speech = self.echo_ratio = 0.0
        self.due = window.end + round(self.every * RATE)
        return measured
