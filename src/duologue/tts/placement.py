"""Ties the text of one stream of speech to its audio: by the voice's own spans, or by proportion."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from duologue.errors import ProviderError
from duologue.tts import TextSpan, WordTiming
from duologue.tts.clauses import ClauseSplitter

__all__ = ["SECONDS_PER_CHAR", "Placement", "TextPlacer"]

SECONDS_PER_CHAR: Final = 1 / 15
"""The usual pace of English speech, until a voice's own is known."""
TOLERANCE: Final = 0.1
"""Seconds by which spans may overlap, and by which they may exceed the audio: providers round."""
MAX_TEXT_FACTOR: Final = 4
"""Spans may hold this many times the text that the voice was given, and some: numbers may be written out."""
MAX_TEXT_EXTRA: Final = 1000
GROWTH: Final = 1.1
"""Factor by which an estimate exceeds the audio that proved it too short, so that it is not corrected each chunk."""
MAX_PLACEMENTS: Final = 1_000_000
"""Ids of one stream; those of the next begin after them."""
LEARN_CHARS: Final = 20
"""Characters from which on a text tells the pace of a voice."""


class Placement(NamedTuple):
    """Text and the stretch of the stream's audio in which it sounds, in seconds from the start of the stream."""

    id: int
    """A later placement with the same id replaces this one, if the id is positive."""
    text: str
    start: float
    end: float
    words: tuple[WordTiming, ...] = ()

    def moved(self, stream: int, seconds: float) -> Placement:
        """Return the place in a response whose stream number `stream`, from 1, begins at `seconds` of its audio."""
        number = stream * MAX_PLACEMENTS + self.id if self.id > 0 else 0
        return self._replace(id=number).later(seconds)

    def later(self, seconds: float) -> Placement:
        """Return the same place, so much later."""
        words = tuple(WordTiming(word.text, seconds + word.start, seconds + word.end) for word in self.words)
        return Placement(self.id, self.text, seconds + self.start, seconds + self.end, words)


class TextPlacer:
    """Places the text of one stream.

    An aligned voice says itself where its text sounds. For others, each clause has the share of the audio that its
    letters have of the text; while the audio is incomplete, its length is estimated from the usual pace of the voice.
    A span that cannot be true is reported once, as `fault`, and what follows is placed by proportion.
    """

    def __init__(self, voice: str, *, aligned: bool, seconds_per_char: float = SECONDS_PER_CHAR) -> None:
        self.audio: float = 0.0
        """Seconds of audio so far."""
        self.seconds_per_char: float = seconds_per_char
        """The pace of the voice; measured when the stream has ended."""
        self.fault: ProviderError | None = None
        self._voice = voice
        self._aligned = aligned
        self._trusts_spans = aligned
        self._splitter = ClauseSplitter()
        self._written: list[str] = []
        self._chars = 0
        """Characters that the voice was given, of those that are placed by proportion."""
        self._clauses: list[str] = []
        """Clauses that are placed by proportion."""
        self._shown = 0
        """How many of them were placed."""
        self._from = 0.0
        """Where in the audio the text begins that is placed by proportion."""
        self._pace = seconds_per_char
        self._held: list[Placement] = []
        """Spans that came before the first audio."""
        self._spans = self._span_words = self._span_chars = 0
        self._span_end = 0.0
        self._given = 0

    def add_text(self, piece: str) -> None:
        """Note a piece of text that the voice was given while it is being written."""
        self._note(piece)
        self._clauses += self._splitter.push(piece)

    def add_clause(self, clause: str) -> None:
        """Note text that the voice was given as a whole."""
        self._note(clause)
        self._clauses.append(clause.strip())

    def end_text(self) -> None:
        """Note that the voice was given all text of the stream."""
        self._clauses += self._splitter.flush()

    def _note(self, text: str) -> None:
        self._written.append(text)
        self._chars += len(text)
        self._given += len(text)

    def add_audio(self, seconds: float) -> list[Placement]:
        """Note audio, and return what it is known to hold."""
        self.audio += seconds
        if not self.audio:
            return []
        held, self._held = self._held, []
        if self._trusts_spans or not self._clauses:
            return held
        audio = self.audio - self._from
        if audio > self._chars * self._pace:
            self._pace = GROWTH * audio / self._chars
            self._shown = 0
        placed = self._by_proportion(self._pace)[self._shown :]
        self._shown = len(self._clauses)
        return held + placed

    def add_span(self, span: TextSpan) -> list[Placement]:
        """Note a span, and return it once there is audio."""
        if not self._aligned:
            self._report("gave a TextSpan, and its capabilities say that it is not aligned")
        if not self._trusts_spans or not (isinstance(span.text, str) and span.text.strip()):
            return []
        if wrong := self._wrong(span):
            self._report(wrong)
            self._distrust()
            return []
        words = span.words
        if words and not _are_ordered(words, span):
            self._report("gave a TextSpan whose words lie outside of it or go back")
            words = ()
        text = span.text.strip()
        start = max(span.start, self._span_end)
        placed = Placement(-1 - self._spans, text, start, max(span.end, start), words)
        self._span_end = placed.end
        self._spans += 1
        self._span_words += len(text.split())
        self._span_chars += len(text)
        if self.audio:
            return [placed]
        self._held.append(placed)
        return []

    def end(self) -> list[Placement]:
        """Note that the stream has ended, and return the final places."""
        audio = self.audio - self._from
        if self._trusts_spans:
            if self._spans and self._span_end > self.audio + TOLERANCE:
                self._report(
                    f"tied text to {self._span_end:.2f} s of audio and gave {self.audio:.2f} s",
                    "What lies beyond the audio counts as not heard.",
                )
            if self._spans or not self.audio:
                return []
            self._report("gave no TextSpan, and its capabilities say that it is aligned")
        length = sum(map(_weight, self._clauses))
        if audio <= 0 or not length:
            return []
        pace = audio / length
        if length >= LEARN_CHARS:
            self.seconds_per_char = pace
        return self._by_proportion(pace)

    def _by_proportion(self, pace: float) -> list[Placement]:
        placed, at = [], self._from
        for number, clause in enumerate(self._clauses, 1):
            end = at + _weight(clause) * pace
            placed.append(Placement(number, clause, at, end))
            at = end
        return placed

    def _wrong(self, span: TextSpan) -> str:
        """What cannot be true of a span; empty if nothing."""
        times = (span.start, span.end)
        if not all(isinstance(at, int | float) and math.isfinite(at) for at in times) or not 0 <= times[0] <= times[1]:
            return f"tied text to the impossible stretch from {span.start!r} to {span.end!r} s"
        if span.start < self._span_end - TOLERANCE or span.end < self._span_end - TOLERANCE:
            return f"tied text to {span.start:.2f} s of its audio after text that ends at {self._span_end:.2f} s"
        if self._span_chars + len(span.text) > MAX_TEXT_FACTOR * self._given + MAX_TEXT_EXTRA:
            return f"tied more than {self._span_chars} characters to its audio and was given {self._given}"
        return ""

    def _distrust(self) -> None:
        """Place by proportion what the spans so far do not cover."""
        rest = " ".join(" ".join(self._written).split()[self._span_words :]) if self._spans else " ".join(self._written)
        self._trusts_spans, self._from, self._chars = False, self._span_end, len(rest)
        self._splitter = ClauseSplitter()
        self._clauses = self._splitter.push(rest + " ") + self._splitter.settle()
        self._shown = 0

    def _report(self, what: str, hint: str = "Its text is placed by proportion.") -> None:
        if self.fault is None:
            self.fault = ProviderError(f"{self._voice} {what}.", provider=self._voice, hint=hint)


def _weight(clause: str) -> int:
    """Letters of a clause, and the pause after it."""
    return len(clause) + 1


def _are_ordered(words: tuple[WordTiming, ...], span: TextSpan) -> bool:
    end = span.start - TOLERANCE
    for word in words:
        if not (isinstance(word, WordTiming) and end <= word.end <= span.end + TOLERANCE and word.start <= word.end):
            return False
        end = word.end
    return True
