"""Cuts text, while it is being written, into clauses that can be spoken."""

from __future__ import annotations

import re
from typing import Literal

from duologue.errors import ConfigError
from duologue.tts.abbreviations import TITLES

__all__ = ["ClauseSplitter"]

_Boundary = Literal["sentence", "pause", "none", "unknown"]

_ENDS = ".!?…。！？"
_WIDE = "。！？"
_CLOSERS = "\"'”’)]}»*_`"
_BREAK = re.compile(rf"[{_ENDS},;:—\n]|(?<=\s)[-–](?=\s)")
_LAST_MARKS = re.compile(rf"[{_ENDS}]+[{re.escape(_CLOSERS)}]*$")
_SPACE = re.compile(r"\s+")
_LONGEST_RUN = 8
"""Marks and closing quotes that belong to one boundary."""
_AHEAD = _LONGEST_RUN + 4
"""Characters beyond a mark that may decide what it is."""

_INITIALS = re.compile(r"(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}|[A-Z]")
# A full stop after one of these ends no sentence. Where it could ("at 7 p.m."), the next mark ends it.
_SHORT = frozenset(title.lower() for title in TITLES) | frozenset(
    (
        "jr", "sr", "vs", "etc", "approx", "dept", "est", "inc", "ltd", "corp", "co", "bros", "ave", "blvd", "rd", "ln",
        "hwy", "apt", "ste", "bldg", "vol", "fig", "cf", "al", "jan", "feb", "apr", "jun", "jul", "aug", "sep", "sept",
        "oct", "nov", "dec", "tue", "tues", "thu", "thurs", "fri", "ext", "tel",
    )
)  # fmt: skip
_BEFORE_FIGURES = frozenset(("no", "nos", "p", "pp", "ch", "sec", "min", "max", "mar", "mon"))
_JOINT = re.compile(
    r"(?<=[a-z]) (?=(?:and|but|or|so|because|which|that|who|if|when|while|where|to|for|with|from|than|then|until)\b)"
)
_BETWEEN_WORDS = re.compile(r"(?<=[a-z]) (?=[a-z])")


class ClauseSplitter:
    """Gives the clauses of a text as soon as what came so far holds them.

    The first is short, so that speech begins early: it ends at the first pause after `first_words` words, or near
    `first_chars` characters where there is none. Each later one is a sentence of at most `max_chars` characters and a
    few. Numbers, times, addresses, titles and abbreviations stay whole. White space becomes one space or newline;
    nothing else changes, and the cuts do not depend on the pieces in which the text comes. What it holds is bounded by
    `max_chars`.
    """

    def __init__(self, *, first_words: int = 3, first_chars: int = 60, max_chars: int = 200) -> None:
        if first_words < 1 or not 20 <= first_chars <= max_chars:
            raise ConfigError(
                f"first_words={first_words}, first_chars={first_chars} and max_chars={max_chars} were given; "
                "expected at least one word and 20 <= first_chars <= max_chars."
            )
        self._first_words = first_words
        self._first_chars = first_chars
        self._max_chars = max_chars
        self._held = ""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take the next piece of text; the clauses that it completes."""
        return self._take(text, ended=False)

    def settle(self) -> list[str]:
        """The writer pauses: what is held, if it ends as a sentence does; the text may still go on."""
        held = self._held.rstrip()
        last = _LAST_MARKS.search(held)
        finished = last and _boundary(held, last.start(), len(held), ended=True) == "sentence"
        return self._take("", ended=True) if finished else []

    def flush(self) -> list[str]:
        """The text has ended: all that is held. The next text begins anew."""
        clauses = self._take("", ended=True)
        self._first = True
        return clauses

    def _take(self, text: str, *, ended: bool) -> list[str]:
        text = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", self._held + text).lstrip()
        clauses = []
        at = 0
        while at < len(text):
            window = text[at : at + self._max_chars + _AHEAD + 1]
            cut = self._cut(window, ended=ended and at + len(window) == len(text))
            if cut is None:
                break
            clauses.append(window[:cut].strip())
            self._first = False
            at += cut
            while at < len(text) and text[at].isspace():
                at += 1
        self._held = text[at:]
        return clauses

    def _cut(self, text: str, *, ended: bool) -> int | None:
        """Where the clause at the beginning of `text` ends; None where more text must come to tell."""
        limit = self._first_chars if self._first else self._max_chars
        pause = end = 0
        has_words = False
        for mark in _BREAK.finditer(text):
            if mark.start() >= limit:
                break
            if mark.start() < end:
                continue
            looked_at, end = end, _end_of_run(text, mark.start())
            kind = _boundary(text, mark.start(), end, ended=ended)
            if kind == "unknown":
                return None
            # Only what is new: a text of nothing but marks has thousands of ends.
            has_words = has_words or any(map(str.isalnum, text[looked_at:end]))
            if kind == "none" or not has_words:
                continue
            if kind == "sentence" or (self._first and len(text[:end].split()) >= self._first_words):
                return end
            pause = end
        if len(text) <= limit + _AHEAD:
            return len(text) if ended else None
        if pause > limit // 3:
            return pause
        for pattern in (_JOINT, _BETWEEN_WORDS, _SPACE):
            spaces = [space.start() for space in pattern.finditer(text, limit // 3, limit)]
            if spaces:
                return spaces[-1]
        return limit


def _end_of_run(text: str, start: int) -> int:
    end = start + 1
    while text[start] != "\n" and end < min(len(text), start + _LONGEST_RUN) and text[end] in _ENDS + _CLOSERS:
        end += 1
    return end


def _boundary(text: str, start: int, end: int, *, ended: bool) -> _Boundary:
    """What the mark at `start`, whose run of marks and closing quotes ends at `end`, is."""
    mark = text[start]
    if mark == "\n":
        return "sentence"
    if end == len(text) and not ended and end - start < _LONGEST_RUN:
        return "unknown"
    if mark in _WIDE:
        return "sentence"
    if mark in "—-–":
        return "pause"
    if end < len(text) and not text[end].isspace():
        return "none"
    following = text[end + 1 : end + 2]
    if not following and not ended:
        return "unknown"
    if text.rfind("[", 0, start) > text.rfind("]", 0, start):
        return "none"  # inside the words of a markdown link
    if mark in ",;:":
        return "none" if text[start - 1].isdigit() and following.isdigit() else "pause"
    if mark == "." and not any(other in _ENDS for other in text[start + 1 : end]):
        return _full_stop(text[:start], following)
    return "pause" if following.islower() else "sentence"


def _full_stop(before: str, following: str) -> _Boundary:
    word = before[-40:].rpartition(" ")[2].lstrip("\"'“‘([*_")
    if word.lower() in _SHORT or _INITIALS.fullmatch(word) or following.islower():
        return "none"
    if following.isdigit() and word.lower() in _BEFORE_FIGURES:
        return "none"
    if word.isdigit() and before.strip() == word:
        return "none"  # the number of a list's item
    return "sentence"
