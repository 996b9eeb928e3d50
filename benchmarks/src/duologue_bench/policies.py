"""The policies on the end of a turn that are compared, and what is varied of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from duologue.conversation.config import Endpointing, SpeechDetection
from duologue.conversation.endpointing import calibrated, sound_odds

__all__ = ["LABELS", "POLICIES", "SURE", "UNSURE", "Policy", "Setting", "settings"]

Policy = Literal["ours", "judged", "busy", "words", "smart_turn", "vad"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
LABELS: Final[dict[Policy, str]] = {
    "ours": "words and estimate",
    "judged": "words and Smart Turn",
    "busy": "the same where models are busy",
    "words": "words alone",
    "smart_turn": "Smart Turn alone",
    "vad": "VAD alone",
}

SURE, UNSURE = 1.0, 0.5
"""The probability that stands for words where a policy has none: the end is taken for granted, or left to the sound."""

THRESHOLDS = (0.66, 0.7, 0.73, 0.77)
LIKELY_DELAYS = (0.704, 0.832, 0.96)
OUR_TIMEOUTS = (1.6, 1.76)
TIMEOUTS = (1.6, 1.76, 1.92)
WORDS_DELAYS = (0.352, 0.448, 0.576, 0.768)
ASKED_AFTER = 0.16
"""Silence after which Smart Turn alone is asked, as by ours; its authors ask after 0.2 s."""
SOUND_THRESHOLDS = (0.5, 0.8, 0.95)
SOUND_DELAYS = (0.352, 0.448, 0.576, 0.768)
VAD_DELAYS = (0.352, 0.448, 0.512, 0.576, 0.64, 0.704, 0.768, 0.96, 1.12, 1.28, 1.6, 1.92)


@dataclass(frozen=True, slots=True)
class Setting:
    """A policy with its settings."""

    policy: Policy
    endpointing: Endpointing
    speech: SpeechDetection
    sound_threshold: float = 0.0
    """Smart Turn alone: the probability from which on it decides."""

    @property
    def hears_words(self) -> bool:
        """Whether it asks for words."""
        return self.policy in ("ours", "judged", "busy", "words")

    @property
    def hears_estimate(self) -> bool:
        """Whether it takes the recognizer's estimate of the sound into account."""
        return self.policy == "ours"

    @property
    def hears_sound(self) -> bool:
        """Whether it asks the turn model."""
        return self.policy in ("judged", "busy", "smart_turn")

    def as_dict(self) -> dict[str, Any]:
        """What was varied, as plain JSON types; seconds."""
        e = self.endpointing
        varied: dict[str, Any] = {"action_delay_s": e.action_delay}
        if self.policy != "vad":
            varied |= {"likely_delay_s": e.likely_delay, "timeout_s": e.timeout, "threshold": e.threshold}
        if self.policy == "smart_turn":
            varied |= {"threshold": self.sound_threshold, "asked_after_s": self.speech.hangover}
        return {"policy": self.policy, **varied}


def settings(policies: Sequence[Policy], *, sweep: bool, base: Endpointing | None = None) -> list[Setting]:
    """Each policy as it comes (first, in the order of `policies`), and with `sweep` under all that is varied.

    `busy`, where little time is left for Smart Turn, is taken only as it comes.
    """
    e, speech = base or Endpointing(), SpeechDetection()
    found: list[Setting] = []
    for policy in policies:
        first, *rest = _grid(policy, e, speech)
        found.insert(policies.index(policy), first)
        found += rest if sweep else ()
    return list(dict.fromkeys(found))


def _grid(policy: Policy, base: Endpointing, speech: SpeechDetection) -> list[Setting]:
    """The settings of one policy, as it comes first."""
    if policy == "busy":
        return [Setting(policy, base, speech)]
    if policy == "vad":
        delays = (base.action_delay, *VAD_DELAYS)
        return [Setting(policy, _alone(base, d, d, 0.5), speech) for d in delays]
    if policy == "smart_turn":
        usual = (0.5, base.action_delay, base.timeout)
        grid = itertools.product(SOUND_THRESHOLDS, SOUND_DELAYS, TIMEOUTS)
        return [
            Setting(policy, _alone(base, delay, timeout, threshold), replace(speech, hangover=ASKED_AFTER), threshold)
            for threshold, delay, timeout in (usual, *grid)
        ]
    if policy == "words":
        varied = itertools.product((base.threshold,), WORDS_DELAYS, (base.likely_delay,), TIMEOUTS)
    else:
        varied = itertools.product(THRESHOLDS, (base.action_delay,), LIKELY_DELAYS, OUR_TIMEOUTS)
    return [
        Setting(policy, base, speech),
        *(
            Setting(policy, replace(base, threshold=p, action_delay=d, likely_delay=m, timeout=t), speech)
            for p, d, m, t in varied
        ),
    ]


def _alone(base: Endpointing, delay: float, timeout: float, threshold: float) -> Endpointing:
    """One judge without words: nothing is waited for but it, and it is asked once."""
    return replace(
        base,
        action_delay=delay,
        timeout=timeout,
        threshold=calibrated(sound_odds(threshold)),
        wait_below=calibrated(sound_odds(threshold)),
        words_budget=0.0,
        words_budget_per_s=0.0,
        doubt=(0.0, 1.0),
        max_scores=1,
        opening=0.0,
        short_turn=0.0,
        least_sound=0.0,
    )
