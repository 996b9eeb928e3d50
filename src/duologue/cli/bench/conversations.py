"""`duologue bench conversations`: how many whole conversations a server carries."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, notes, print_json, progress
from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue.bench.conversations import Held, Measured

__all__ = ["conversations"]


def conversations(
    sessions: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 100,
    seconds: Annotated[float, typer.Option(min=10.0, help="Measured, after all callers have begun.")] = 120.0,
    load: Annotated[str, typer.Option(help="normal: 35% talk, 4 turns a minute; brisk: 40%, 7.")] = "normal",
    listener: Annotated[str, typer.Option(help="uvicorn, or picows where it is installed.")] = "uvicorn",
    seed: Annotated[int, typer.Option(min=0, help="Fixes what each caller wants and does.")] = 1,
    cached: Annotated[bool, typer.Option("--cached", help="Keep phrases that were spoken before.")] = False,
    find: Annotated[
        bool, typer.Option("--find", help="Climb from --sessions down or up, to the most that hold every limit.")
    ] = False,
    raw: Annotated[Path | None, typer.Option(help="Write each turn to this file, a JSON object a line.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulated callers book tables over WebSockets with a server in another process; all models are real.

    The callers run on the same machine, and what they take is told beside. Exits with 1 where a limit does not hold.
    """
    from duologue.callers.load import LOADS

    if load not in LOADS:
        raise ConfigError(f"There is no load {load!r}.", hint=f"Choose from {', '.join(LOADS)}.")
    options = ["--listener", listener, "--max-sessions", "1000", "--chunk-ms", "40"]
    if not cached:
        options += ["--cache-mb", "0"]
    runs = asyncio.run(_run(options, sessions, LOADS[load], seconds, seed, find))
    if raw is not None:
        rows = [{"sessions": m.result.sessions, **turn.as_dict()} for m, _ in runs for turn in m.result.raw]
        raw.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    holding = [m.result.sessions for m, held in runs[1:] if all(h.ok for h in held)]
    if as_json:
        found = [{**m.as_dict(), "limits": [_plain(h) for h in held]} for m, held in runs]
        print_json(
            {"load": load, "listener": listener, "cached": cached, "runs": found, "holds": max(holding, default=0)}
        )
    else:
        _print(runs)
        if find:
            console.print(f"{max(holding, default=0)} conversations hold every limit at the {load} load")
    if not find and not holding:
        raise typer.Exit(1)


async def _run(
    options: list[str], sessions: int, load: Any, seconds: float, seed: int, find: bool
) -> list[tuple[Measured, list[Held]]]:
    from duologue.bench.conversations import baseline, carry, check
    from duologue.bench.server import ServerProcess

    async with ServerProcess(options) as server:
        notes.print("one caller, to hold the others against", style="dim")
        alone = await baseline(server, load, max(60.0, seconds / 2), seed=seed)
        runs = [(alone, check(alone, alone))]

        async def hold(n: int) -> bool:
            with progress(f"{n} callers", n / 4 + seconds) as show:
                measured = await carry(server, n, load, seconds, seed=seed, on_progress=lambda now: show(now.seconds))
            runs.append((measured, check(measured, alone)))
            return all(h.ok for h in runs[-1][1])

        good, bad = 0, 0
        n = sessions
        while True:
            if await hold(n):
                good = n
            else:
                bad = n
            if not find or (bad and bad - good <= max(5, bad // 20)):
                return runs
            n = (good + bad) // 2 if bad else good * 5 // 4


def _plain(held: Held) -> dict[str, Any]:
    return {"name": held.name, "value": held.value, "limit": held.limit, "ok": held.ok}


def _print(runs: list[tuple[Measured, list[Held]]]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for measured, _ in runs:
        n = measured.result.sessions
        table.add_column(f"{n} caller{'s' if n > 1 else ''}", justify="right")
    rows: list[tuple[str, Any]] = [
        ("processing p50 / p95, ms", lambda m: _pair(m.result.processing_s)),
        ("end of speech → first audio p50 / p95, ms", lambda m: _pair(m.result.voice_to_voice_s)),
        ("turns; answered", lambda m: f"{m.result.turns}; {m.result.answered}"),
        ("starved frames; dropped input, s", lambda m: f"{m.result.starved_frames}; {_dropped(m)}"),
        ("booked / ended otherwise", lambda m: _bookings(m)),
        ("word error rate", lambda m: "" if m.result.word_error_rate is None else f"{m.result.word_error_rate:.1%}"),
        ("talk; turns a minute", lambda m: f"{m.result.talk_fraction:.2f}; {m.result.turns_per_minute:.1f}"),
        ("server, cores", lambda m: f"{m.server_cpu:.2f}"),
        *((f"  {name}", lambda m, name=name: f"{m.models_cpu.get(name, 0.0):.2f}") for name in runs[-1][0].models_cpu),
        ("callers, cores; own lateness p99, ms", lambda m: f"{m.result.caller_cpu:.2f}; {_late(m)}"),
        ("memory a session, MB", lambda m: f"{m.memory_per_session / 1e6:.2f}"),
    ]
    for label, cell in rows:
        table.add_row(label, *(cell(measured) for measured, _ in runs))
    console.print(table)
    for measured, held in runs[1:]:
        broken = [f"{h.name} {h.value:.3g} (limit {h.limit:g})" for h in held if not h.ok and h.value is not None]
        said = (
            "every limit holds" if all(h.ok for h in held) else "broken: " + ", ".join(broken or ["nothing measured"])
        )
        console.print(f"{measured.result.sessions} callers: {said}")


def _pair(p: Any) -> str:
    return f"{p.p50 * 1000:.0f} / {p.p95 * 1000:.0f}" if p.n else "none"


def _dropped(m: Measured) -> str:
    return f"{m.result.missed_input_s.get('dropped', 0.0):g}"


def _bookings(m: Measured) -> str:
    b = m.result.bookings
    return f"{b['booked']} / {b['wrong'] + b['gave_up'] + b['cut_off']}"


def _late(m: Measured) -> str:
    late = m.result.caller_late_s.p99
    return "none" if late is None else f"{late * 1000:.1f}"
