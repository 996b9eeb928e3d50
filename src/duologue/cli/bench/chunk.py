"""`duologue bench chunk`: what 20 ms of audio cost."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json, progress

__all__ = ["chunk"]


def chunk(
    sessions: Annotated[int, typer.Option(help="Sessions at once, in this process.", min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="Seconds of audio for each session.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """CPU time for each chunk of 20 ms, the Silero detector included; words, turn and speech are instant fakes."""
    from duologue.bench.chunk import measure
    from duologue.bench.load import talk
    from duologue.vad.silero import Silero

    with progress(f"{sessions} sessions", seconds) as show:
        cost = asyncio.run(measure(Silero(), talk(), sessions=sessions, seconds=seconds, on_progress=show))
    if as_json:
        print_json(cost.as_dict())
        return
    console.print(f"{cost.cpu_per_chunk_s * 1e6:.1f} µs of CPU a chunk of 20 ms, {sessions} sessions")
    console.print(
        f"late p50 {cost.lateness_p50_s * 1000:.2f} ms, p99 {cost.lateness_p99_s * 1000:.2f} ms; "
        f"{cost.scored:.1%} of windows scored; {cost.dropped_samples} samples dropped; {cost.turns} turns"
    )
