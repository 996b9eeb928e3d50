"""What other settings, or other evidence, would have decided in a recorded call.

Recorded evidence and replies fit other rules only as long as these ask the session for the same. Up to there a replay
is exact. Where they ask for something else, the recorded user goes on talking until the turn is decided one way or the
other. The user of a real call would have heard something else from there on, so the next turn begins again from the
state of the recorded call. Everything from the first divergence on is counterfactual.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input
from duologue.recording.course import Course, Evidence, Playback, is_users
from duologue.recording.effects import EffectRecord, encode_effects
from duologue.recording.evidence import RecordedEvidence
from duologue.recording.recording import Recording, Step
from duologue.recording.replay import Difference, first_difference, handle
from duologue.recording.settings import change_settings
from duologue.recording.summary import Decision, TurnSummary, decision_of, turns_of

__all__ = ["Outcome", "WhatIf", "what_if"]

BEFORE: Final = RATE
"""Samples before the user's speech at which a turn begins again: more than settings of speech detection reach back."""
ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "RequestTranscript": ("ask", "start", "end"),
    "RequestEndOfTurn": ("ask", "start", "end"),
    "StartReply": ("generation", "turn", "text"),
    "StartSpeech": ("generation", "text"),
    "CommitReply": ("generation",),
    "DiscardReply": ("generation",),
    "Pause": ("generation",),
    "Resume": ("generation",),
    "Hold": ("generation",),
    "Release": ("generation",),
    "EndCall": ("reason",),
    "TurnDecided": ("turn", "text"),
}
"""What rules must ask for alike, so that what is recorded after it fits them."""


@dataclass(slots=True)
class Outcome:
    """One recorded turn, and how it is decided now."""

    turn: int
    text: str
    recorded: Decision
    now: Decision | None = None
    """None if it was not decided before the user's next turn."""
    counterfactual: bool = False
    """The recorded call and this one had parted before or in this turn."""
    cuts_off: bool = False
    """It is decided before the recorded user had finished the turn."""
    unanswered: int = 0
    """Requests for which the recording has no evidence; they count as failed."""

    @property
    def is_changed(self) -> bool:
        """True if the turn is decided at another moment, for another reason, or not at all."""
        now, was = self.now, self.recorded
        return now is None or (now.at, now.reason, now.text) != (was.at, was.reason, was.text)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "turn": self.turn,
            "text": self.text,
            "recorded": self.recorded.as_dict(),
            "now": None if self.now is None else self.now.as_dict(),
            "changed": self.is_changed,
            "counterfactual": self.counterfactual,
            "cuts_off": self.cuts_off,
            "requests_without_evidence": self.unanswered,
        }


@dataclass(slots=True)
class WhatIf:
    """A recorded call with other settings or other evidence."""

    recording: Recording
    turns: list[Outcome] = field(default_factory=list)
    difference: Difference | None = None
    """The first effect that differs at all, such as a probability."""
    divergence: Difference | None = None
    """The first point at which the session is asked for something else; all after it is counterfactual."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "difference": None if self.difference is None else self.difference.as_dict(),
            "divergence": None if self.divergence is None else self.divergence.as_dict(),
            "turns": [turn.as_dict() for turn in self.turns],
        }


def what_if(
    recording: Recording,
    changes: Mapping[str, str] | None = None,
    *,
    evidence: Evidence | None = None,
    inputs: Sequence[Input] | None = None,
) -> WhatIf:
    """Decide a recorded call again with other settings, or with other evidence.

    Args:
        recording: The recorded call.
        changes: Settings by name, as `{"endpointing.threshold": "0.6"}`.
        evidence: Answers what is asked after a divergence; the recorded evidence by default.
        inputs: In place of the recorded ones, one for one, such as windows that were scored again.

    Raises:
        ConfigError: There is no such setting, or it cannot have this value.
    """
    given = [step.input for step in recording.steps] if inputs is None else inputs
    return _Run(recording, changes or {}, evidence or RecordedEvidence(recording), given).run()


class _Run:
    """Two sets of rules side by side: the recorded ones, and the others as long as they follow the recorded course."""

    def __init__(
        self, recording: Recording, changes: Mapping[str, str], evidence: Evidence, inputs: Sequence[Input]
    ) -> None:
        self._steps = recording.steps
        self._changes = changes
        self._evidence = evidence
        self._inputs = inputs
        self._base = Conversation(recording.settings)
        self._rules: Conversation | None = Conversation(change_settings(recording.settings, changes))
        self._playback = Playback(recording.steps)
        self._map = CallMap(recording.steps)
        self._result = WhatIf(
            recording, [Outcome(turn.turn, turn.decision.text, turn.decision) for turn in self._map.turns]
        )
        self._outcomes = {outcome.turn: outcome for outcome in self._result.turns}

    def run(self) -> WhatIf:
        result, outcome = self._result, next(iter(self._outcomes.values()), None)
        for index, step in enumerate(self._steps):
            if self._rules is not None and not self._follows(self._rules, index, step, outcome):
                self._rules = None
            handle(self._base, step.input, step.now)
            self._playback.follow(step)
            if index in self._map.anchors:
                outcome = self._outcomes[self._map.anchors[index]]
                if self._rules is None:
                    self._rules = _fork(self._base, self._changes)
            if outcome is not None and result.divergence is not None:
                outcome.counterfactual = True
        return result

    def _follows(self, rules: Conversation, index: int, step: Step, outcome: Outcome | None) -> bool:
        """Take a step on the recorded course; False if it ends here."""
        result = self._result
        wanted = handle(rules, self._inputs[index], step.now)
        encoded = encode_effects(wanted)
        if result.difference is None:
            result.difference = first_difference(index, step, encoded)
        divergence = first_difference(index, replace(step, effects=_asked(step.effects)), _asked(encoded))
        if divergence is None:
            for effect in encoded:
                if effect["effect"] == "TurnDecided" and effect["fields"]["turn"] in self._outcomes:
                    self._outcomes[effect["fields"]["turn"]].now = decision_of(effect)
            return True
        result.divergence = result.divergence or divergence
        if outcome is not None and outcome.now is None:
            self._explore(rules, index, step, wanted, outcome)
        return False

    def _explore(self, rules: Conversation, index: int, step: Step, wanted: list[Effect], outcome: Outcome) -> None:
        """Play the recorded user on until the turn is decided, or the next one begins."""
        course = Course(rules, self._evidence, self._playback.playing)
        end = self._map.turn_after(outcome.turn, index)
        done = course.carry_out(wanted, step.now)
        for at in range(index + 1, end):
            if any(effect["effect"] == "TurnDecided" for effect in done):
                break
            step = self._steps[at]
            if is_users(step.input):
                done = course.take(self._inputs[at], step.now)
        decided = next((effect for effect in done if effect["effect"] == "TurnDecided"), None)
        outcome.unanswered = course.unanswered
        if decided is not None:
            outcome.now = decision_of(decided)
            outcome.cuts_off = self._map.goes_on(outcome.turn, decided["fields"]["pos"])


class CallMap:
    """The steps of the recorded turns: where each begins, continues, and can begin again."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.turns: list[TurnSummary] = turns_of(effect for step in steps for effect in step.effects)
        self.anchors: dict[int, int] = {}
        """Turns by the step after which they can begin again: before the user's speech, after the turn before."""
        self._speech: dict[int, list[tuple[int, int]]] = {}
        """By turn, the index of each step at which the user began to speak, and the first sample of the speech."""
        self._decided: dict[int, int] = {}
        kept = {turn.turn for turn in self.turns}
        for index, step in enumerate(steps):
            for effect in step.effects:
                f = effect["fields"]
                if effect["effect"] == "SpeechStarted":
                    self._speech.setdefault(f["turn"], []).append((index, f["start"]))
                elif effect["effect"] == "TurnDecided" and f["turn"] in kept:
                    self._decided[f["turn"]] = index
        self._total = len(steps)
        before = 0
        for turn in self.turns:
            begins = self._begins(turn.turn)
            start = next((start for _, start in self._speech.get(turn.turn, ())), steps[begins].now.pos)
            anchor = begins
            while anchor > before and steps[anchor].now.pos > start - BEFORE:
                anchor -= 1
            self.anchors[anchor] = turn.turn
            before = self._decided[turn.turn]

    def _begins(self, turn: int) -> int:
        return next((index for index, _ in self._speech.get(turn, ())), max(0, self._decided[turn] - 1))

    def turn_after(self, turn: int, index: int) -> int:
        """Return the step at which the user began the turn after this one; the end if there is none."""
        later = (self._begins(each.turn) for each in self.turns if each.turn > turn)
        return next((begins for begins in later if begins > index), self._total)

    def goes_on(self, turn: int, pos: int) -> bool:
        """Return True if the user spoke in this turn after a position."""
        return any(start > pos for _, start in self._speech.get(turn, ()))


def _asked(effects: Sequence[EffectRecord]) -> list[EffectRecord]:
    """Return what the rules ask of the session, as far as it has to be the same for the recorded course to go on."""
    return [
        {"effect": name, "fields": {key: effect["fields"].get(key) for key in keys}}
        for effect in effects
        if (keys := ASKED.get(name := effect["effect"])) is not None
    ]


def _fork(base: Conversation, changes: Mapping[str, str]) -> Conversation:
    """Return a copy of the rules in their present state, with other settings in every part of them."""
    memo: dict[int, Any] = {}
    for config in (base.config, base.context.config):
        changed = change_settings(config, changes)
        memo[id(config)] = changed
        for part in ("speech", "endpointing", "barge_in"):
            memo[id(getattr(config, part))] = getattr(changed, part)
    return copy.deepcopy(base, memo)
