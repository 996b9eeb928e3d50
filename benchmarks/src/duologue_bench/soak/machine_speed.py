"""How fast the machine is, minute by minute: a shared one may lose a third of its speed from one to the next.

The callers do the same all the time, in a process that is not the server's. What a second of call costs them is the
measure. It does not tell what they and the server were kept from by something else that ran, so that is noted too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from duologue.callers.run import Progress

__all__ = ["ALIKE", "MachineSpeed", "Piece", "alike"]

ALIKE: Final = 0.02
"""Two pieces were as fast as each other where their cost differs by at most this share."""
QUIET: Final = 0.1
"""Cores that something else may use in a piece that is compared."""
PIECE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a run, in its own time."""

    begins_s: float
    ends_s: float
    cost_s: float
    """CPU that the callers took for a second of a call."""
    refused: int
    others: float = 0.0
    """Cores that something else on the machine used, or that were taken from it."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ends_s - self.begins_s

    @property
    def quiet(self) -> bool:
        """True if nothing else disturbed it."""
        return self.others <= QUIET


class MachineSpeed:
    """Notes what the callers cost, whenever a run tells its progress.

    `cpu`: seconds that this process has used; `others`: that processes have which are neither callers nor server.
    """

    def __init__(self, cpu: Callable[[], float] = time.process_time, others: Callable[[], float] = lambda: 0.0) -> None:
        self._cpu = cpu
        self._others = others
        self._notes: list[tuple[Progress, float, float]] = []

    def note(self, now: Progress) -> None:
        """To be called all along; each second will do."""
        self._notes.append((now, self._cpu(), self._others()))

    def pieces(self, begins: float) -> tuple[Piece, ...]:
        """What was noted from `begins` on, in pieces of about a minute; none of fewer than two notes."""
        notes = [note for note in self._notes if note[0].seconds >= begins]
        if len(notes) < 2:
            return ()
        count = max(1, round((notes[-1][0].seconds - notes[0][0].seconds) / PIECE_S))
        edges = [round(k * (len(notes) - 1) / count) for k in range(count + 1)]
        return tuple(_piece(notes[a : b + 1]) for a, b in pairwise(edges))


def _piece(notes: Sequence[tuple[Progress, float, float]]) -> Piece:
    (first, before, others), (last, after, more) = notes[0], notes[-1]
    called = sum(now.active * (now.seconds - then.seconds) for (then, *_), (now, *_) in pairwise(notes))
    cost = (after - before) / called if called else 0.0
    others = max(0.0, more - others) / (last.seconds - first.seconds)
    return Piece(first.seconds, last.seconds, cost, last.refused - first.refused, others)


def alike(one: Sequence[Piece], other: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Pairs in which the machine was as fast, one of each, the nearest first; each piece is in one pair at most.

    Pieces in which something else used more than `QUIET` of the machine are in none.

    So that what is compared was as fast on the whole, too: where a machine has little to spare, a twentieth less speed
    makes its slowest answers a tenth slower and more.
    """
    near = sorted(
        (abs(first.cost_s - second.cost_s) / max(first.cost_s, second.cost_s), i, j)
        for i, first in enumerate(one)
        for j, second in enumerate(other)
        if first.cost_s and second.cost_s and first.quiet and second.quiet
    )
    left, right = set(range(len(one))), set(range(len(other)))
    pairs: list[tuple[int, int]] = []
    for apart, i, j in near:
        if apart <= ALIKE and i in left and j in right:
            left.remove(i)
            right.remove(j)
            pairs.append((i, j))
    return [one[i] for i, _ in sorted(pairs)], [other[j] for j in sorted(j for _, j in pairs)]
