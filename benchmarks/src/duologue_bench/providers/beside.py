"""duologue, Pipecat and LiveKit Agents on the same stand-ins of services: what each adds to a reply, size by size."""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from duologue import __version__
from duologue.audio.format import RATE
from duologue.audio.wav import write_wav
from duologue_bench.document import machine, table
from duologue_bench.figures import Spread
from duologue_bench.load import Line
from duologue_bench.peers.race import Lap, run_trial
from duologue_bench.peers.trial import Figures, ServicesWork, Trial, pick
from duologue_bench.providers.process import StandInProcess
from duologue_bench.providers.script import Latencies

__all__ = ["Attempt", "Contestant", "Duologue", "compare", "report"]

TRIES: Final = 2
"""What else the machine does makes an attempt fail, but never makes one pass."""
NONE: Final = "–"


class Contestant(Protocol):
    """One runtime on services."""

    name: str
    title: str

    def providers(self, work: ServicesWork, sessions: int) -> Trial:
        """So many sessions in one process."""
        ...


class Duologue:
    """`bench providers` in a process of its own; it starts stand-ins of its own."""

    name = "duologue"
    title = f"duologue {__version__}"

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies

    def providers(self, work: ServicesWork, sessions: int) -> Trial:
        """So many sessions in one process."""
        options: dict[str, object] = {"sessions": sessions, "seconds": work.seconds, "warm": work.warm}
        options |= {name: getattr(self._latencies, name) for name in ("stt", "llm", "tts")}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        bench = (sys.executable, "-m", "duologue", "bench", "providers", *words, "--sound", str(work.sound), "--json")
        return Trial("providers", bench, work.sound.parent, _read_ours, work.seconds + work.warm, sessions)


def _read_ours(told: Mapping[str, Any]) -> Figures:
    return pick(
        told,
        cores="server_cores",
        late_p50_ms="lateness.p50_ms",
        late_p99_ms="lateness.p99_ms",
        turns="turns",
        errors="errors",
        kept_up="kept_up",
        reply_count="added_reply.count",
        reply_p50_ms="added_reply.p50_ms",
        reply_p95_ms="added_reply.p95_ms",
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One size of one contestant."""

    lap: Lap
    stand_ins: dict[str, Any]
    """What the stand-ins did, and how late they were."""

    @property
    def kept_up(self) -> bool:
        """Whether it kept up."""
        return bool(self.lap.figures.get("kept_up"))

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**self.lap.as_dict(), "stand_ins": self.stand_ins}


async def compare(
    contestants: Sequence[Contestant],
    line: Line,
    *,
    most: int,
    seconds: float,
    warm: float,
    latencies: Latencies,
    on_attempt: Callable[[Attempt], None],
) -> list[Attempt]:
    """Try 1, 2, 4, ... sessions, at most `most`, of each contestant by turns until it no longer keeps up."""
    attempts: list[Attempt] = []
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "line.wav"
        write_wav(sound, line.sound, RATE)
        left, sessions = list(contestants), 1
        while left and sessions <= most:
            for contestant in list(left):
                for _ in range(TRIES):
                    attempt = await _attempt(contestant, sound, sessions, seconds, warm, latencies)
                    attempts.append(attempt)
                    on_attempt(attempt)
                    if attempt.kept_up:
                        break
                else:
                    left.remove(contestant)
            sessions *= 2
    return attempts


async def _attempt(
    contestant: Contestant, sound: Path, sessions: int, seconds: float, warm: float, latencies: Latencies
) -> Attempt:
    async with StandInProcess(latencies) as services:
        trial = contestant.providers(ServicesWork(sound, seconds, warm, services.addresses), sessions)
        before = services.cpu_s()
        lap = await asyncio.to_thread(run_trial, contestant.name, trial)
        stand_ins_s = services.cpu_s() - before
    lap = replace(lap, others=max(0.0, lap.others - stand_ins_s / lap.seconds))
    if lap.output is not None and "replies_ms" in lap.output:
        scripted = 1000 * (latencies.llm + latencies.tts)
        reply = Spread.of([(each - scripted) / 1000 for each in lap.output["replies_ms"]])
        if reply.count:
            figures = {"p50": reply.p50, "p95": reply.p95}
            lap.figures.update({f"reply_{name}_ms": 1000 * value for name, value in figures.items()})
        lap.figures["reply_count"] = reply.count
    return Attempt(lap, services.did)


def report(titles: Mapping[str, str], attempts: Sequence[Attempt], latencies: Latencies) -> str:
    """All attempts as a table in markdown."""
    rows = []
    for who, title in titles.items():
        for attempt in attempts:
            lap = attempt.lap
            if lap.who != who:
                continue
            figures = lap.figures

            def of(name: str, digits: int = 0, figures: Figures = figures) -> str:
                value = figures.get(name, math.nan)
                return f"{value:,.{digits}f}" if math.isfinite(value) else NONE

            rows.append(
                [
                    title,
                    str(lap.sessions),
                    lap.error or ("yes" if attempt.kept_up else "no"),
                    f"{of('reply_p50_ms')} / {of('reply_p95_ms')}",
                    of("reply_count"),
                    of("cores", 2),
                    of("late_p99_ms", 1),
                    f"{lap.others:.2f}",
                ]
            )
    names = [
        "",
        "sessions",
        "keeps up",
        "added to a reply, p50 / p95 (ms)",
        "replies",
        "cores",
        "chunk late p99 (ms)",
        "other programs (cores)",
    ]
    scripted = ", ".join(f"{name} {1000 * getattr(latencies, name):g} ms" for name in ("stt", "llm", "tts"))
    told = f"The services take {scripted}. {machine()}. Written by `duologue bench providers --peers`."
    return f"{table(names, rows, left=0)}\n\n{told}\n"
