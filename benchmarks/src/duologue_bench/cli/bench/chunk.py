"""`duologue bench chunk`: what 20 ms of audio cost."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue_bench.cli.bench.options import Plot, check_plot_option
from duologue_bench.cli.bench.sessions import SoundFile, line_of

__all__ = ["chunk"]


def chunk(
    sessions: Annotated[int, typer.Option(help="Sessions at once, in this process.", min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="Seconds of audio for each session.")] = 10.0,
    flat_out: Annotated[
        bool, typer.Option("--flat-out", help="One session, with audio pushed as fast as the session takes it.")
    ] = False,
    sound: SoundFile = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """CPU time for each chunk of 20 ms, the Silero detector included, where nothing is answered."""
    from duologue.audio.format import FRAME
    from duologue.vad.silero import Silero
    from duologue_bench import chunk as bench
    from duologue_bench.bars import draw_bars
    from duologue_bench.sessions import Work, measure

    check_plot_option(plot)
    if flat_out:
        if sessions != 1:
            raise typer.BadParameter("--flat-out pushes audio through one session.", param_hint="--sessions")
        fast = asyncio.run(bench.flat_out(Silero(), line_of(sound), chunks=max(1, round(seconds / FRAME))))
        if plot is not None:
            draw_bars({"flat out": fast.cpu_per_chunk_s * 1e6}, plot, "CPU for a chunk of 20 ms", "microseconds")
        if as_json:
            print_json(fast.as_dict())
        else:
            console.print(
                f"{fast.cpu_per_chunk_s * 1e6:.1f} µs of CPU a chunk of 20 ms, one session, flat out: "
                f"{fast.chunks / fast.wall_s:.0f} chunks a second",
                soft_wrap=True,
            )
        return
    with progress(f"{sessions} sessions", seconds) as show:
        work = Work(line_of(sound), answer_s=0.0)
        run = asyncio.run(measure(Silero(), work, sessions=sessions, seconds=seconds, warm=0.0, on_progress=show))
    if plot is not None:
        late = {"late, p50": run.lateness.p50 * 1e6, "late, p99": run.lateness.p99 * 1e6}
        title = f"A chunk of 20 ms, {sessions} sessions"
        draw_bars({"CPU a chunk": run.cpu_per_chunk_s * 1e6, **late}, plot, title, "microseconds")
    if as_json:
        print_json(run.as_dict())
        return
    console.print(f"{run.cpu_per_chunk_s * 1e6:.1f} µs of CPU a chunk of 20 ms, {sessions} sessions", soft_wrap=True)
    console.print(
        f"late p50 {run.lateness.p50 * 1000:.2f} ms, p99 {run.lateness.p99 * 1000:.2f} ms; "
        f"{run.scored:.1%} of windows scored; {run.dropped_samples} samples dropped; {run.turns} turns",
        soft_wrap=True,
    )
