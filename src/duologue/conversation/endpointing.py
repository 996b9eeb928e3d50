"""Endpointing: given the silence so far and the evidence, is the turn over? Threshold, action delay, timeout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from duologue.conversation.config import Endpointing

__all__ = ["Evidence", "Verdict", "combine", "decide", "wait"]

WORDS_WEIGHT = 0.75
SOUND_WEIGHT = 0.4
SOUND_NEUTRAL = 0.8
"""The judge of sound sees an end in most pauses: by this probability it says nothing, below it speaks against."""
RECOGNIZER_WEIGHT = 0.4
"""Of the recognizer's own opinion, which says nothing at 0.5."""
CERTAIN = 0.02
"""No judge is believed beyond this."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the end of a turn."""

    text: str
    words: float
    reason: str
    patience: float
    sound: float | None = None
    against: float = 0.0
    """Log-odds that the moment in the call takes off."""
    recognizer: float | None = None
    """What the recognizer itself says."""

    @property
    def probability(self) -> float:
        """Words, sound and the recognizer's opinion together, and the moment."""
        p = self.words if self.sound is None else combine(self.words, self.sound)
        against = self.against
        if self.recognizer is not None:
            against -= RECOGNIZER_WEIGHT * _odds(self.recognizer)
        return 1 / (1 + math.exp(against - _odds(p))) if against else p


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a turn is over."""

    probability: float
    reason: str


def combine(words: float, sound: float) -> float:
    """Two probabilities as one, by the weighted sum of their log-odds: one outvotes the other only by being surer."""
    odds = WORDS_WEIGHT * _odds(words) + SOUND_WEIGHT * (_odds(sound) - _odds(SOUND_NEUTRAL))
    return 1 / (1 + math.exp(-odds))


def wait(probability: float, patience: float, config: Endpointing) -> float:
    """Seconds of silence after which a turn of this probability is decided.

    The action delay from the threshold up, the timeout from `wait_below` down; in between it falls in a straight line
    over the log-odds.
    """
    timeout = max(config.timeout * patience, config.action_delay)
    if probability >= config.threshold:
        return config.action_delay
    if probability <= config.wait_below:
        return timeout
    sure, unsure = _odds(config.threshold), _odds(config.wait_below)
    return config.action_delay + (timeout - config.action_delay) * (sure - _odds(probability)) / (sure - unsure)


def decide(evidence: Evidence, silence: float, config: Endpointing) -> Verdict | None:
    """The verdict after `silence` seconds, or None while it is open."""
    p = evidence.probability
    if silence < wait(p, evidence.patience, config):
        return None
    if p >= config.threshold or p > config.wait_below:
        return Verdict(p, "words" if evidence.sound is None else "sound")
    return Verdict(p, "timeout")


def _odds(probability: float) -> float:
    p = min(max(probability, CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))
