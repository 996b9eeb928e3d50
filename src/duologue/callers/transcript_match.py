"""What becomes of a monologue: whether all of it is in a transcript, or told to be missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from duologue.callers.log import CUT_OFF_S, Story, Turn
from duologue.wire.messages import TranscriptFinal

__all__ = ["story_of"]

_EDGE_S: Final = 0.5
"""By which a detector may be late at the beginning of speech, or early at its end."""


def story_of(turns: Sequence[Turn], finals: Sequence[TranscriptFinal], missed: Sequence[tuple[float, float]]) -> Story:
    """The story in `turns`, up to the last of `finals`; `missed` is what the server says it did not hear, in seconds.

    What was said after it is no part: it is being understood.
    """
    last = max(final.end_s for final in finals)
    said = [turn for turn in turns if turn.goes_on and turn.line_end_s <= last + CUT_OFF_S]
    told = [*((final.start_s, final.end_s) for final in finals), *missed]
    return Story(
        said=" ".join(turn.said for turn in said),
        understood=" ".join(final.text for final in finals),
        spoken_s=sum(turn.spoken_s for turn in said),
        unaccounted_s=sum(_uncovered(turn.line_onset_s, turn.line_end_s, told) for turn in said),
    )


def _uncovered(start: float, end: float, spans: Iterable[tuple[float, float]]) -> float:
    """Seconds from `start` to `end` that are in none of `spans`; less than a detector's edge is none."""
    missing, at = 0.0, start
    for begin, until in sorted(spans):
        if until > at:
            missing += max(0.0, min(begin, end) - at)
            at = max(at, min(until, end))
    missing += end - at
    return missing if missing > _EDGE_S else 0.0
