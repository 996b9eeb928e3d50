"""Makes segments for the rules of the text that a responder ties to its audio."""

from __future__ import annotations

from typing import Final

from duologue.conversation.history import CLAUSE_END, Segment
from duologue.session.responder import SpokenText
from duologue.tts.placement import Placement
from duologue.turn.languages import LanguagePack, question_start

__all__ = ["SegmentMaker"]

MAX_CLAUSE: Final = 500
"""Characters of an unfinished clause that are kept."""


class SegmentMaker:
    """Finds the questions in one reply; a voice may tie each word to its audio by itself, so words are joined."""

    def __init__(self, pack: LanguagePack) -> None:
        self._pack = pack
        self._clause = ""
        """What came of a clause that goes on..."""
        self._start = 0.0
        """...and where in the reply it begins to sound, in seconds."""

    def begin(self) -> None:
        """Begin a reply."""
        self._clause = ""

    def segment(self, spoken: SpokenText) -> Segment:
        """Return the segment for a text."""
        place = spoken.place
        return Segment(
            place.text,
            place.start,
            place.end,
            tuple((word.text, word.start, word.end) for word in place.words),
            asks_from=self._asks_from(place),
            say=spoken.say,
            interruptible=spoken.interruptible,
            id=max(place.id, 0),
        )

    def _asks_from(self, place: Placement) -> float | None:
        """Where in the reply the question begins that this text ends, in seconds; None if it asks nothing."""
        if place.id > 0:  # a whole clause whose place is an estimate, and may come again
            start = question_start(place.text, place.end - place.start, self._pack)
            return None if start is None else place.start + start
        if not self._clause:
            self._start = place.start
        text = f"{self._clause} {place.text}".strip()
        duration = place.end - self._start
        start = question_start(text, duration, self._pack)
        asks_from = None if start is None else self._start + start
        end = max((end.end() for end in CLAUSE_END.finditer(text)), default=0)
        self._start += duration * end / len(text)
        self._clause = text[end:].strip()[-MAX_CLAUSE:]
        return asks_from
