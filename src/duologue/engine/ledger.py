"""What work cost, how late it was, and who had how much of it: plain numbers, by which the engine shares itself out."""

from __future__ import annotations

import math
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Final

__all__ = ["OWNER", "Cost", "Costs", "Debts", "Share", "Strain", "owned_by"]

OWNER: ContextVar[str] = ContextVar("owner", default="")
"""The session that work is done for; empty for work of nobody in particular."""


def owned_by(owner: str) -> Context:
    """A context for a task whose work is done for `owner`."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context


@dataclass(slots=True)
class Cost:
    """What one model has cost so far."""

    runs: int = 0
    items: int = 0
    size: float = 0.0
    """Seconds of sound in all items."""
    cpu: float = 0.0
    """CPU seconds."""
    wall: float = 0.0
    """Seconds of real time, of late..."""
    heard: float = 0.0
    """...for so many seconds of sound."""


class Costs:
    """What each model costs, by name, and so what a piece of work can be expected to take."""

    LATELY: Final = 1 / 16

    def __init__(self) -> None:
        self.of: dict[str, Cost] = {}

    def expect(self, name: str, size: float) -> float:
        """Seconds that an item of `size` is expected to take; 0 for a model that has not run."""
        cost = self.of.get(name)
        return cost.wall / cost.heard * size if cost and cost.heard else 0.0

    def note(self, name: str, items: int, size: float, wall: float, cpu: float) -> None:
        """One run of a model over `items` of `size` seconds of sound in all; none where it goes on."""
        cost = self.of.setdefault(name, Cost())
        kept = 1 - self.LATELY if size else 1.0
        cost.wall, cost.heard = cost.wall * kept + wall, cost.heard * kept + size
        cost.runs += 1
        cost.items += items
        cost.size += size
        cost.cpu += cpu


class Strain:
    """How late work is done, on average of late; forgotten while nothing is done."""

    FORGOTTEN: Final = 5.0
    """Seconds in which what was done comes to count a third."""

    def __init__(self) -> None:
        self._late = self._count = self._noted = 0.0

    def note(self, late: float, now: float) -> None:
        """Something was done `late` seconds after it was wanted."""
        kept = self._kept(now)
        self._late = self._late * kept + late
        self._count = self._count * kept + 1
        self._noted = now

    def at(self, now: float) -> float:
        """Seconds."""
        return self._late / max(1.0, self._count) * self._kept(now)

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._noted) / self.FORGOTTEN)


class Share:
    """Which share of the time threads have worked, of late."""

    FORGOTTEN: Final = 3.0
    """Seconds in which what was done comes to count a third."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._worked = self._noted = 0.0

    def note(self, worked: float, now: float) -> None:
        """A thread has worked for so many seconds until now."""
        self._worked = self._worked * self._kept(now) + worked
        self._noted = now

    def at(self, now: float) -> float:
        """About 0 to 1."""
        return self._worked * self._kept(now) / (self.FORGOTTEN * self._threads)

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._noted) / self.FORGOTTEN)


class Debts:
    """The seconds of sound that each session has had understood of late, beyond what most have.

    A session in debt has its deadlines put off: so an hour of monologue takes what the others leave, and no more.
    """

    FORGOTTEN: Final = 20.0
    """Seconds in which a debt falls to a third."""
    USUAL: Final = 18.0
    """Seconds of sound that put nothing off: a lively caller has up to 14, one who never stops 20 and more."""
    DELAY: Final = 0.5
    """Seconds by which each second of sound beyond puts a deadline off..."""
    MOST: Final = 3.0
    """...and at most."""
    MAX_OWNERS: Final = 4096

    def __init__(self) -> None:
        self._debts: dict[str, tuple[float, float]] = {}

    def add(self, owner: str, size: float, now: float) -> None:
        """`owner` has `size` seconds of sound done; fewer than none where it was not done after all."""
        if not owner:
            return
        debt = self._debt(owner, now) + size
        self._debts.pop(owner, None)  # the one that was served longest ago is first, and goes where there are too many
        self._debts[owner] = (debt, now)
        if len(self._debts) > self.MAX_OWNERS:
            del self._debts[next(iter(self._debts))]

    def delay(self, owner: str, now: float) -> float:
        """Seconds by which the deadlines of `owner` are put off."""
        return min(self.MOST, self.DELAY * max(0.0, self._debt(owner, now) - self.USUAL))

    def _debt(self, owner: str, now: float) -> float:
        debt, noted = self._debts.get(owner, (0.0, now))
        return debt * math.exp(-max(0.0, now - noted) / self.FORGOTTEN)
