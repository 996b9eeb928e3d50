"""Continues a recorded call in another way: the recorded user speaks to rules that make their own decisions.

The recorded inputs from the session no longer fit. This module takes the place of the session: it answers requests
from evidence, and plays replies for as long as they were recorded to last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from duologue.audio.format import RATE
from duologue.conversation import effects, inputs
from duologue.conversation.conversation import Conversation
from duologue.conversation.evidence import Answer
from duologue.conversation.inputs import Input, Now
from duologue.recording.effects import EffectRecord, encode_effects
from duologue.recording.recording import Step
from duologue.recording.replay import handle

__all__ = ["Course", "Evidence", "Playback", "Playing", "Request", "is_users"]

USERS = (
    inputs.VadScored,
    inputs.Gap,
    inputs.TurnJudged,
    inputs.TurnBegun,
    inputs.TurnEnded,
    inputs.TextArrived,
    inputs.WordsLatencyMeasured,
    inputs.SettingsChanged,
    inputs.InterruptRequested,
    inputs.ClearRequested,
)
"""Inputs that do not depend on what the rules decided before."""
Request = effects.RequestTranscript | effects.RequestEndOfTurn


def is_users(input_: Input) -> bool:
    """Return True for inputs of the user and the application, which do not depend on the rules."""
    return isinstance(input_, USERS)


class Evidence(Protocol):
    """Answers what the rules ask."""

    def answer(self, request: Request) -> tuple[Answer, int] | None:
        """Return the answer and the samples of audio after which it comes; None if it was not recorded."""
        ...


@dataclass(slots=True)
class Playing:
    """A reply that sounds."""

    generation: int
    ends: float
    """Seconds that all of it lasts, as far as it was recorded."""
    played: float = 0.0
    paused: bool = False


class Playback:
    """Tracks what was played in the recorded call."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.playing: Playing | None = None
        self._pos = 0
        self._ends: dict[int, float] = {}
        for step in steps:
            if isinstance(step.input, inputs.SpeechQueued):
                generation, end = step.input.generation, step.input.segment.end
                self._ends[generation] = max(end, self._ends.get(generation, 0.0))

    def follow(self, step: Step) -> None:
        """Take the next step."""
        playing, passed = self.playing, step.now.pos - self._pos
        self._pos = step.now.pos
        if playing is not None and not playing.paused:
            playing.played += passed / RATE
        match step.input:
            case inputs.PlayoutStarted(generation):
                self.playing = playing = Playing(generation, self._ends.get(generation, 0.0))
            case inputs.PlayoutFinished():
                self.playing = playing = None
            case _:
                pass
        for effect in step.effects:
            if playing is not None and effect["effect"] in ("Pause", "Resume"):
                playing.paused = effect["effect"] == "Pause"


class Course:
    """Rules that have left the recorded course.

    Args:
        rules: In the state in which they left it.
        evidence: Answers their requests.
        playing: The reply that sounds at that moment.
    """

    def __init__(self, rules: Conversation, evidence: Evidence, playing: Playing | None) -> None:
        self.unanswered: int = 0
        """Requests for which there was no evidence."""
        self._rules = rules
        self._evidence = evidence
        self._playing = None if playing is None else replace(playing)
        self._pos = rules.pos
        self._answers: list[tuple[int, Answer]] = []

    def carry_out(self, wanted: list[effects.Effect], now: Now) -> list[EffectRecord]:
        """Carry out effects, and those that they cause; returns all effects."""
        done: list[EffectRecord] = []
        follows: deque[Input] = deque()
        while True:
            done += encode_effects(wanted)
            follows.extend(input_ for effect in wanted if (input_ := self._do(effect, now)) is not None)
            if not follows:
                return done
            wanted = handle(self._rules, follows.popleft(), now)

    def take(self, input_: Input, now: Now) -> list[EffectRecord]:
        """Tell the rules what the user did next; returns the effects of it and of all that came before."""
        done: list[EffectRecord] = []
        for due, answer in sorted(self._answers, key=lambda each: each[0]):
            if due <= now.pos:
                self._answers.remove((due, answer))
                done += self.carry_out(handle(self._rules, answer, now), now)
        done += self.carry_out(handle(self._rules, input_, now), now)
        playing, passed = self._playing, now.pos - self._pos
        self._pos = max(self._pos, now.pos)
        if playing is not None and not playing.paused:
            playing.played += passed / RATE
            if playing.played >= playing.ends:
                self._playing = None
                over = inputs.PlayoutFinished(playing.generation, playing.ends, estimated=True)
                done += self.carry_out(handle(self._rules, over, now), now)
        return done

    def _do(self, effect: effects.Effect, now: Now) -> Input | None:
        playing = self._playing
        match effect:
            case effects.RequestTranscript() | effects.RequestEndOfTurn():
                found = self._evidence.answer(effect)
                if found is None:
                    self.unanswered += 1
                    return inputs.EvidenceFailed(effect.ask, "no_recorded_evidence")
                answer, after = found
                self._answers.append((now.pos + after, answer))
            case effects.Pause() if playing is not None:
                playing.paused = True
            case effects.Resume() if playing is not None:
                playing.paused = False
            case effects.DiscardReply() if playing is not None and playing.generation == effect.generation:
                self._playing = None
                return inputs.PlayoutFinished(playing.generation, playing.played, estimated=True)
            case _:
                pass
        return None
