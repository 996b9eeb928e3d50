"""`duologue bench`: the numbers. One file a benchmark; what is measured, and how, is in `duologue.bench`."""

from __future__ import annotations

import typer

from duologue.cli.bench.chunk import chunk
from duologue.cli.bench.turns import turns

__all__ = ["bench"]

bench = typer.Typer(
    help="Measure this machine: latency, turn-taking, load. Figures vary from hour to hour; trust ratios.",
    no_args_is_help=True,
)
for command in (chunk, turns):
    bench.command()(command)
