"""What work costs, how late it is and how much of it each session has had: plain numbers for sharing models out."""

from __future__ import annotations

import math
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Final

from duologue.telemetry.context import CONTEXTS

__all__ = ["OWNER", "Cost", "CostModel", "Counters", "FairShare", "Lateness", "Utilization", "owned_by"]

OWNER: ContextVar[str] = ContextVar("owner", default="")
"""The session that work is done for; empty for work of no session in particular."""


def owned_by(owner: str) -> Context:
    """Return a context for a task whose work is done for `owner`, in its trace."""
    context = copy_context()
    context.run(OWNER.set, owner)
    CONTEXTS.enter(owner, context)
    return context


@dataclass(slots=True)
class Counters:
    """What the model threads did, as plain numbers that may be read at any time."""

    done: int = 0
    batches: int = 0
    """Runs of a model, including those that left something unfinished."""
    dropped: int = 0
    """Jobs that were cancelled before their turn came."""
    rationed: int = 0
    """Judgements that were not requested because work was behind."""
    refused: int = 0
    failed: int = 0
    threads_replaced: int = 0
    """Threads that died and were replaced."""


@dataclass(slots=True)
class Cost:
    """What one model has cost so far."""

    runs: int = 0
    items: int = 0
    size: float = 0.0
    """Seconds of audio in all items."""
    cpu: float = 0.0
    """CPU seconds."""
    wall: float = 0.0
    """Seconds of real time, recently..."""
    heard: float = 0.0
    """...for this many seconds of audio."""


class CostModel:
    """What each model costs, by name, and so what a job can be expected to take.

    A moving average of wall time for each second of audio: it follows the machine, which may slow down under load,
    and needs no calibration.
    """

    SMOOTHING: Final = 1 / 16

    def __init__(self) -> None:
        self.of: dict[str, Cost] = {}

    def expect(self, name: str, size: float) -> float:
        """Seconds that an item of `size` is expected to take; 0 for a model that has not run."""
        cost = self.of.get(name)
        return cost.wall / cost.heard * size if cost and cost.heard else 0.0

    def note(self, name: str, items: int, size: float, wall: float, cpu: float) -> None:
        """Count one run over `items` of `size` seconds of audio in all; 0 items for a run that continues others."""
        cost = self.of.setdefault(name, Cost())
        # A continuation brings no new audio: its time belongs to audio that was counted before, so nothing fades.
        kept = 1 - self.SMOOTHING if size else 1.0
        cost.wall, cost.heard = cost.wall * kept + wall, cost.heard * kept + size
        cost.runs += 1
        cost.items += items
        cost.size += size
        cost.cpu += cpu


class Lateness:
    """How late work is done: an average over recent work that decays while nothing is done."""

    DECAY_S: Final = 5.0
    """Seconds after which what was noted counts for 1/e."""

    def __init__(self) -> None:
        self._late = self._count = self._noted = 0.0

    def note(self, late: float, now: float) -> None:
        """Count something that was done `late` seconds after it was wanted."""
        kept = self._kept(now)
        self._late = self._late * kept + late
        self._count = self._count * kept + 1
        self._noted = now

    def at(self, now: float) -> float:
        """Return the average in seconds."""
        return self._late / max(1.0, self._count) * self._kept(now)

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._noted) / self.DECAY_S)


class Utilization:
    """The share of recent time in which the threads ran a model."""

    DECAY_S: Final = 3.0
    """Seconds after which what was noted counts for 1/e."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._worked = self._noted = 0.0

    def note(self, worked: float, now: float) -> None:
        """Count a run that took `worked` seconds and ended now."""
        self._worked = self._worked * self._kept(now) + worked
        self._noted = now

    def at(self, now: float) -> float:
        """Return about 0 to 1; more where the thread for first clauses works as well."""
        return self._worked * self._kept(now) / (self.DECAY_S * self._threads)

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._noted) / self.DECAY_S)


class FairShare:
    """Delays the deadlines of sessions that have had much more audio transcribed than a lively caller has.

    Deadlines alone would let one endless talker take as much of the models as its requests ask for. Each session has
    a balance of the seconds of audio that were transcribed for it, which decays; above `FREE_S` its deadlines move
    back in proportion. So an hour of monologue gets what the others leave, and, as the delay is bounded, it never
    starves.
    """

    DECAY_S: Final = 20.0
    """Seconds after which a balance falls to 1/e."""
    FREE_S: Final = 18.0
    """Seconds of audio that delay nothing: a lively caller has up to 14, one who never stops 20 and more."""
    DELAY_PER_S: Final = 0.5
    """Seconds by which each second of audio above that delays a deadline..."""
    MAX_DELAY_S: Final = 3.0
    """...and at most."""
    MAX_OWNERS: Final = 4096

    def __init__(self) -> None:
        self._balances: dict[str, tuple[float, float]] = {}

    def add(self, owner: str, size: float, now: float) -> None:
        """Charge `owner` for `size` seconds of audio; a negative size refunds what was not transcribed after all."""
        if not owner:
            return
        balance = self._balance(owner, now) + size
        self._balances.pop(owner, None)  # The session that was served longest ago comes first and is dropped first.
        self._balances[owner] = (balance, now)
        if len(self._balances) > self.MAX_OWNERS:
            del self._balances[next(iter(self._balances))]

    def delay(self, owner: str, now: float) -> float:
        """Return the seconds by which deadlines of `owner` move back."""
        return min(self.MAX_DELAY_S, self.DELAY_PER_S * max(0.0, self._balance(owner, now) - self.FREE_S))

    def _balance(self, owner: str, now: float) -> float:
        balance, noted = self._balances.get(owner, (0.0, now))
        return balance * math.exp(-max(0.0, now - noted) / self.DECAY_S)
