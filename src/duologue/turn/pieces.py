"""A turn that was understood in pieces, as it is to be judged."""

from __future__ import annotations

from duologue.turn import vocabulary
from duologue.turn.tail import is_numeral

__all__ = ["joined"]

FEW = 4
"""Words of a piece whose comma says nothing."""


def joined(before: str, piece: str) -> str:
    """The words of a turn, `piece` the last of them, which was understood alone after a pause.

    A recognizer ends a few words alone with a comma as readily as with a full stop ("My name is … Williams,",
    "Higher,"), so such a piece is taken for a sentence. At the beginning of a turn only if nothing else suggests more:
    a clause is often followed by another ("I'd like to order,"), and numbers and dates are given in pieces.
    """
    words = piece.lower().replace("’", "'").rstrip(",").split()
    if piece.endswith(",") and 0 < len(words) <= FEW and (before or not _may_be_part(words)):
        piece = f"{piece[:-1]}."
    return f"{before} {piece}".strip()


def _may_be_part(words: list[str]) -> bool:
    """Whether these words are a clause with a subject, or end in a number or a part of a date."""
    has_subject = words[0].partition("'")[0] in vocabulary.CLAUSE_SUBJECTS
    return has_subject or words[-1] in vocabulary.DATE_WORDS or is_numeral(words[-1])
