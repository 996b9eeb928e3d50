"""The silence policy: words say nothing, and the turn ends with the action delay."""

from __future__ import annotations

from duologue.turn import Judgement

__all__ = ["Silence"]

_ALWAYS = Judgement(1.0, "silence")


class Silence:
    """Takes every pause for the end of the turn, so that the length of the silence alone decides."""

    name = "silence"

    def judge(self, text: str) -> Judgement:
        """Probability 1, whatever `text` says, even nothing."""
        return _ALWAYS
