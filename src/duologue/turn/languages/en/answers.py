"""English: whether the words of a turn answer what the agent has asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from duologue.conversation.question import AnswerKind, AnswerState, Expected
from duologue.turn.languages.en import runs
from duologue.turn.languages.en import vocabulary as v
from duologue.turn.languages.en.tail import Tail, is_numeral, read_tail

__all__ = ["answers"]

MAX_WORDS: Final = 7
"""A longer turn says more than the answer; its end is judged as any other."""
LONGEST_NAME: Final = 4
_NAME_LEAD_INS: Final = (
    ("my", "full", "name", "is"), ("my", "last", "name", "is"), ("my", "first", "name", "is"), ("my", "name", "is"),
    ("the", "name", "is"), ("my", "name's"), ("the", "name's"),
    ("this", "is"), ("it", "is"), ("it's",), ("that's",), ("i'm",), ("i", "am"), ("under",), ("for",),
)  # fmt: skip
FEWEST_LETTERS: Final = 3


def answers(text: str, expected: Expected) -> AnswerState:
    """Return whether the words answer the question in full or in part, or that it is unknown."""
    tail = read_tail(text)
    judge = _ANSWERED.get(expected.kind)
    return judge(tail, expected.lengths) if judge and tail.words else ""


def _yes_or_no(tail: Tail, _: tuple[int, ...]) -> AnswerState:
    words = list(tail.words)
    if len(words) > MAX_WORDS or tail.mark in ("…", "-"):
        return ""
    while len(words) > 1 and words[0] in v.AFFIRMATIONS:
        words = words[1:]
    rest = " ".join(words)
    whole = " ".join(tail.words)
    if rest in v.ANSWERS or whole in v.ANSWERS or rest in v.CLOSINGS or rest in v.ASSENTED:
        return "complete"
    is_elliptical = len(words) == 2 and words[0] in v.SUBJECTS and words[1] in v.ELLIPTICAL
    return "complete" if is_elliptical and len(tail.words) > 2 else ""


def _name(tail: Tail, lengths: tuple[int, ...]) -> AnswerState:
    words = list(tail.words)
    while len(words) > 1 and words[0] in v.AFFIRMATIONS:
        words = words[1:]
    for lead_in in _NAME_LEAD_INS:
        if tuple(words[: len(lead_in)]) == lead_in:
            words = words[len(lead_in) :]
            break
    if not words:
        return "partial"
    if len(words) > LONGEST_NAME or not v.NOT_IN_NAMES.isdisjoint(words) or words[-1] in v.TITLES:
        return ""
    if lengths and len(words) not in lengths:
        return "partial" if len(words) < min(lengths) else ""
    return "complete"


def _number(tail: Tail, _: tuple[int, ...]) -> AnswerState:
    """A quantity: a number, and what is counted perhaps."""
    if len(tail.words) > MAX_WORDS or tail.mark in ("…", "-"):
        return ""
    return "complete" if any(is_numeral(word) for word in tail.words[-2:]) else ""


def _digits(tail: Tail, lengths: tuple[int, ...]) -> AnswerState:
    count, first = runs.count_digits(tail)
    if not count or not lengths:
        return ""
    if count in lengths and not (lengths[0] == 7 and count == 7 and first in "01"):
        return "complete"
    # Recognizers lose a digit now and then, so that one too few need not mean that one is missing.
    return "partial" if count < max(lengths) and count + 1 not in lengths else ""


def _time(tail: Tail, _: tuple[int, ...]) -> AnswerState:
    if len(tail.words) > MAX_WORDS or tail.mark in ("…", "-"):
        return ""
    last = tail.last
    tells = last in v.TIME_WORDS or is_numeral(last) or last[:1].isdigit()
    return "complete" if tells else ""


def _spelling(tail: Tail, lengths: tuple[int, ...]) -> AnswerState:
    if runs.has_address_end(tail):
        return "complete"
    if not runs.is_spelling(tail):
        return ""
    count = runs.count_letters(tail)
    if lengths:
        return "complete" if count in lengths else "partial" if count < max(lengths) else ""
    return "partial" if count < FEWEST_LETTERS else ""


_ANSWERED: Final[dict[AnswerKind, Callable[[Tail, tuple[int, ...]], AnswerState]]] = {
    "yes_no": _yes_or_no,
    "name": _name,
    "number": _number,
    "digits": _digits,
    "time": _time,
    "spelling": _spelling,
}
