"""Endpointing: given the silence so far and the evidence, is the turn over? Threshold, action delay, timeout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from duologue.conversation.config import Endpointing

__all__ = ["Evidence", "Verdict", "combine", "decide", "wait"]

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
    return 1 / (1 + math.exp(-(WORDS_WEIGHT * _odds(words) + SOUND_WEIGHT * _odds(sound))))


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
