"""Chaos: callers whose network breaks call a server whose providers fail, and every call must go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from duologue.callers.chaos import run_chaos
from duologue.callers.chaos_result import ChaosResult
from duologue.callers.voice import Utterance
from duologue_bench.conversations import Held
from duologue_bench.soak.held import Sample, idle_sample, quiet_sample
from duologue_bench.soak.served import Served, at_least, at_most

__all__ = ["LIMITS", "Chaotic", "chaos", "check"]

LIMITS: Final = {"fault_share": 0.17, "memory_growth": 30_000_000.0}
"""Share of all calls to providers that fail, at least: more is not reached, since breakers keep calls from a provider
that fails; bytes that the second half may leave behind."""

PAUSE_S: Final = 4.0
"""Seconds before a turn, on average."""

PARKED_S: Final = 60.0
"""Seconds in which calls are given up whose callers do not come back."""


@dataclass(slots=True)
class Chaotic:
    """What came of it."""

    callers: int
    seconds: float
    samples: tuple[Sample, ...]
    """Before the first call, after the first half, and at the end; nobody calls then."""
    first: ChaosResult
    second: ChaosResult
    """The same for the two halves."""
    faults_in_log: list[str]
    status: int | None = None
    """The exit status of the server."""
    providers: dict[str, Any] = field(default_factory=dict)
    """Calls to providers, and faults by kind."""

    def total(self, name: str) -> int:
        """A count of both halves."""
        return int(getattr(self.first, name)) + int(getattr(self.second, name))

    @property
    def violations(self) -> list[str]:
        """Of both halves."""
        return [*self.first.violations, *self.second.violations]

    @property
    def fault_share(self) -> float | None:
        """Faults, as a share of all calls to providers; None if there were none."""
        calls = sum(self.providers.get("calls", {}).values())
        return sum(self.providers["faults"].values()) / calls if calls else None

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "callers": self.callers,
            "seconds": self.seconds,
            "samples": [asdict(sample) for sample in self.samples],
            "halves": [self.first.as_dict(), self.second.as_dict()],
            "providers": self.providers,
            "fault_share": self.fault_share,
            "faults_in_log": self.faults_in_log,
            "status": self.status,
        }


async def chaos(
    server: Served,
    callers: int,
    seconds: float,
    *,
    seed: int,
    said: Sequence[Utterance],
    pause: float = PAUSE_S,
    parked: float = PARKED_S,
    faults_in_log: Callable[[], list[str]] = list,
    on_progress: Callable[[ChaosResult], None] | None = None,
) -> Chaotic:
    """Have `callers` call for `seconds`, in two halves; look at what the server holds before and after each."""
    samples = [await idle_sample(server)]
    results: list[ChaosResult] = []

    async def watch(result: ChaosResult) -> None:
        while on_progress is not None:
            on_progress(result)
            await asyncio.sleep(1.0)

    for half in range(2):
        result = ChaosResult(seed + half)
        watching = asyncio.create_task(watch(result))
        try:
            await run_chaos(
                server.url, callers=callers, seconds=seconds / 2, seed=seed + half, said=said, pause=pause,
                result=result,
            )  # fmt: skip
        finally:
            watching.cancel()
        results.append(result)
        samples.append(await quiet_sample(server, sum(each.calls for each in results), samples[0], timeout=parked))
    return Chaotic(callers, seconds, tuple(samples), results[0], results[1], faults_in_log())


def check(found: Chaotic) -> list[Held]:
    """Each limit."""
    idle, half, last = found.samples
    return [
        at_least("turns", found.total("turns"), found.callers),
        at_least("resumed", found.total("resumed"), 1),
        at_most("lost", found.total("lost"), 0),
        at_most("violations", len(found.violations), 0),
        at_least("fault_share", found.fault_share, LIMITS["fault_share"]),
        at_most("faults_in_log", len(found.faults_in_log), 0),
        at_most("exit_status", None if found.status is None else abs(found.status), 0),
        at_most("connections_left", max(sample.connections for sample in found.samples), 0),
        at_most("tasks", last.tasks - idle.tasks, 0),
        at_most("descriptors", last.descriptors - idle.descriptors, 0),
        at_most("threads", last.threads - half.threads, 0),
        at_most("memory_growth", last.private_bytes - half.private_bytes, LIMITS["memory_growth"]),
    ]
