"""A turn that was understood in pieces, as it is to be judged."""

from __future__ import annotations

__all__ = ["joined"]

FEW = 4
"""Words of a piece whose comma says nothing."""


def joined(before: str, piece: str) -> str:
    """The words of a turn, `piece` the last of them, which was understood alone after a pause.

    A recogniser that is given a word or two alone ends them with a comma as readily as with a full stop ("My name is …
    Williams,"). There is nothing in them to tell it from: the piece is taken for the end of a sentence.
    """
    if before and piece.endswith(",") and len(piece.split()) <= FEW:
        piece = f"{piece[:-1]}."
    return f"{before} {piece}".strip()
