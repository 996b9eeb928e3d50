"""Finds where a reply asks something, in text that comes clause by clause or word by word."""

from __future__ import annotations

from duologue.conversation.history import CLAUSE_END
from duologue.tts.placement import Placement
from duologue.turn.languages import LanguagePack, question_start

__all__ = ["QuestionFinder"]

MAX_CLAUSE = 500
"""Characters of an unfinished clause that are kept."""


class QuestionFinder:
    """Joins the text of one reply into clauses: a voice may tie each word to its audio by itself."""

    def __init__(self, pack: LanguagePack) -> None:
        self._pack = pack
        self._clause = ""
        """What came of a clause that goes on..."""
        self._start = 0.0
        """...and where in the reply it begins to sound, in seconds."""

    def begin(self) -> None:
        """Begin a reply."""
        self._clause = ""

    def asks_from(self, place: Placement) -> float | None:
        """Return where in the reply the question begins that this text ends, in seconds; None if it asks nothing."""
        if place.id > 0:  # a clause whose place is an estimate, and may come again
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
