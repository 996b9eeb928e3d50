"""The end of a transcript, cut into what the table of endings asks about: last words, last sentence, last mark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from duologue.turn.languages.en import vocabulary as v

__all__ = ["Tail", "read_tail"]

LONGEST_PHRASE = 6
TAIL_CHARS = 240
"""Enough for a spelled address or a card number; what stands before it no longer matters."""

_MARK = re.compile(r"(?:(?P<ellipsis>\.{3,}|…)|(?P<final>[.!?。！？؟।]+)|(?P<dash>[-–—]+)|(?P<comma>[,;:、，]))$")
_CLOSERS = " \t\r\n\"'”’»)]}*_"
_EDGES = re.compile(r"^\W+|\W+$")
_JOINTS = re.compile(r"[-–—/_]+")
_DOTTED = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_ENDS_SENTENCE = re.compile(r"[.!?。！？؟।…][^\w]*$")
_DOTTED_WORDS = {"p.m": "pm", "a.m": "am", "u.s": "us", "u.k": "uk", "e.g": "e.g", "i.e": "i.e"}


@dataclass(frozen=True, slots=True)
class Tail:
    """The last words of a transcript, in lower case and without punctuation."""

    words: tuple[str, ...]
    start: int
    """Where in `words` the last sentence begins."""
    clause_start: int
    """Where in `words` the part after the last inner comma, or else the last sentence, begins."""
    mark: str
    """What ends the text: `.` or `?` for their kinds, `,` `-` `…`, or nothing."""

    @property
    def sentence(self) -> tuple[str, ...]:
        """The words of the last sentence."""
        return self.words[self.start :]

    @property
    def clause(self) -> tuple[str, ...]:
        """The words of the last clause."""
        return self.words[self.clause_start :]

    @property
    def last(self) -> str:
        """The last word; empty if there is none."""
        return self.words[-1] if self.words else ""

    @property
    def before(self) -> str:
        """The word before the last; empty if there is none."""
        return self.words[-2] if len(self.words) > 1 else ""

    @property
    def is_closed(self) -> bool:
        """Whether a full stop, an exclamation or a question mark ends the text."""
        return self.mark in (".", "?")

    def length_at_end(self, phrases: frozenset[str]) -> int:
        """How many words the longest of `phrases` has that stands at the very end; 0 if none does."""
        longest = min(LONGEST_PHRASE, len(self.words))
        return next((n for n in range(longest, 0, -1) if " ".join(self.words[-n:]) in phrases), 0)


def read_tail(text: str) -> Tail:
    """Cut up the last 240 characters of `text`; the cost does not grow with what stands before them."""
    text = text.rstrip()
    pieces = text[-TAIL_CHARS:].rstrip(_CLOSERS).lower().replace("’", "'").split()
    if len(text) > TAIL_CHARS and len(pieces) > 1:
        del pieces[0]  # most likely half a word
    words: list[str] = []
    start = clause_start = 0
    ends_sentence = ends_clause = False
    for piece in pieces:
        if words and ends_sentence:
            start = clause_start = len(words)
        elif words and ends_clause:
            clause_start = len(words)
        inside = _split(piece)
        words += inside
        ends_clause = piece.endswith((",", ";"))
        ends_sentence = (
            _ENDS_SENTENCE.search(piece) is not None
            and bool(inside)
            and len(inside[-1]) > 1
            and inside[-1] not in v.TITLES
        )
    # A recognizer writes "two thirty P M." as well; in "S A M" the letters are spelled.
    if words[-1:] == ["m"] and words[-2:-1] in (["a"], ["p"]) and words[-3:-2] and is_numeral(words[-3]):
        words[-2:] = [f"{words[-2]}m"]
    # "I really need" is "I need" to the policy.
    while len(words) - start > 2 and words[-2] in v.ADVERBS and words[-3] in v.SUBJECTS:
        del words[-2]
    clause_start = max(start, min(clause_start, len(words) - 1))
    return Tail(tuple(words), start, clause_start, _mark(pieces[-1]) if pieces else "")


def is_numeral(word: str) -> bool:
    """Whether `word` is a number, in digits or as a word."""
    return word[-1].isdigit() or word in v.DIGIT_WORDS or word in v.TWO_DIGIT_WORDS


def _split(piece: str) -> list[str]:
    words = []
    for part in _JOINTS.split(piece):
        word = _EDGES.sub("", part)
        if word in _DOTTED_WORDS:
            words.append(_DOTTED_WORDS[word])
        elif _DOTTED.fullmatch(word):
            words += word.split(".")
        elif word:
            words.append(word)
    return words


def _mark(piece: str) -> str:
    found = _MARK.search(piece)
    if found is None:
        return ""
    if found["final"]:
        return "?" if set("?？؟") & set(found["final"]) else "."
    return {"ellipsis": "…", "dash": "-", "comma": ","}[found.lastgroup or ""]
