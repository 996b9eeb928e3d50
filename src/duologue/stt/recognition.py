"""The result of a speech model that also knows how a segment ends."""

from __future__ import annotations

from typing import Self

__all__ = ["Recognition"]


class Recognition(str):
    """The words of a segment, from a model that also has an opinion on the end of the turn."""

    __slots__ = ("ending_odds", "sound_estimate")
    ending_odds: float
    """Log-odds, added to those of the words, that the user has finished."""
    sound_estimate: float | None
    """What a turn model would say of the sound, 0 to 1; None if the model has no estimate."""

    def __new__(cls, text: str, ending_odds: float = 0.0, sound_estimate: float | None = None) -> Self:
        """Attach the opinion to the words."""
        self = super().__new__(cls, text)
        self.ending_odds, self.sound_estimate = ending_odds, sound_estimate
        return self

    @classmethod
    def of(cls, words: str) -> Self:
        """Return the words as a model gave them, without an opinion if it has none, stripped of spaces."""
        odds = float(getattr(words, "ending_odds", 0.0))
        return cls(words.strip(), odds, getattr(words, "sound_estimate", None))
