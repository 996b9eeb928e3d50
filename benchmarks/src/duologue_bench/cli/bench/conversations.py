"""`duologue bench conversations`: how many whole conversations a server carries."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.callers_rows import turns_of
from duologue.cli.output import AsJson, console, print_json, progress, write_rows
from duologue_bench.cli.bench.options import (
    ListenerName,
    LoadName,
    Plot,
    Seed,
    check_plot_option,
    held_as_dicts,
    load_of,
)

if TYPE_CHECKING:
    from duologue.callers.load import Load
    from duologue_bench.conversations import Held, Measured

__all__ = ["conversations"]


def conversations(
    sessions: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 100,
    seconds: Annotated[float, typer.Option(min=10.0, help="Measured, after all callers have begun.")] = 120.0,
    baseline_seconds: Annotated[
        float, typer.Option(min=30.0, help="Measured with a single caller, who takes about four turns a minute.")
    ] = 600.0,
    interrupters: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the callers who interrupt; what they book is not counted."),
    ] = 0.1,
    load: LoadName = "normal",
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    cached: Annotated[bool, typer.Option("--cached", help="Keep phrases that were spoken before.")] = False,
    find: Annotated[
        bool, typer.Option("--find", help="Climb from --sessions down or up, to the most that hold every limit.")
    ] = False,
    plot: Plot = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers of this document.", exists=True, dir_okay=False),
    ] = None,
    raw: Annotated[Path | None, typer.Option(help="Write each turn to this file, a JSON object a line.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulated callers book tables over WebSockets with a server in another process; all models are real.

    The models are warmed first. Then comes a single caller, to hold the others against; a quarter of the callers, to
    tell what memory further ones take; and all. They run on the same machine, and what they take is reported too. Exits
    with 1 where a limit does not hold.
    """
    from duologue_bench.conversations_report import report
    from duologue_bench.document import check_document, write_between

    pace = load_of(load)
    section = "conversations" if load == "normal" else f"conversations ({load})"
    if write is not None:
        check_document(write, section)
        plot = plot or write.parent / "images" / f"conversations{'' if load == 'normal' else f'-{load}'}.svg"
    check_plot_option(plot)
    options = ["--listener", listener, "--max-sessions", "1000", "--chunk-ms", "40"]
    if not cached:
        options += ["--cache-mb", "0"]
    climb = _Climb(pace, seconds, baseline_seconds, interrupters, seed)
    runs = asyncio.run(climb.run(options, sessions, find=find))
    if raw is not None:
        write_rows(raw, turns_of(m.result for m, _ in runs))
    holding = [m.result.sessions for m, held in runs[1:] if all(h.ok for h in held)]
    if plot is not None:
        _draw(runs, plot, find=find)
    if write is not None:
        picture = os.path.relpath(plot, write.parent) if plot else None
        said = f"Listener: {listener}; {'phrases are kept' if cached else 'no phrase is kept'}. "
        cores = len(os.sched_getaffinity(0))
        write_between(write, section, report(runs, load=load, cores=cores, others=said, picture=picture))
    if as_json:
        found = [{**m.as_dict(), "limits": held_as_dicts(held)} for m, held in runs]
        print_json(
            {"load": load, "listener": listener, "cached": cached, "runs": found, "holds": max(holding, default=0)}
        )
    else:
        _print(runs)
        if find:
            console.print(f"{max(holding, default=0)} conversations hold every limit at the {load} load")
    if not find and not holding:
        raise typer.Exit(1)


class _Climb:
    """The runs of one command, in order, against one server; a single caller is measured once."""

    def __init__(self, load: Load, seconds: float, baseline_s: float, interrupters: float, seed: int) -> None:
        self._load = load
        self._seconds = seconds
        self._baseline_s = baseline_s
        self._interrupters = interrupters
        self._seed = seed

    async def run(self, options: list[str], sessions: int, *, find: bool) -> list[tuple[Measured, list[Held]]]:
        from duologue_bench.conversations import MEMORY_S, WARM_S, check, per_session, quarter, warm
        from duologue_bench.server import ServerProcess

        async with ServerProcess(options) as server:
            with progress("warming the models", WARM_S) as show:
                await warm(server, sessions, seed=self._seed, on_progress=lambda now: show(now.seconds))
            alone = await self._carry(server, 1, self._baseline_s)
            fewer = await self._carry(server, quarter(sessions), MEMORY_S)
            runs = [(alone, check(alone, alone))]
            good, bad, most = 0, 0, 0
            n = sessions
            while True:
                measured = await self._carry(server, n, self._seconds)
                if n > most:  # a server that has carried more before keeps what they took
                    measured, most = replace(measured, memory_per_session=per_session(fewer, measured)), n
                runs.append((measured, check(measured, alone)))
                if all(h.ok for h in runs[-1][1]):
                    good = n
                else:
                    bad = n
                if not find or (bad and bad - good <= max(5, bad // 20)):
                    return runs
                n = (good + bad) // 2 if bad else max(good + 1, good * 5 // 4)

    async def _carry(self, server: Any, n: int, seconds: float) -> Measured:
        from duologue_bench.conversations import baseline, carry

        interrupters = 0 if n == 1 else max(1, round(n * self._interrupters)) if self._interrupters else 0
        what = "a single caller" if n == 1 else f"{n} callers; {interrupters} of them interrupt"
        with progress(what, n / 4 + seconds) as show:

            def tell(now: Any) -> None:
                show(now.seconds)

            if n == 1:
                return await baseline(server, self._load, seconds, seed=self._seed, on_progress=tell)
            return await carry(
                server, n, self._load, seconds, interrupters=interrupters, seed=self._seed, on_progress=tell
            )


def _draw(runs: list[tuple[Measured, list[Held]]], plot: Path, *, find: bool) -> None:
    from duologue_bench.conversations_plot import draw_run, draw_sizes

    if find:
        draw_sizes([(m, all(h.ok for h in held)) for m, held in runs[1:]], plot)
    else:
        draw_run(runs[-1][0], runs[0][0], plot)


def _print(runs: list[tuple[Measured, list[Held]]]) -> None:
    from duologue_bench.conversations_report import names, rows, verdict

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in names(runs):
        table.add_column(name, justify="right")
    for row in rows(runs):
        table.add_row(*row)
    console.print(table)
    for run in runs[1:]:
        console.print(verdict(run), soft_wrap=True)
