"""What a server holds while nobody calls it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from duologue_bench.soak.served import Served

__all__ = ["QUIET_S", "Sample", "idle_sample", "quiet_sample"]

QUIET_S: Final = 20.0
"""Time for the server to be as idle as before."""
_LOOK_S: Final = 0.25
_STEADY: Final = 12
"""Looks at which nothing has changed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server holds, while nobody is connected."""

    sessions: int
    """Calls so far."""
    private_bytes: int
    threads: int
    tasks: int
    descriptors: int
    connections: int
    """Must be none."""
    cache_bytes: int
    """Of the memory: phrases kept to be said again."""


async def idle_sample(server: Served) -> Sample:
    """What it holds once it does nothing: after its start it may still be speaking phrases ahead."""
    deadline = time.monotonic() + QUIET_S
    looks = [await _look(server, 0)]
    while len({(look.tasks, look.cache_bytes) for look in looks[-_STEADY:]}) > 1 or len(looks) < _STEADY:
        if time.monotonic() > deadline:
            break
        looks.append(await _look(server, 0))
    return looks[-1]


async def quiet_sample(server: Served, sessions: int, idle: Sample, *, timeout: float = QUIET_S) -> Sample:
    """What it holds once it is as idle as it was, or when `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while True:
        found = await _look(server, sessions)
        quiet = not found.connections and found.tasks <= idle.tasks and found.descriptors <= idle.descriptors
        if quiet or time.monotonic() > deadline:
            return found


async def _look(server: Served, sessions: int) -> Sample:
    ops = (await server.ops())["sum"]
    await asyncio.sleep(_LOOK_S)  # for the connection that asked to be gone
    found = server.footprint()
    return Sample(
        sessions=sessions,
        private_bytes=found.private_bytes,
        threads=found.threads,
        tasks=int(ops["tasks"]),
        descriptors=found.descriptors,
        connections=int(ops["connections"]),
        cache_bytes=int(ops["cache_bytes"]),
    )
