"""Work that waits for a model: one piece of it, and what is done in joint runs."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from duologue.stt.steps import Step

__all__ = ["PADDING", "Job", "Joint", "padding"]

COMPANY = 4
"""Jobs that need not wait for more: written together, four texts cost half of what they cost one by one."""
GATHER = 0.1
"""Seconds that the first of them waits at most."""
PADDING = 24.0
"""Seconds of sound by which all but the longest of a joint run may be filled up: with more, two runs cost less."""


@dataclass(order=True, slots=True)
class Job:
    """One item that waits for a model."""

    rank: float
    """The deadline, and later by what its session owes the others."""
    order: int
    model: Step = field(compare=False)
    item: Any = field(compare=False)
    size: float = field(compare=False)
    cost: float = field(compare=False)
    """Seconds that it is expected to take."""
    deadline: float = field(compare=False)
    """By which it is wanted, put off or not; for what is wanted at once, when it was asked for."""
    result: asyncio.Future[Any] = field(compare=False)
    owner: str = field(default="", compare=False)
    """Whose debt it is counted in; nobody's where it is empty."""
    step: bool = field(default=False, compare=False)
    """A step was done before: this is for a joint run..."""
    since: float = field(default=0.0, compare=False)
    """...and has been since then."""
    length: float = field(default=0.0, compare=False)
    """What its size was before the first step."""
    running: bool = field(default=False, compare=False)
    gone: bool = field(default=False, compare=False)
    """Cancelled while it waited: nothing is left of it but its place."""

    def go_on(self, step: Step, item: Any, now: float) -> None:
        """A step is done; the next one is for a joint run, and costs nothing by itself."""
        if not self.step:
            self.since, self.length = now, self.size
        self.model, self.item, self.size, self.cost, self.step = step, item, 0.0, 0.0, True


class Joint:
    """What waits for the next joint run. One goes on at a time, and what comes meanwhile joins the next."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        """A heap."""
        self.runs = False

    def add(self, jobs: Sequence[Job]) -> None:
        """More for the next run."""
        self.waiting += jobs
        heapq.heapify(self.waiting)

    def begins_in(self, now: float, crowded: bool) -> float | None:
        """Seconds until the next run may begin; None where one goes on, or nothing waits.

        Where the machine is `crowded`, the run waits a moment for company, as many together take less of it. What has
        been written on before has waited.
        """
        if self.runs or not self.waiting:
            return None
        if not crowded or len(self.waiting) >= COMPANY:
            return 0.0
        return max(0.0, min(job.since for job in self.waiting) + GATHER - now)


def padding(jobs: Sequence[Job]) -> float:
    """Seconds by which the shorter are filled up where they are done side by side."""
    lengths = [job.length for job in jobs]
    return max(lengths) * len(lengths) - sum(lengths)
