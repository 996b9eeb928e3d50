"""Options that several benchmarks and soaks share, and the report of their limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue.callers.load import Load
    from duologue_bench.conversations import Held
    from duologue_bench.corpus import Half

__all__ = [
    "HalfName", "ListenerName", "LoadName", "Plot", "Seed", "check_plot_option", "held_as_dicts", "load_of", "the_half",
]  # fmt: skip

HalfName = Annotated[str, typer.Option("--half", help="The half of the corpus: dev to tune on, test to report.")]

Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the figures to this file (PNG, SVG or PDF).")]


LoadName = Annotated[str, typer.Option("--load", help="normal: 35% talk, 4 turns a minute; brisk: 40%, 7.")]
ListenerName = Annotated[str, typer.Option("--listener", help="uvicorn, or picows where it is installed.")]
Seed = Annotated[int, typer.Option(min=0, help="Fixes what each caller wants and does.")]


def check_plot_option(plot: Path | None) -> None:
    """Raise before any work where the picture could not be drawn."""
    if plot is not None:
        from duologue_bench.plot import check_plot

        check_plot(plot)


def the_half(name: str) -> Half:
    """The half of that name; ConfigError if there is none."""
    from duologue_bench.corpus import HALVES

    if name not in HALVES:
        raise ConfigError(f"The corpus has no half {name!r}.", hint=f"Ask for one of: {', '.join(HALVES)}.")
    return cast("Any", name)  # type: ignore[no-any-return]  # checked above


def load_of(name: str) -> Load:
    """The load of that name; ConfigError if there is none."""
    from duologue.callers.load import LOADS

    if name not in LOADS:
        raise ConfigError(f"There is no load {name!r}.", hint=f"Choose from {', '.join(LOADS)}.")
    return LOADS[name]


def held_as_dicts(held: Sequence[Held]) -> list[dict[str, Any]]:
    """As plain JSON types."""
    return [{"name": h.name, "value": h.value, "limit": h.limit, "ok": h.ok} for h in held]
