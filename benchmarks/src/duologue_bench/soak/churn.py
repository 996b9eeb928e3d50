"""Churn: very many short calls, one after another, proper and improper; what the server holds must not grow."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Final

from duologue.callers.run import load_voice
from duologue.callers.ticker import Ticker
from duologue.callers.voice import prepare, room_noise
from duologue_bench.conversations import Held
from duologue_bench.soak.churn_callers import WORDS, ChurnCallers, Visit
from duologue_bench.soak.held import Sample, idle_sample, quiet_sample
from duologue_bench.soak.served import Served, at_least, at_most

__all__ = ["LIMITS", "Churned", "Sample", "check", "churn"]

LIMITS: Final = {"memory_per_1000_sessions": 1_000_000.0, "tasks": 0.0, "descriptors": 0.0, "threads": 0.0}
"""What may be left behind: bytes; asyncio tasks and file descriptors more than before the first call; threads more than
after the warm-up."""

_TRIES: Final = 100
"""Who is refused so often in a row does not come again; that is no proper end."""


@dataclass(frozen=True, slots=True)
class Churned:
    """What came of it."""

    sessions: int
    """Calls that were to be made."""
    samples: tuple[Sample, ...]
    """The first is before the first call."""
    warm_up: int
    """Calls after which memory is held against what it was."""
    visits: dict[str, int]
    """Calls that were made, by what the caller did."""
    otherwise: dict[str, int]
    """Those of them that ended otherwise than they should, by what the caller did and how it ended."""
    refused: int
    unclear_refusals: int
    """Refusals that did not say why and when to come again."""
    counted_refusals: int
    """By the server."""
    seconds: float

    @property
    def warm(self) -> list[Sample]:
        """The samples from the end of the warm-up on."""
        return [sample for sample in self.samples if sample.sessions >= self.warm_up]

    @property
    def memory_per_1000(self) -> float | None:
        """Bytes more for each 1,000 calls after the warm-up: the median between any two samples.

        None if there is one alone. The allocator keeps or returns tens of megabytes from one sample to the next, and
        a few such must not count.
        """
        slopes = [
            (later.private_bytes - sooner.private_bytes) / (later.sessions - sooner.sessions)
            for sooner, later in combinations(self.warm, 2)
        ]
        return 1000 * statistics.median(slopes) if slopes else None

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "memory_per_1000_sessions_bytes": self.memory_per_1000}


async def churn(
    server: Served,
    sessions: int,
    at_once: int,
    *,
    every: int = 500,
    warm_up: int = 1000,
    seed: int = 1,
    make_voice: Callable[[], Any] = load_voice,
    on_progress: Callable[[int, Sample], None] | None = None,
) -> Churned:
    """Have `sessions` short calls made, `at_once` at a time; look at the server before, and after each `every` of them.

    `on_progress` gets the calls so far, and the last sample.
    """
    said = await asyncio.to_thread(lambda: tuple(prepare(WORDS, make_voice=make_voice).values()))
    ticker = Ticker(asyncio.get_running_loop())
    callers = ChurnCallers(server.url, said, room_noise(), ticker, seed=seed)
    began, refused_before = time.monotonic(), (await server.ops())["sum"]["refused"]
    visits: list[Visit] = []
    refusals: Counter[bool] = Counter()
    samples = [await idle_sample(server)]

    async def keep_calling(numbers: Iterator[int]) -> None:
        for number in numbers:
            for _ in range(_TRIES):
                visit = await callers.visit(number)
                if visit.refusal is None:
                    break
                refusals[visit.refusal.clear] += 1
                await asyncio.sleep(visit.refusal.retry_after_s or 1.0)
            visits.append(visit)
            if on_progress is not None:
                on_progress(len(visits), samples[-1])

    ticker.start()
    try:
        for first in range(0, sessions, every):
            numbers = iter(range(first, min(first + every, sessions)))
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(keep_calling(numbers))
            samples.append(await quiet_sample(server, len(visits), samples[0]))
    finally:
        ticker.stop()
    return Churned(
        sessions=sessions,
        samples=tuple(samples),
        warm_up=warm_up,
        visits=dict(Counter(visit.kind for visit in visits)),
        otherwise=dict(Counter(f"{v.kind} {v.how}".strip() + f": {v.ended}" for v in visits if not v.proper)),
        refused=refusals.total(),
        unclear_refusals=refusals[False],
        counted_refusals=(await server.ops())["sum"]["refused"] - refused_before,
        seconds=round(time.monotonic() - began, 1),
    )


def check(churned: Churned) -> list[Held]:
    """Each limit."""
    idle, last = churned.samples[0], churned.samples[-1]
    warm = churned.warm
    return [
        at_least("sessions", sum(churned.visits.values()), churned.sessions),
        at_most("ended_otherwise", sum(churned.otherwise.values()), 0),
        at_most("unclear_refusals", churned.unclear_refusals, 0),
        at_most("refusals_not_counted", abs(churned.refused - churned.counted_refusals), 0),
        at_most("connections_left", max(sample.connections for sample in churned.samples), 0),
        at_most("tasks", last.tasks - idle.tasks, LIMITS["tasks"]),
        at_most("descriptors", last.descriptors - idle.descriptors, LIMITS["descriptors"]),
        at_most("threads", last.threads - warm[0].threads if warm else None, LIMITS["threads"]),
        at_most("memory_per_1000_sessions", churned.memory_per_1000, LIMITS["memory_per_1000_sessions"]),
    ]
