"""How fast the machine is, minute by minute: a shared one may lose a third of its speed from one to the next.

The callers do the same all the time, in a process that is not the server's. What a second of call costs them is the
measure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from duologue.callers.run import Progress

__all__ = ["ALIKE", "Piece", "Yardstick", "alike"]

ALIKE: Final = 0.05
"""Two pieces were as fast as each other where their cost differs by at most this share."""
PIECE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a run, in its own time."""

    begins_s: float
    ends_s: float
    cost_s: float
    """CPU that the callers took for a second of a call."""
    refused: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ends_s - self.begins_s


class Yardstick:
    """Notes what the callers cost, whenever a run tells its progress. `cpu`: seconds that this process has used."""

    def __init__(self, cpu: Callable[[], float] = time.process_time) -> None:
        self._cpu = cpu
        self._notes: list[tuple[Progress, float]] = []

    def note(self, now: Progress) -> None:
        """To be called all along; each second will do."""
        self._notes.append((now, self._cpu()))

    def pieces(self, begins: float) -> tuple[Piece, ...]:
        """What was noted from `begins` on, in pieces of about a minute; none of fewer than two notes."""
        notes = [note for note in self._notes if note[0].seconds >= begins]
        if len(notes) < 2:
            return ()
        count = max(1, round((notes[-1][0].seconds - notes[0][0].seconds) / PIECE_S))
        edges = [round(k * (len(notes) - 1) / count) for k in range(count + 1)]
        return tuple(_piece(notes[a : b + 1]) for a, b in pairwise(edges))


def _piece(notes: Sequence[tuple[Progress, float]]) -> Piece:
    (first, before), (last, after) = notes[0], notes[-1]
    called = sum(now.active * (now.seconds - then.seconds) for (then, _), (now, _) in pairwise(notes))
    cost = (after - before) / called if called else 0.0
    return Piece(first.seconds, last.seconds, cost, last.refused - first.refused)


def alike(one: Sequence[Piece], other: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The pieces of both in which the machine was as fast: around the speed of which there is most in both."""

    def near(cost: float) -> tuple[list[Piece], list[Piece]]:
        found = ([p for p in pieces if abs(p.cost_s - cost) <= ALIKE * cost] for pieces in (one, other))
        first, second = found
        return first, second

    def common(found: tuple[list[Piece], list[Piece]]) -> tuple[float, float]:
        lengths = [sum(piece.seconds for piece in pieces) for pieces in found]
        return min(lengths), sum(lengths)

    return max((near(piece.cost_s) for piece in (*one, *other)), key=common, default=([], []))
