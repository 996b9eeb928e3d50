"""A few figures as a picture: a bar each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from duologue_bench.plot import check_plot

__all__ = ["draw_bars"]


def draw_bars(rows: Mapping[str, float], target: Path, title: str, unit: str) -> None:
    """Write a bar for each figure, with its number, to a PNG, SVG or PDF file; all are in `unit`."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1 + 0.5 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(list(rows), list(rows.values()))
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=unit, title=title)
    figure.savefig(target, dpi=150)
