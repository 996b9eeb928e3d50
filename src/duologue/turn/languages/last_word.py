"""Judges a turn by its last word, for languages whose clauses do not end in certain words."""

from __future__ import annotations

import re
from collections.abc import Callable

from duologue.turn import Judgement
from duologue.turn.languages import CLOSING_MARKS, QUESTION_MARKS, judge_by_mark

__all__ = ["judge_by_ending", "judge_by_last_word"]

MARKS = ".!?…。！？,，、;；:： " + CLOSING_MARKS
OPEN = 0.12
"""How likely a turn has ended that stops at a word that leads on; recognizers put a full stop there, too."""
HESITATION = 0.08
OPEN_TIMEOUT_FACTOR = 1.2


def judge_by_last_word(leading: frozenset[str], hesitations: frozenset[str]) -> Callable[[str], Judgement]:
    """Return a judge for a language that separates words.

    Args:
        leading: Words that lead on to another word: articles, prepositions, conjunctions.
        hesitations: Sounds of thinking.
    """

    def judge(text: str) -> Judgement:
        words = re.findall(r"[^\W_]+", text.lower())
        if words and not text.rstrip(CLOSING_MARKS).endswith(QUESTION_MARKS):
            if words[-1] in hesitations:
                return Judgement(HESITATION, "filler", OPEN_TIMEOUT_FACTOR)
            if words[-1] in leading:
                return Judgement(OPEN, "leading_word", OPEN_TIMEOUT_FACTOR)
        return judge_by_mark(text)

    return judge


def judge_by_ending(
    leading: tuple[str, ...], hesitations: tuple[str, ...], closing: tuple[str, ...] = ()
) -> Callable[[str], Judgement]:
    """Return a judge for a language that does not separate words.

    Args:
        leading: Endings that lead on: particles, conjunctions.
        hesitations: Whole phrases of thinking that end an unfinished turn.
        closing: Endings that close a sentence, which is then as finished as with a mark.
    """

    def judge(text: str) -> Judgement:
        bare = text.rstrip(MARKS)
        if bare and not text.rstrip(CLOSING_MARKS).endswith(QUESTION_MARKS):
            if bare.endswith(hesitations):
                return Judgement(HESITATION, "filler", OPEN_TIMEOUT_FACTOR)
            if not bare.endswith(closing) and bare.endswith(leading):
                return Judgement(OPEN, "leading_word", OPEN_TIMEOUT_FACTOR)
            if bare == text.rstrip(CLOSING_MARKS) and closing and bare.endswith(closing):
                return Judgement(0.75, "closing_word")
        return judge_by_mark(text)

    return judge
