"""Options that several benchmarks share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue.bench.corpus import Half

__all__ = ["HalfName", "Plot", "check_plot_option", "the_half"]

HalfName = Annotated[str, typer.Option("--half", help="The half of the corpus: dev to tune on, test to report.")]

Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the figures to this file (PNG, SVG or PDF).")]


def check_plot_option(plot: Path | None) -> None:
    """Raise before any work where the picture could not be drawn."""
    if plot is not None:
        from duologue.bench.plot import check_plot

        check_plot(plot)


def the_half(name: str) -> Half:
    """The half of that name; ConfigError where there is none."""
    from duologue.bench.corpus import HALVES

    if name not in HALVES:
        raise ConfigError(f"The corpus has no half {name!r}.", hint=f"Ask for one of: {', '.join(HALVES)}.")
    return cast("Any", name)  # type: ignore[no-any-return]  # checked above
