"""How loud the caller is: what tells their voice from others in the room, and from a television."""

from __future__ import annotations

__all__ = ["CallerLevel"]


class CallerLevel:
    """The level of the caller's turns so far."""

    def __init__(self, margin: float) -> None:
        self._margin = margin
        self._level: float | None = None
        """dBFS; each turn counts as much as all before it, so that a caller who moves away is known again at once."""

    def learn(self, level: float | None) -> None:
        """Take the level of a turn in dBFS; None if it is not known."""
        if level is not None:
            self._level = level if self._level is None else (self._level + level) / 2

    def is_background(self, level: float | None) -> bool:
        """Return True if speech of this level is too quiet to be the caller's. False before their first turn."""
        if not self._margin or level is None or self._level is None:
            return False
        return level < self._level - self._margin
