"""Endpointing: given the silence so far and the evidence, is the turn over? Threshold, action delay, timeout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from duologue.conversation.config import Endpointing

__all__ = ["Evidence", "Verdict", "combine", "decide"]

WORDS_WEIGHT = 0.6
SOUND_WEIGHT = 0.6
"""The sum is above 1: two that agree are surer than one."""
CERTAIN = 0.001


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the end of a turn."""

    text: str
    words: float
    reason: str
    patience: float
    sound: float | None = None

    @property
    def probability(self) -> float:
        """Words and sound together."""
        return self.words if self.sound is None else combine(self.words, self.sound)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a turn is over."""

    probability: float
    reason: str


def combine(words: float, sound: float) -> float:
    """Two probabilities as one, by the weighted sum of their log-odds: one outvotes the other only by being surer."""

    def odds(p: float) -> float:
        p = min(max(p, CERTAIN), 1 - CERTAIN)
        return math.log(p / (1 - p))

    return 1 / (1 + math.exp(-(WORDS_WEIGHT * odds(words) + SOUND_WEIGHT * odds(sound))))


def decide(evidence: Evidence, silence: float, config: Endpointing) -> Verdict | None:
    """The verdict after `silence` seconds, or None while it is open."""
    p = evidence.probability
    if p >= config.threshold and silence >= config.action_delay:
        return Verdict(p, "words" if evidence.sound is None else "sound")
    if silence >= config.timeout * evidence.patience:
        return Verdict(p, "timeout")
    return None
