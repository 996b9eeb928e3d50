"""Whole conversations: simulated callers book tables with a server in another process, all models real.

The callers share the machine with the server, and what they take is reported too. A run of one caller comes first, and
the others are held against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Final

from duologue.callers.load import BRISK, Load
from duologue.callers.log import Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Result
from duologue.callers.run import Progress, prepare_run, run
from duologue_bench.server import ServerProcess

__all__ = [
    "LIMITS", "MEMORY_S", "Held", "Measured", "Memory", "baseline", "carry", "check", "counted",
    "per_session", "quarter", "warm",
]  # fmt: skip

SAMPLE_EVERY: Final = 5.0
"""Seconds between looks at the server's memory, which cost it a few milliseconds."""

MEMORY_S: Final = 60.0
"""Measured with a quarter of the callers, so that the memory of further ones can be told."""

WARM_S: Final = 45.0
"""In which the models are warmed."""

MOST_TO_WARM: Final = 16
"""Callers who begin all at once, so that the models have to work side by side: two whole batches of utterances."""

FEWEST: Final = 64
"""Callers from which on memory is held against its limit: what the models take comes in steps of up to 35 MB."""

CHUNK_MS: Final = 40
"""Sound in each message, both ways."""

LIMITS: Final = {
    "processing_p95_s": 0.2,
    "answered_later_p95_s": 0.3,
    "bookings": 0.95,
    "word_error_rate": 0.02,
    "silenced_p99_s": 0.02,
    "paused_p95_s": 0.2,
    "memory_per_session_bytes": 1e6,
}
"""What must hold: p95 of decided → first audio; p95 of speech end → first audio, and word error rate, beyond those of a
single caller; bookings that came out as the caller wanted; p99 of giving way decided → silence, and p95 of the onset of
an interruption → pause, as the server tells; private memory of each further session. Nothing starved, nothing dropped.
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Private memory of the server's process, bytes."""

    mean: float
    """Over the second half of the measured time, by looks at it."""
    most: int
    """The ramp included."""
    looks: int
    """In that half."""

    @classmethod
    def of(cls, looks: Sequence[tuple[float, int]], half: float) -> Memory:
        """From (seconds, bytes) in order, of which those from `half` on make the mean; the last always does."""
        held = [size for at, size in looks if at >= half] or [looks[-1][1]]
        return cls(fmean(held), max(size for _, size in looks), len(held))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what the callers heard, and what the server took."""

    result: Result
    server_cpu: float
    """Cores, from the first call to the end."""
    memory: Memory
    models_cpu: dict[str, float]
    """Cores that each model took."""
    ops: dict[str, float]
    """Counters of the server at the end."""
    memory_per_session: float | None = None
    """Private bytes of each session beyond a quarter of them; None if the server had carried as many before."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            **self.result.as_dict(),
            "server_cpu": round(self.server_cpu, 3),
            "models_cpu": {name: round(cores, 3) for name, cores in self.models_cpu.items()},
            "memory_bytes": {**asdict(self.memory), "mean": round(self.memory.mean)},
            "memory_per_session_bytes": None if self.memory_per_session is None else round(self.memory_per_session),
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
    interrupters: int = 0,
    seed: int = 1,
    ramp: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """Have `sessions` callers at once converse with `server` for `seconds` after a ramp; so many of them interrupt."""
    ramp = max(10.0, sessions / 4) if ramp is None else ramp
    plan = Plan(server.url, sessions, seconds, "booking", load, seed, ramp, CHUNK_MS, interrupters)
    utterances = await asyncio.to_thread(prepare_run, plan)
    before, ops_before = server.footprint(), (await server.ops())["sum"]
    looks = [(0.0, before.private_bytes)]

    def watch(now: Progress) -> None:
        if now.seconds - looks[-1][0] >= SAMPLE_EVERY:
            looks.append((now.seconds, server.footprint().private_bytes))
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
        memory=Memory.of(looks, ramp + seconds / 2),
        models_cpu=models,
        ops={name: value for name, value in ops.items() if not name.startswith("cpu_s_")},
    )


async def warm(
    server: ServerProcess, sessions: int, *, seed: int = 1, on_progress: Callable[[Progress], None] | None = None
) -> None:
    """Have some callers speak at once, fewer than will be measured, until the models' arenas have their size."""
    await carry(server, min(MOST_TO_WARM, quarter(sessions)), BRISK, WARM_S, seed=seed, ramp=0, on_progress=on_progress)


async def baseline(
    server: ServerProcess,
    load: Load,
    seconds: float,
    *,
    seed: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """A single caller, to hold the others against."""
    return await carry(server, 1, load, seconds, seed=seed, ramp=10.0, on_progress=on_progress)


def counted(result: Result) -> list[Turn]:
    """The turns that the latencies of a run are of."""
    return [
        turn
        for turn in result.raw
        if turn.ended and turn.onset_s >= result.ramp_s and turn.script == "booking" and not turn.goes_on
    ]


def quarter(sessions: int) -> int:
    """How many callers the memory of `sessions` is held against."""
    return max(1, sessions // 4)


def per_session(fewer: Measured, more: Measured) -> float | None:
    """Private bytes of each session that `more` has beyond `fewer`; None if it has none."""
    further = more.result.sessions - fewer.result.sessions
    return (more.memory.mean - fewer.memory.mean) / further if further > 0 else None


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
    held = [
        _most("processing_p95_s", r.processing_s.p95),
        _most("answered_later_p95_s", later),
        Held("starved_frames", r.starved_frames, 0, r.starved_frames == 0),
        Held("dropped_input_s", dropped, 0, dropped == 0),
        Held("refused", sum(r.refusals.values()), 0, not r.refusals),
        Held("lost", sum(r.lost.values()), 0, not r.lost),
        Held("errors", sum(r.errors.values()), 0, not r.errors),
        Held("unanswered", r.unanswered, 0, not r.unanswered),
        Held("bookings", booked, LIMITS["bookings"], booked is not None and booked >= LIMITS["bookings"]),
        _most("word_error_rate", words),
        Held("callers_in_time", float(r.valid), 1, r.valid),
    ]
    if r.interrupters:
        held += [_most("silenced_p99_s", r.silenced_s.p99), _most("paused_p95_s", r.paused_s.p95)]
    if r.sessions >= FEWEST and measured.memory_per_session is not None:
        held.append(_most("memory_per_session_bytes", measured.memory_per_session))
    return held


def _most(name: str, value: float | None) -> Held:
    return Held(name, value, LIMITS[name], value is not None and value < LIMITS[name])
