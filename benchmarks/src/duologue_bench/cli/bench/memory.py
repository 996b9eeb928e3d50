"""`duologue bench memory`: what one more session takes, and how long it takes to make."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue_bench.cli.bench.options import Plot, check_plot_option
from duologue_bench.cli.bench.sessions import SoundFile, Warm, work_of

__all__ = ["memory"]


def memory(
    sessions: Annotated[int, typer.Option(help="Sessions at once, in this process.", min=1)] = 200,
    seconds: Annotated[float, typer.Option(help="Seconds that each converses.")] = 30.0,
    warm: Warm = 0.0,
    sound: SoundFile = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Private memory, tasks and threads of each further session, idle and after a conversation; its creation time."""
    from duologue.vad.silero import Silero
    from duologue_bench.bars import draw_bars
    from duologue_bench.sessions import measure

    check_plot_option(plot)
    work = work_of(sound, 1.0, 4)
    with progress(f"{sessions} sessions", warm + seconds) as show:
        run = asyncio.run(measure(Silero(), work, sessions=sessions, seconds=seconds, warm=warm, on_progress=show))
    if plot is not None:
        rows = {"idle": run.idle_bytes / 1024, "after a conversation": run.used_bytes / 1024}
        draw_bars(rows, plot, f"Private memory of each of {sessions} sessions", "kB")
    if as_json:
        print_json(run.as_dict())
        return
    created = run.created
    console.print(f"{sessions} sessions that conversed for {run.seconds:g} s, {run.turns} turns", soft_wrap=True)
    console.print(
        f"private memory a session: {run.idle_bytes / 1024:.1f} kB idle, {run.used_bytes / 1024:.1f} kB after that",
        soft_wrap=True,
    )
    console.print(
        f"tasks of the loop a session: {run.tasks:.2f} idle, {run.most_tasks:.2f} at the busiest moment seen; "
        f"threads of the process: {run.threads_before} without sessions, {run.threads} with them",
        soft_wrap=True,
    )
    console.print(
        f"creation, during which the loop does nothing else: p50 {created.p50 * 1000:.2f} ms, "
        f"p99 {created.p99 * 1000:.2f} ms",
        soft_wrap=True,
    )
