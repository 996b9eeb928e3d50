"""`duologue bench telemetry`: what metrics and traces cost."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json

__all__ = ["telemetry"]


def telemetry(
    turns: Annotated[int, typer.Option(help="Turns in each repeat.", min=1)] = 400,
    repeats: Annotated[int, typer.Option(help="Repeats, of which the least counts.", min=1)] = 15,
    as_json: AsJson = False,
) -> None:
    """CPU time of the event loop for each turn: counting, sending metrics, and traces. Takes a few seconds."""
    from duologue_bench.telemetry import measure_telemetry

    found = asyncio.run(measure_telemetry(turns, repeats))
    if as_json:
        print_json({f"{name}_s": round(seconds, 8) for name, seconds in found.items()})
        return
    for name, seconds in found.items():
        console.print(f"{name:<10} {seconds * 1e6:6.0f} µs {'for each page' if name in ('page', 'ops') else 'a turn'}")
