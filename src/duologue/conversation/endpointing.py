"""Endpointing: given the silence so far and the evidence, is the turn over?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from duologue.conversation.config import Endpointing
from duologue.conversation.eagerness import wait_factor
from duologue.conversation.question import AnswerState

__all__ = [
    "Evidence",
    "Verdict",
    "calibrated",
    "decide",
    "sound_matters",
    "sound_odds",
    "sound_share",
    "wait",
]

SOUND_WEIGHT = 0.65
"""Of the turn model's log-odds, where the words count once; fitted by `training/fit.py`."""
SOUND_NEUTRAL = 0.9
"""The turn model sees an end in most pauses: 0.9 is neutral, and a lower probability is evidence against it."""
ESTIMATE_NEUTRAL = 0.88
"""The same of what the recognizer estimates that the turn model would say."""
SHORTEST = 0.5
"""Seconds of speech up to which the turn model counts least."""
LEAST_SHARE = 0.5
RECOGNIZER_WEIGHT = 0.4
"""Weight of the recognizer's own estimate, which is neutral at 0.5."""
ANSWER_ODDS: Final[dict[AnswerState, float]] = {"": 0.0, "partial": -1.0, "complete": 2.0}
"""Log-odds that are added for an answer to what the agent has asked."""
ANSWERED_TIMEOUT_FACTOR = 0.5
PARTIAL_TIMEOUT_FACTOR = 0.8
CALIBRATION = 0.46
"""Of the sum of log-odds, so that of turns with a probability of 0.8 four in five are over. Fitted to recordings of
sources that nothing is trained on (docs/turn-taking.md)."""
CERTAIN = 0.02
"""No judge is believed beyond this."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the end of a turn."""

    text: str
    words: float
    reason: str
    timeout_factor: float
    sound: float | None = None
    """What the turn model says of the audio."""
    against: float = 0.0
    """Log-odds subtracted: for the moment in the call, and for what the recognizer adds to the words."""
    recognizer: float | None = None
    """What the recognizer itself says."""
    answers: AnswerState = ""
    """Whether the words answer what the agent has asked."""
    sound_share: float = 1.0
    """How much the turn model counts against the end of the turn, 0 to 1."""
    sound_estimate: float | None = None
    """What the turn model would say, as the recognizer estimates it: it counts until the turn model has judged."""

    @property
    def effective_timeout_factor(self) -> float:
        """Factor on the timeout: short once the question is answered, long enough to complete half an answer."""
        if self.answers == "complete":
            return min(self.timeout_factor, ANSWERED_TIMEOUT_FACTOR)
        return max(self.timeout_factor, PARTIAL_TIMEOUT_FACTOR) if self.answers == "partial" else self.timeout_factor

    @property
    def probability(self) -> float:
        """Words, sound and the recognizer's opinion together, and the moment."""
        odds = _odds(self.words)
        if self.sound is not None:
            odds += sound_odds(self.sound, self.sound_share)
        elif self.sound_estimate is not None:
            odds += sound_odds(self.sound_estimate, self.sound_share, ESTIMATE_NEUTRAL)
        if self.recognizer is not None:
            odds += RECOGNIZER_WEIGHT * _odds(self.recognizer)
        return calibrated(odds + ANSWER_ODDS[self.answers] - self.against)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a turn is over."""

    probability: float
    reason: str


def sound_odds(sound: float, share: float = 1.0, neutral: float = SOUND_NEUTRAL) -> float:
    """Return the log-odds that the turn model adds; `share` of its weight counts where it speaks against an end."""
    odds = SOUND_WEIGHT * (_odds(sound) - _odds(neutral))
    return odds if odds > 0 else share * odds


def calibrated(odds: float) -> float:
    """Return the probability for the sum of all log-odds: the judges know less than they say together."""
    return 1 / (1 + math.exp(-CALIBRATION * odds))


def sound_share(spoken: float, config: Endpointing) -> float:
    """Return how much the turn model counts against an end after so many seconds of a turn: it errs on short ones."""
    if config.short_turn <= SHORTEST:
        return 1.0
    return min(max((spoken - SHORTEST) / (config.short_turn - SHORTEST), LEAST_SHARE), 1.0)


def wait(probability: float, timeout_factor: float, config: Endpointing) -> float:
    """Seconds of silence after which a turn of this probability is decided.

    There are three levels: `action_delay`, `likely_delay`, and the timeout. Between the last two the wait falls in a
    straight line over the log-odds. Eagerness is a factor on all of it.
    """
    return wait_factor(config.eagerness) * _plain_wait(probability, timeout_factor, config)


def _plain_wait(probability: float, timeout_factor: float, config: Endpointing) -> float:
    timeout = max(config.timeout * timeout_factor, config.action_delay)
    likely_delay = min(max(config.likely_delay, config.action_delay), timeout)
    if probability >= config.threshold:
        return config.action_delay
    if probability <= config.wait_below:
        return timeout
    if probability >= config.likely:
        return likely_delay
    likely, unsure = _odds(config.likely), _odds(config.wait_below)
    return likely_delay + (timeout - likely_delay) * (likely - _odds(probability)) / (likely - unsure)


def decide(evidence: Evidence, silence: float, config: Endpointing) -> Verdict | None:
    """The verdict after `silence` seconds, or None while it is open."""
    p = evidence.probability
    if silence < wait(p, evidence.effective_timeout_factor, config):
        return None
    if p >= config.threshold or p > config.wait_below:
        return Verdict(p, "words" if evidence.sound is None else "sound")
    return Verdict(p, "timeout")


def sound_matters(evidence: Evidence, config: Endpointing) -> tuple[float, float] | None:
    """Return the silences between which an answer of the turn model of at least `least_sound` decides the turn.

    Before the first even the answer that speaks most for an end leaves the turn open; after the second no such answer
    does. None if they all lead to the same wait.
    """
    factor = evidence.effective_timeout_factor
    soonest, latest = (wait(replace(evidence, sound=p).probability, factor, config) for p in (1.0, config.least_sound))
    return (soonest, latest) if soonest < latest else None


def _odds(probability: float) -> float:
    p = min(max(probability, CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))
