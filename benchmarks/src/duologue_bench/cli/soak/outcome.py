"""Prints the outcome of a soak, and sets the exit status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from duologue.cli.output import console

if TYPE_CHECKING:
    from duologue.callers.result import Percentiles
    from duologue_bench.conversations import Held

__all__ = ["exit_where_broken", "pair", "tell_limits"]


def tell_limits(held: Sequence[Held]) -> None:
    """A line for each limit that does not hold, or one that all do."""
    for h in held:
        if not h.ok:
            found = "nothing was measured" if h.value is None else f"{h.value:.4g}"
            console.print(f"broken: {h.name} {found} (limit {h.limit:g})", soft_wrap=True)
    if all(h.ok for h in held):
        console.print("every limit holds")


def exit_where_broken(held: Sequence[Held]) -> None:
    """Status 1 where a limit does not hold."""
    if not all(h.ok for h in held):
        raise typer.Exit(1)


def pair(p: Percentiles) -> str:
    """Median and p95 in ms."""
    return "none" if p.p50 is None or p.p95 is None else f"{p.p50 * 1000:.0f} / {p.p95 * 1000:.0f}"
