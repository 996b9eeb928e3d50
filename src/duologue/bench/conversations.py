"""Whole conversations: simulated callers book tables with a server in another process, all models real.

The callers share the machine with the server, and what they take is told beside. A run of one caller comes first, and
the others are held against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from duologue.bench.server import ServerProcess
from duologue.callers.load import Load
from duologue.callers.result import Result
from duologue.callers.run import Plan, Progress, prepare_run, run

__all__ = ["LIMITS", "Held", "Measured", "baseline", "carry", "check"]

SAMPLE_EVERY: Final = 5.0
"""Seconds between looks at the server's memory, which cost it a few milliseconds."""

CHUNK_MS: Final = 40
"""Sound in each message, both ways."""

LIMITS: Final = {
    "processing_p95_s": 0.2,
    "answered_later_p95_s": 0.3,
    "bookings": 0.95,
    "word_error_rate": 0.02,
}
"""What must hold: p95 of decided → first audio; p95 of speech end → first audio, and word error rate, beyond those of a
single caller; bookings that came out as the caller wanted. Nothing starved, nothing dropped."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what the callers heard, and what the server took."""

    result: Result
    server_cpu: float
    """Cores, from the first call to the end."""
    memory_per_session: float
    """Private bytes of each session, at the most."""
    models_cpu: dict[str, float]
    """Cores that each model took."""
    ops: dict[str, float]
    """Counters of the server at the end."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            **self.result.as_dict(),
            "server_cpu": round(self.server_cpu, 3),
            "models_cpu": {name: round(cores, 3) for name, cores in self.models_cpu.items()},
            "memory_per_session_bytes": round(self.memory_per_session),
            "ops": self.ops,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """One limit, and whether it held."""

    name: str
    value: float | None
    limit: float
    ok: bool


async def carry(
    server: ServerProcess,
    sessions: int,
    load: Load,
    seconds: float,
    *,
    script: str = "booking",
    seed: int = 1,
    ramp: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """Have so many callers at once converse with `server` for `seconds` after a ramp."""
    ramp = max(10.0, sessions / 4) if ramp is None else ramp
    plan = Plan(server.url, sessions, seconds, script, load, seed, ramp, CHUNK_MS)  # type: ignore[arg-type]  # checked by its user
    utterances = await asyncio.to_thread(prepare_run, plan)
    before, ops_before = server.footprint(), (await server.ops())["sum"]
    most, sampled = before.private_bytes, 0.0

    def watch(now: Progress) -> None:
        nonlocal most, sampled
        if now.seconds - sampled >= SAMPLE_EVERY:
            sampled = now.seconds
            most = max(most, server.footprint().private_bytes)
        if on_progress is not None:
            on_progress(now)

    result = await run(plan, utterances, on_progress=watch)
    after, ops = server.footprint(), (await server.ops())["sum"]
    elapsed = ramp + seconds
    models = {
        name.removeprefix("cpu_s_"): (value - ops_before.get(name, 0.0)) / elapsed
        for name, value in ops.items()
        if name.startswith("cpu_s_")
    }
    return Measured(
        result=result,
        server_cpu=(after.cpu_s - before.cpu_s) / elapsed,
        memory_per_session=(most - before.private_bytes) / sessions,
        models_cpu=models,
        ops={name: value for name, value in ops.items() if not name.startswith("cpu_s_")},
    )


async def baseline(server: ServerProcess, load: Load, seconds: float, *, seed: int = 1) -> Measured:
    """A single caller, to hold the others against."""
    return await carry(server, 1, load, seconds, seed=seed, ramp=10.0)


def check(measured: Measured, alone: Measured) -> list[Held]:
    """Each limit of a headline run, held against a single caller."""
    r, a = measured.result, alone.result
    over = r.bookings
    ended = sum(over[name] for name in ("booked", "wrong", "gave_up", "cut_off"))
    booked = over["booked"] / ended if ended else None

    def beyond(value: float | None, other: float | None) -> float | None:
        return None if value is None or other is None else value - other

    later = beyond(r.voice_to_voice_s.p95, a.voice_to_voice_s.p95)
    words = beyond(r.word_error_rate, a.word_error_rate)
    dropped = r.missed_input_s.get("dropped", 0.0)
    return [
        _most("processing_p95_s", r.processing_s.p95),
        _most("answered_later_p95_s", later),
        Held("starved_frames", r.starved_frames, 0, r.starved_frames == 0),
        Held("dropped_input_s", dropped, 0, dropped == 0),
        Held("refused", sum(r.refusals.values()), 0, not r.refusals),
        Held("bookings", booked, LIMITS["bookings"], booked is not None and booked >= LIMITS["bookings"]),
        _most("word_error_rate", words),
        Held("callers_in_time", float(r.valid), 1, r.valid),
    ]


def _most(name: str, value: float | None) -> Held:
    return Held(name, value, LIMITS[name], value is not None and value < LIMITS[name])
