"""Rules that read parts of a text, and the words around a match, which decide between readings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["DETERMINERS", "Reader", "Rule", "RuleMatch", "Rules", "any_of", "word_set"]


def word_set(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


def any_of(names: Iterable[str]) -> str:
    """A pattern for any of the names, the longest first."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_SPAN = 64
"""Characters before a place that are looked at."""
_WORD = re.compile(r"[A-Za-z']+|[#:=]")
_STOP = re.compile(r"([A-Za-z]{0,9})[.!?;] ")
_SHORT_FORMS = word_set("acct apt approx bldg conf dr ext fl hwy mr mrs ms no nos nr ref res rm rte st ste tel")
"""What a full stop after is no end of a sentence; nor is one after a single letter."""
_NEXT = re.compile(r"[ -]([a-z][a-z']+)(?![\w@])")

DETERMINERS = word_set("a an the this that your my our his her their its each every another any")
_FUNCTION_WORDS = word_set(
    """
    a about above across after again against ago all along already also although always am among an and any anymore
    are around as at away back be because been before being below between both but by can cannot could did do does
    doing done down due during each either else even ever extra for from get gets goes had has have he her here him
    his how i if in instead into is it its itself just later less like may maybe me might more most must my near
    next no nor not now of off on once only onto or ought our out over past per please plus right shall she should
    since so some soon still straight such than that the their them then there these they this those though through
    till to today together tomorrow tonight too toward towards twice under unless until up upon us versus via want
    wants was we well went were what when where whereas whether which while who whom whose why will with within
    without would yesterday yet you your yours
    """
)
"""Words after a number that it does not count: "4821 is" as against "4821 people"."""
_VERBS = word_set(
    """
    applies arrives asks begins belongs boards brings calls changes closes comes connects contains costs counts delivers
    departs ends exists expires fails follows gives goes helps includes keeps lands leads leaves looks makes marks
    matches means meets moves needs opens picks plays reads remains requires returns runs says seems sends serves shows
    sits speaks stands starts stays stops takes tells transfers turns uses wants works
    """
)
_PLURALS = word_set("children feet men people women")


class RuleMatch:
    """A match of a rule, with the words around it."""

    __slots__ = ("_match", "_words", "start", "text")

    def __init__(self, text: str, start: int) -> None:
        self.text: str = text
        self.start: int = start
        self._match: re.Match[str] | None = None
        self._words: tuple[str, ...] | None = None

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern matches here; from then on its groups are those of this match."""
        self._match = pattern.match(self.text, self.start)
        return self._match is not None

    def __getitem__(self, group: int) -> str:
        assert self._match is not None
        value: str = self._match[group]
        return value

    def groups(self) -> tuple[str, ...]:
        """The groups of the match; None for those that took no part, as in `re`."""
        assert self._match is not None
        return self._match.groups()

    @property
    def end(self) -> int:
        """Where the match ends."""
        assert self._match is not None
        return self._match.end()

    @property
    def words(self) -> tuple[str, ...]:
        """Words before the place in its sentence, lower case, the nearest last; ":", "#" and "=" are words too."""
        if self._words is None:
            window = self.before(_SPAN)
            stop = 0
            for mark in _STOP.finditer(window):
                if len(mark[1]) != 1 and mark[1].lower() not in _SHORT_FORMS:
                    stop = mark.end()
            self._words = tuple(word.lower() for word in _WORD.findall(window[stop:]))
        return self._words

    @property
    def last(self) -> str:
        """The word before the place; "" if there is none."""
        return self.words[-1] if self.words else ""

    def before(self, length: int) -> str:
        """Up to `length` characters before the place."""
        return self.text[max(0, self.start - length) : self.start]

    def after(self, length: int) -> str:
        """Up to `length` characters after the match."""
        return self.text[self.end : self.end + length]

    @property
    def noun_after(self) -> str:
        """The lower-case word that follows, unless it is a function word: what a number here counts; "" if none."""
        word = _NEXT.match(self.text, self.end)
        return word[1] if word and word[1] not in _FUNCTION_WORDS else ""

    @property
    def things_after(self) -> str:
        """The plural that follows, as in "150 pizzas"; "" if none does, or what may be a verb ("117 departs")."""
        noun = self.noun_after
        is_plural = noun in _PLURALS or (noun.endswith("s") and not noun.endswith(("ss", "us", "is")))
        return noun if is_plural and noun not in _VERBS else ""

    @property
    def is_adjective(self) -> bool:
        """Whether a measure here qualifies a noun, as in "a $20 refund"."""
        return self.last in DETERMINERS and bool(self.noun_after)


Reader = Callable[[RuleMatch], str | None]
"""Gives the words for what a pattern matched; None leaves it to the next rule."""
Rule = tuple[re.Pattern[str], Reader]


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of one kind, which are tried in their order where `gate` matches."""

    gate: re.Pattern[str]
    """A quick test that every text of this kind passes, so that most places cost one match and not ten."""
    rules: tuple[Rule, ...]
