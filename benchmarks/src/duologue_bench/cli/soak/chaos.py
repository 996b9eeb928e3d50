"""`duologue soak chaos` and `duologue soak kill`: providers, networks and processes that fail."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue_bench.cli.bench.options import ListenerName, Seed, held_as_dicts
from duologue_bench.cli.soak.outcome import exit_where_broken, tell_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duologue.callers.chaos_result import ChaosResult
    from duologue.callers.voice import Utterance
    from duologue_bench.soak.chaos import Chaotic
    from duologue_bench.soak.kill import Killed

__all__ = ["chaos", "kill"]

PROGRAM: Final = ("duologue_bench.soak.chaos_server",)
SHOWN: Final = 10
"""Violations that are shown."""


def chaos(
    sessions: Annotated[int, typer.Option(min=1, help="Callers at once.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.1, help="For how long.")] = 10.0,
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Callers whose network breaks call a server of which almost a fifth of all calls to providers fails.

    Faults of providers: refused, reset, half-open, stalled, slow, garbled, 500, 429. Faults of callers: connections are
    reset, callers vanish for a while, or for good. Every call whose caller comes back must go on, every turn must be
    answered, and nobody may be told what belongs to another. Afterwards the server must hold what it held before.
    """
    from duologue_bench.soak.chaos import check

    found = asyncio.run(_chaos(sessions, minutes * 60, seed, listener))
    held = check(found)
    if as_json:
        print_json({**found.as_dict(), "limits": held_as_dicts(held)})
    else:
        counts = {name: found.total(name) for name in ("calls", "turns", "spoken", "apologies", "resumed", "lost")}
        console.print(", ".join(f"{name} {count}" for name, count in counts.items()), soft_wrap=True)
        share = "none" if found.fault_share is None else f"{found.fault_share:.1%}"
        console.print(
            f"faults of providers: {share} of {found.providers.get('calls')}: {found.providers.get('faults')}"
        )
        for sample in found.samples:
            console.print(
                f"after {sample.sessions} calls: {sample.private_bytes / 1e6:.0f} MB, {sample.threads} threads, "
                f"{sample.tasks} tasks, {sample.descriptors} descriptors"
            )
        _tell([*found.violations, *found.faults_in_log])
        tell_limits(held)
    exit_where_broken(held)


def kill(
    sessions: Annotated[int, typer.Option(min=3, help="Callers at once.")] = 30,
    minutes: Annotated[float, typer.Option(min=0.5, help="For how long.")] = 3.0,
    workers: Annotated[int, typer.Option(min=2, help="Processes of the server.")] = 3,
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Kill a worker of several under load, then end the server and start the next one, while callers talk.

    With SIGKILL a worker loses only what was not checkpointed, and its calls go on in the others at once. At SIGTERM
    every turn that has begun is answered; then the calls wait for the next server, and go on there.
    """
    from duologue_bench.soak.kill import check

    found = asyncio.run(_kill(sessions, minutes * 60, workers, seed, listener))
    held = check(found)
    if as_json:
        print_json({**found.as_dict(), "limits": held_as_dicts(held)})
    else:
        result = found.result
        console.print(f"calls {result.calls}, turns {result.turns}, spoken {result.spoken}, lost {result.lost}")
        within = "not" if found.resumed_within_s is None else f"within {found.resumed_within_s:.1f} s"
        console.print(
            f"killed with {found.of_worker} calls: {found.taken_over} went on elsewhere, {within}; "
            f"{found.repeated_after_kill} turns were said again",
            soft_wrap=True,
        )
        console.print(
            f"terminated: exit status {found.status} after {found.drained_s:.1f} s; the next server was ready "
            f"{found.away_s:.1f} s later, and {found.handed_over} calls went on there; "
            f"{found.repeated_after_term} turns were said again, "
            f"{found.interrupted_after_term} of which had begun before",
            soft_wrap=True,
        )
        _tell(result.violations)
        tell_limits(held)
    exit_where_broken(held)


async def _chaos(sessions: int, seconds: float, seed: int, listener: str) -> Chaotic:
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak.chaos import chaos

    said = await _speech()
    with tempfile.TemporaryDirectory(prefix="duologue-soak-") as folder, progress("calls", 1.0) as show:
        counts = Path(folder) / "counts.json"
        options = ["--seed", f"{seed}", "--listener", listener, "--counts", str(counts), "--share", "0.35"]
        server = ServerProcess([*options, "--max-sessions", f"{2 * sessions + 50}"], program=PROGRAM)
        async with server:
            found = await chaos(
                server, sessions, seconds, seed=seed, said=said, faults_in_log=server.faults_in_log,
                on_progress=lambda result: show(0.5, _line(result)),
            )  # fmt: skip
        found.status = await server.ended(5.0)
        found.providers = json.loads(counts.read_text("utf-8"))
    return found


async def _kill(sessions: int, seconds: float, workers: int, seed: int, listener: str) -> Killed:
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak.kill import kill

    said = await _speech()
    with tempfile.TemporaryDirectory(prefix="duologue-soak-") as store, progress("calls", 1.0) as show:
        options = ["--workers", f"{workers}", "--store", store, "--listener", listener, "--share", "0"]
        options += ["--max-sessions", f"{2 * sessions + 50}"]
        return await kill(
            lambda port: ServerProcess(options, program=PROGRAM, port=port), sessions, seconds, seed=seed, said=said,
            on_progress=lambda phase, result: show(0.5, f"{phase} · {_line(result)}"),
        )  # fmt: skip


async def _speech() -> Sequence[Utterance]:
    from duologue.callers.chaos import SENTENCES
    from duologue.callers.run import load_voice
    from duologue.callers.voice import prepare

    return await asyncio.to_thread(lambda: tuple(prepare(SENTENCES, make_voice=load_voice).values()))


def _line(result: ChaosResult) -> str:
    return f"{result.calls} calls, {result.turns} turns, {result.resumed + result.restored} resumed, {result.lost} lost"


def _tell(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        console.print(line, soft_wrap=True, style="red", markup=False)
