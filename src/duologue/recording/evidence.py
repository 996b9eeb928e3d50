"""The evidence of a recorded call, by what was asked: for rules that ask at another moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import effects
from duologue.conversation.evidence import Answer
from duologue.recording.course import Request
from duologue.recording.recording import Recording

__all__ = ["RecordedEvidence"]

TOLERANCE: Final = round(0.25 * RATE)
"""Samples by which both ends of what was asked may differ: silence, in most cases."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    start: int
    end: int
    answer: Answer
    after: int
    """Samples of audio between the request and its answer."""


class RecordedEvidence:
    """Answers a request with the recorded answer to the request nearest to it."""

    def __init__(self, recording: Recording) -> None:
        self._of: dict[str, list[_Recorded]] = {}
        asked: dict[int, tuple[str, int, int, int]] = {}
        for step in recording.steps:
            if isinstance(step.input, Answer):
                request = asked.pop(step.input.ask, None)
                if request is not None:
                    name, start, end, at = request
                    found = _Recorded(start, end, step.input, max(0, step.now.pos - at))
                    self._of.setdefault(name, []).append(found)
            for effect in step.effects:
                if effect["effect"] in (effects.RequestTranscript.__name__, effects.RequestEndOfTurn.__name__):
                    f = effect["fields"]
                    asked[f["ask"]] = (effect["effect"], f["start"], f["end"], step.now.pos)

    def answer(self, request: Request) -> tuple[Answer, int] | None:
        """Return the nearest answer, and the samples of audio after which it came."""
        known = self._of.get(type(request).__name__, [])
        nearest = min(known, key=lambda each: _distance(each, request), default=None)
        if nearest is None or _distance(nearest, request) > TOLERANCE:
            return None
        return replace(nearest.answer, ask=request.ask), nearest.after


def _distance(recorded: _Recorded, request: Request) -> int:
    ends = abs(recorded.end - request.end)
    if isinstance(request, effects.RequestEndOfTurn):
        return ends  # what matters of it is the last audio
    return max(abs(recorded.start - request.start), ends)
