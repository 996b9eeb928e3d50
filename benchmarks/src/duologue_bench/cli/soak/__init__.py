"""`duologue soak`: long and chaotic runs. One file a soak; what is tried, and how, is in `duologue_bench.soak`."""

from __future__ import annotations

import typer

from duologue_bench.cli.soak.chaos import chaos, kill
from duologue_bench.cli.soak.churn import churn
from duologue_bench.cli.soak.fuzz import fuzz
from duologue_bench.cli.soak.monologue import monologue
from duologue_bench.cli.soak.overload import overload

__all__ = ["soak"]

soak = typer.Typer(
    help="Try a server for long, with more than it may carry, and with callers who do not behave. See docs/soaks.md.",
    no_args_is_help=True,
)
for command in (monologue, churn, overload, chaos, kill, fuzz):
    soak.command()(command)
