"""A turn that was transcribed in pieces, as it is to be judged."""

from __future__ import annotations

from duologue.turn.languages import LanguagePack

__all__ = ["joined"]

FEW = 4
"""A piece of at most this many words may end in a comma that means nothing."""


def joined(before: str, piece: str, pack: LanguagePack) -> str:
    """Return the words of a turn, `piece` the last of them, which was transcribed by itself after a pause.

    A recognizer ends a few words by themselves with a comma as readily as with a full stop ("My name is … Williams,",
    "Higher,"), so such a piece counts as a sentence. At the beginning of a turn it does so only if nothing else
    suggests more: a clause is often followed by another ("I'd like to order,"), and numbers and dates are given in
    pieces.
    """
    words = piece.lower().replace("’", "'").rstrip(",").split()
    if piece.endswith(",") and 0 < len(words) <= FEW and (before or not pack.may_be_part(words)):
        piece = f"{piece[:-1]}."
    return f"{before} {piece}".strip()
