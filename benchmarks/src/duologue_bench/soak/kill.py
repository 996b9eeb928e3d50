"""Kill: a worker is killed under load, then the server is terminated and started again, and every call must go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from duologue.callers.chaos import run_chaos
from duologue.callers.chaos_result import ChaosResult
from duologue.callers.voice import Utterance
from duologue_bench.conversations import Held
from duologue_bench.server import ServerProcess
from duologue_bench.soak.served import at_least, at_most

__all__ = ["LIMITS", "Killed", "check", "kill"]

LIMITS: Final = {"resumed_within_s": 5.0, "drained_within_s": 35.0}
"""Seconds after which all calls of a killed worker go on; and after which a server that was terminated has ended."""

PAUSE_S: Final = 4.0
ENDS_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Killed:
    """What came of it."""

    callers: int
    result: ChaosResult
    of_worker: int
    """Calls of the worker that was killed, and..."""
    taken_over: int
    """...calls that went on in another one before the server was terminated."""
    resumed_within_s: float | None
    """Seconds from the kill to the last of these; None if there were none."""
    repeated_after_kill: int
    """Turns that had to be said again, because they had not been checkpointed."""
    status: int | None
    """The exit status of the server that was terminated."""
    drained_s: float
    """Seconds that it took to end."""
    away_s: float
    """Seconds from then until the next server was ready."""
    handed_over: int
    """Calls that went on in that one."""
    repeated_after_term: int
    """Turns that had to be said again: while there was no server, 5 s of speech are kept."""
    interrupted_after_term: int
    """Those among them that had begun before; a server that ends waits for them."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        names = (
            "callers", "of_worker", "taken_over", "resumed_within_s", "repeated_after_kill", "status", "drained_s",
            "away_s", "handed_over", "repeated_after_term", "interrupted_after_term",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"result": self.result.as_dict()}


async def kill(
    start: Callable[[int], ServerProcess],
    callers: int,
    seconds: float,
    *,
    seed: int,
    said: Sequence[Utterance],
    on_progress: Callable[[str, ChaosResult], None] | None = None,
) -> Killed:
    """Have `callers` call for `seconds`; after a third of it kill a worker, after two thirds terminate the server.

    `start` makes the server, at a port if that is not 0.
    """
    result = ChaosResult(seed)
    phase = "all is well"

    async def watch() -> None:
        while on_progress is not None:
            on_progress(phase, result)
            await asyncio.sleep(1.0)

    async with start(0) as server:
        calling = asyncio.create_task(
            run_chaos(server.url, callers=callers, seconds=seconds, seed=seed, said=said, pause=PAUSE_S, faults=(),
                      result=result)
        )  # fmt: skip
        watching = asyncio.create_task(watch())
        try:
            await asyncio.sleep(seconds / 3)
            victim = max((await server.ops())["workers"], key=lambda worker: worker["sessions"])
            killed_at, repeated = asyncio.get_running_loop().time(), result.repeated
            os.kill(victim["pid"], signal.SIGKILL)
            phase = "a worker was killed"
            await asyncio.sleep(seconds / 3)
            taken_over, repeated_after_kill = len(result.restored_at), result.repeated - repeated
            within = max(result.restored_at) - killed_at if result.restored_at else None
            repeated, interrupted, began = result.repeated, result.interrupted, time.monotonic()
            server.signal(signal.SIGTERM)
            phase = "the server ends"
            status = await server.ended(ENDS_WITHIN_S)
            ended = time.monotonic()
            phase = "the next server starts"
            async with start(server.port):
                ready = time.monotonic()
                phase = "the next server serves"
                await calling
        finally:
            watching.cancel()
            calling.cancel()
            await asyncio.wait([calling])
    return Killed(
        callers=callers,
        result=result,
        of_worker=victim["sessions"],
        taken_over=taken_over,
        resumed_within_s=within,
        repeated_after_kill=repeated_after_kill,
        status=status,
        drained_s=ended - began,
        away_s=ready - ended,
        handed_over=len(result.restored_at) - taken_over,
        repeated_after_term=result.repeated - repeated,
        interrupted_after_term=result.interrupted - interrupted,
    )


def check(found: Killed) -> list[Held]:
    """Each limit."""
    return [
        at_least("turns", found.result.turns, found.callers),
        at_most("lost", found.result.lost, 0),
        at_most("violations", len(found.result.violations), 0),
        at_least("taken_over", found.taken_over, max(1, found.of_worker)),
        at_most("resumed_within_s", found.resumed_within_s, LIMITS["resumed_within_s"]),
        at_most("exit_status", None if found.status is None else abs(found.status), 0),
        at_most("drained_within_s", found.drained_s, LIMITS["drained_within_s"]),
        at_least("handed_over", found.handed_over, found.callers),
        at_most("interrupted_after_term", found.interrupted_after_term, 0),
    ]
