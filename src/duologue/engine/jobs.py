"""Jobs for models: one item of work, and the jobs that wait for the next continuous batch."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from duologue.stt.steps import Step

__all__ = ["PADDING", "ContinuousBatch", "Job", "padding"]

MIN_BATCH = 4
"""Jobs that need not wait for more: four texts decoded together cost half of what they cost one by one."""
MAX_WAIT_S = 0.1
"""Seconds that the first of them waits at most."""
PADDING = 24.0
"""Seconds of audio by which all but the longest of a run may be padded: with more, two runs cost less than one."""


@dataclass(order=True, slots=True)
class Job:
    """One item that waits for a model."""

    rank: float
    """The deadline, moved back by the fair share of its session; jobs are ordered by it."""
    order: int
    model: Step = field(compare=False)
    item: Any = field(compare=False)
    size: float = field(compare=False)
    cost: float = field(compare=False)
    """Seconds that it is expected to take."""
    deadline: float = field(compare=False)
    """When it is wanted, after any delay; for urgent work, when it was submitted."""
    result: asyncio.Future[Any] = field(compare=False)
    owner: str = field(default="", compare=False)
    """The session that is charged for it; empty for none."""
    is_continued: bool = field(default=False, compare=False)
    """Its first step is done: it belongs in a continuous batch..."""
    since: float = field(default=0.0, compare=False)
    """...and has been waiting for one since then."""
    length: float = field(default=0.0, compare=False)
    """Its size before the first step."""
    submitted: float = field(default=0.0, compare=False)
    """When it was queued."""
    is_running: bool = field(default=False, compare=False)
    is_cancelled: bool = field(default=False, compare=False)
    """Cancelled while it waited: it keeps nothing but its place in the heap."""

    def go_on(self, step: Step, item: Any, now: float) -> None:
        """Replace the step that is done with the next one, which costs nothing by itself."""
        if not self.is_continued:
            self.since, self.length = now, self.size
        self.model, self.item, self.size, self.cost, self.is_continued = step, item, 0.0, 0.0, True


class ContinuousBatch:
    """The jobs that wait for the next step of continuous batching.

    A step over many jobs costs little more than a step over one, because it reads the same weights. So one step runs
    at a time, and jobs that arrive meanwhile join the next one, however far each of them has come.
    """

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        """A heap."""
        self.is_running = False

    def add(self, jobs: Sequence[Job]) -> None:
        """Add jobs for the next step."""
        self.waiting += jobs
        heapq.heapify(self.waiting)

    def begins_in(self, now: float, is_crowded: bool) -> float | None:
        """Return the seconds until the next step may begin; None while one runs, and where nothing waits.

        While the machine is crowded, a step waits a moment until `MIN_BATCH` jobs are there: a fuller batch leaves
        more of the machine to others. A job that has waited once does not wait again.
        """
        if self.is_running or not self.waiting:
            return None
        if not is_crowded or len(self.waiting) >= MIN_BATCH:
            return 0.0
        return max(0.0, min(job.since for job in self.waiting) + MAX_WAIT_S - now)


def padding(jobs: Sequence[Job]) -> float:
    """Return the seconds of audio by which the shorter ones are padded where they run side by side."""
    lengths = [job.length for job in jobs]
    return max(lengths) * len(lengths) - sum(lengths)
