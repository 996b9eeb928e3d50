"""What a streaming recognizer has said about a call: words at positions, and the spans whose words are asked for."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from duologue.audio.format import RATE
from duologue.stt import Final, Partial, Word

__all__ = ["Span", "TranscriptBuffer", "spread"]

SLACK = RATE // 10
"""Samples by which a provider may place a word outside of the speech that the detector found."""
MAX_WORDS = 4000
"""Words kept; the oldest go first. Ten minutes of fast speech, and no turn is longer than two."""
MAX_TEXTS = 256
"""Finals without word times that are kept."""


@dataclass(slots=True, eq=False)
class Span:
    """A stretch whose words are asked for.

    A turn is asked for in parts, with silence between them. Providers place words less exactly than the detector does,
    so a span reaches a little into the silence on both sides, and every word belongs to one part: to the first of them
    if it had come when that was answered, else to the second.
    """

    start: int
    end: int
    previous: Span | None = None
    """The part before this one, if it is near enough to matter."""
    claimed: int | None = None
    """The position up to which words were taken, once the span has been answered."""

    @staticmethod
    def after(last: Span | None, start: int, end: int) -> Span:
        """The span from `start` to `end`, asked for after `last`, of which it may be a longer version."""
        if last is None or last.start > start:
            return Span(start, end)
        if last.start == start:
            return Span(start, end, last.previous)
        if last.previous is not None:
            last.previous.previous = None
        return Span(start, end, last)

    @property
    def lower(self) -> int:
        """Where its words begin."""
        before, lower = self.previous, self.start - SLACK
        if before is None:
            return lower
        return max(lower, before.upper if before.claimed is None else before.claimed)

    @property
    def upper(self) -> int:
        """Where its words end."""
        return self.end + SLACK


@dataclass(slots=True)
class UntimedText:
    """The words of a final or a partial that has no word times, and how many of them each part has taken."""

    words: list[str]
    start: int
    end: int
    taken: dict[int, int] = field(default_factory=dict)
    """By the start of the part."""

    def within(self, span: Span) -> tuple[list[Word], int]:
        """The words in `span`, placed by proportion, and how many of all words these and those before them are."""
        if self.end <= span.lower or self.start >= span.upper:
            return [], 0
        first = max((count for start, count in self.taken.items() if start < span.start), default=0)
        placed = [*spread(self.words[first:], max(self.start, span.lower), self.end)]
        if self.end > span.upper + SLACK:  # the user went on: some of the words belong to what follows
            placed = [word for word in placed if middle(word) < span.upper]
        return placed, first + len(placed)


class TranscriptBuffer:
    """The finals of a call as words in the order in which they are spoken, and the latest partial after them."""

    def __init__(self) -> None:
        self.covered: int = 0
        """The position up to which finals have come."""
        self.partial: UntimedText | None = None
        self._words: list[Word] = []
        self._texts: deque[UntimedText] = deque(maxlen=MAX_TEXTS)

    def add(self, final: Final) -> None:
        """Take a final; what an earlier one had already is left out."""
        if final.words:
            fresh = final.start >= self.covered
            for word in final.words:
                if fresh or not self._has(word):
                    bisect.insort(self._words, word, key=middle)
            del self._words[:-MAX_WORDS]
        elif final.text:
            self._add_text(final)
        self.covered = max(self.covered, final.end)
        if self.partial is not None and self.partial.end <= self.covered + SLACK:
            self.partial = None

    def show(self, partial: Partial) -> None:
        """Take a partial, unless finals cover it already."""
        if partial.end > self.covered:
            text = UntimedText(partial.text.split(), partial.start, partial.end)
            if self.partial is not None and abs(self.partial.start - text.start) <= SLACK:
                text.taken = self.partial.taken
            self.partial = text

    def text(self, span: Span, *, so_far: bool = False) -> str:
        """The words of the finals in `span`; `so_far`: and those of the partial."""
        return " ".join(word.text for word in self._in(span, so_far=so_far))

    def claim(self, span: Span, *, so_far: bool) -> None:
        """Take note that `span` has been answered with its words: the parts after it have the others."""
        words = self._in(span, so_far=so_far)
        span.claimed = max(min(span.lower, span.end), middle(words[-1]) + 1 if words else 0)
        for text in self._untimed(so_far=so_far):
            count = text.within(span)[1]
            if count:
                text.taken[span.start] = count

    def reaches(self, position: int, *, so_far: bool = False) -> bool:
        """Whether finals, or with `so_far` a partial, have come up to `position`."""
        end = self.covered
        if so_far and self.partial is not None:
            end = max(end, self.partial.end)
        return end >= position - SLACK

    def forget(self, before: int) -> None:
        """Drop the words that end before this position, which no span will reach."""
        del self._words[: bisect.bisect_left(self._words, before - 2 * SLACK, key=middle)]
        while self._texts and self._texts[0].end < before - 2 * SLACK:
            self._texts.popleft()

    def _untimed(self, *, so_far: bool) -> list[UntimedText]:
        return [*self._texts, self.partial] if so_far and self.partial is not None else [*self._texts]

    def _in(self, span: Span, *, so_far: bool) -> list[Word]:
        words = self._between(span.lower, span.upper)
        if self._texts or so_far:
            untimed = [word for text in self._untimed(so_far=so_far) for word in text.within(span)[0]]
            if untimed:
                words = sorted([*words, *untimed], key=middle)
        return words

    def _add_text(self, final: Final) -> None:
        """Keep the text of a final without word times, less the words that others had already."""
        text = UntimedText(final.text.split(), final.start, final.end)
        for other in self._texts:
            start, end = max(text.start, other.start), min(text.end, other.end)
            if end - start <= SLACK:
                continue
            placed = [word for word in spread(text.words, text.start, text.end) if not start <= middle(word) < end]
            text.words = [word.text for word in placed]
            text.start, text.end = (end, text.end) if start == text.start else (text.start, start)
        partial = self.partial
        if partial is not None and abs(partial.start - text.start) <= SLACK:
            text.taken = dict(partial.taken)
        if text.words:
            at = bisect.bisect_right([other.start for other in self._texts], text.start)
            if len(self._texts) == MAX_TEXTS:
                self._texts.popleft()
                at = max(at - 1, 0)
            self._texts.insert(at, text)

    def _between(self, lower: int, upper: int) -> list[Word]:
        first = bisect.bisect_left(self._words, lower, key=middle)
        last = bisect.bisect_left(self._words, upper, key=middle)
        return self._words[first:last]

    def _has(self, word: Word) -> bool:
        """Whether another word is spoken in the middle of this one, or this one in the middle of another."""
        at = middle(word)
        return any(
            other.start <= at < other.end or word.start <= middle(other) < word.end
            for other in self._between(at - RATE, at + RATE)
        )


def spread(words: Sequence[str], start: int, end: int) -> Iterator[Word]:
    """`words`, each given a share of the span in proportion to its length."""
    total = sum(map(len, words))
    done = 0
    for word in words:
        begins = start + (end - start) * done // total
        done += len(word)
        yield Word(word, begins, start + (end - start) * done // total)


def middle(word: Word) -> int:
    """The position in the middle of a word."""
    return (word.start + word.end) // 2
