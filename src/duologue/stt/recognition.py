"""The result of a speech model that also knows how a segment ends."""

from __future__ import annotations

from typing import Self

__all__ = ["Recognition"]


class Recognition(str):
    """The words of a segment, from a model that also has an opinion on the end of the turn."""

    __slots__ = ("ending_odds",)
    ending_odds: float
    """Log-odds, added to those of the words, that the user has finished."""

    def __new__(cls, text: str, ending_odds: float = 0.0) -> Self:
        """Attach the log-odds to the words."""
        self = super().__new__(cls, text)
        self.ending_odds = ending_odds
        return self
