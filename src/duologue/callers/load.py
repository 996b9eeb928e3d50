"""The offered load: how much callers talk. Frozen, so that figures of different days are of the same work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BRISK", "LOADS", "NORMAL", "Load", "Pace"]

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 8.0
"""Utterances last as long as this, as nearly as their words allow."""

_REACTION_S: Final = 0.3
"""A person needs at least this long after the other has finished."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a caller spends the time."""

    name: str
    talk: float
    """Share of the time in which the caller speaks."""
    turns_per_minute: float


NORMAL: Final = Load("normal", 0.35, 4.0)
BRISK: Final = Load("brisk", 0.40, 7.0)
LOADS: Final = {load.name: load for load in (NORMAL, BRISK)}


class Pace:
    """Tells one caller when to speak and for how long, so that on the whole the load is what was asked for.

    It counts from `begin`, in seconds of any clock, over all calls of the caller: who was kept waiting catches up, but
    no more than two turns of it.
    """

    __slots__ = ("_begin", "_cycle", "_spoken", "_talk", "_turns")

    def __init__(self, load: Load, begin: float) -> None:
        self._cycle = 60.0 / load.turns_per_minute
        self._talk = load.talk
        self._begin = begin
        self._turns = 0
        self._spoken = 0.0

    def next_start(self, free: float) -> float:
        """When the next turn begins, where the other side has finished at `free`."""
        earliest = free + _REACTION_S
        due = self._begin + self._turns * self._cycle
        if earliest - due > 2 * self._cycle:
            lost = earliest - due - 2 * self._cycle
            self._begin += lost
            due += lost
        return max(earliest, due)

    def length(self) -> float:
        """Seconds that the next turn should last."""
        owed = self._talk * self._cycle * (self._turns + 1) - self._spoken
        return min(LONGEST_S, max(SHORTEST_S, owed))

    def spoke(self, seconds: float) -> None:
        """A turn of this length was taken."""
        self._turns += 1
        self._spoken += seconds
