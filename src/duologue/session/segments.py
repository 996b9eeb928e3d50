"""Makes segments for the rules of the text that a responder ties to its audio."""

from __future__ import annotations

from typing import Final

from duologue.conversation.history import CLAUSE_END, Segment
from duologue.session.responder import SpokenText
from duologue.tts.placement import Placement
from duologue.turn.languages import SENTENCE_END, LanguagePack, Question, find_question

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
        self._sentence = ""
        """What came of a sentence that goes on; a question may be the last of several clauses."""
        self._last_id = 0

    def begin(self) -> None:
        """Begin a reply."""
        self._clause = self._sentence = ""
        self._last_id = 0

    def segment(self, spoken: SpokenText) -> Segment:
        """Return the segment for a text."""
        place = spoken.place
        question, sentence = self._question(place), self._in_sentence(place)
        if question is not None:
            question = question._replace(expects=self._pack.read_question(sentence))
        return Segment(
            place.text,
            place.start,
            place.end,
            tuple((word.text, word.start, word.end) for word in place.words),
            asks_from=question.start if question else None,
            expects=question.expects if question else None,
            say=spoken.say,
            interruptible=spoken.interruptible,
            id=max(place.id, 0),
        )

    def _question(self, place: Placement) -> Question | None:
        """Return the question that this text ends, its start in seconds of the reply; None if it asks nothing."""
        if place.id > 0:  # a whole clause whose place is an estimate, and may come again
            found = find_question(place.text, place.end - place.start, self._pack)
            return found and found._replace(start=place.start + found.start)
        if not self._clause:
            self._start = place.start
        text = f"{self._clause} {place.text}".strip()
        duration = place.end - self._start
        found = find_question(text, duration, self._pack)
        question = found and found._replace(start=self._start + found.start)
        end = max((end.end() for end in CLAUSE_END.finditer(text)), default=0)
        self._start += duration * end / len(text)
        self._clause = text[end:].strip()[-MAX_CLAUSE:]
        return question

    def _in_sentence(self, place: Placement) -> str:
        """Return the sentence that this text ends, from its first clause on."""
        if place.id <= 0 or place.id != self._last_id:  # an estimate that comes again says nothing new
            self._sentence = f"{self._sentence} {place.text}".strip()[-MAX_CLAUSE:]
            self._last_id = place.id
        ends = [end.end() for end in SENTENCE_END.finditer(self._sentence)]
        self._sentence = self._sentence[max(ends, default=0) :]
        return self._sentence
