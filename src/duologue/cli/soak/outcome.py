"""How a soak's outcome is told, and what it means for the exit status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duologue.cli.output import console
from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue.bench.conversations import Held
    from duologue.callers.load import Load
    from duologue.callers.result import Percentiles

__all__ = ["ListenerName", "LoadName", "Seed", "exit_where_broken", "held_as_dicts", "load_of", "pair", "tell_limits"]

LoadName = Annotated[str, typer.Option("--load", help="normal: 35% talk, 4 turns a minute; brisk: 40%, 7.")]
ListenerName = Annotated[str, typer.Option("--listener", help="uvicorn, or picows where it is installed.")]
Seed = Annotated[int, typer.Option(min=0, help="Fixes what each caller wants and does.")]


def load_of(name: str) -> Load:
    """The load of that name; ConfigError where there is none."""
    from duologue.callers.load import LOADS

    if name not in LOADS:
        raise ConfigError(f"There is no load {name!r}.", hint=f"Choose from {', '.join(LOADS)}.")
    return LOADS[name]


def held_as_dicts(held: Sequence[Held]) -> list[dict[str, Any]]:
    """As plain JSON types."""
    return [{"name": h.name, "value": h.value, "limit": h.limit, "ok": h.ok} for h in held]


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
