"""Latencies as a picture: the share of turns that were answered within a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from duologue_bench.plot import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_latencies", "plot_latencies"]


def draw_latencies(rows: Mapping[str, Sequence[float]], target: Path, title: str) -> None:
    """Write the distribution of each row of seconds, with its median and p95 marked, to a PNG, SVG or PDF file."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    plot_latencies(figure.add_subplot(), rows, title)
    figure.savefig(target, dpi=150)


def plot_latencies(axes: Axes, rows: Mapping[str, Sequence[float]], title: str) -> None:
    """The same on axes that are there."""
    for number, (name, seconds) in enumerate(rows.items()):
        if not seconds:
            continue
        ms = np.sort(np.asarray(seconds)) * 1000
        axes.plot(ms, np.arange(1, len(ms) + 1) / len(ms) * 100, color=f"C{number}", label=name)
        for share in (50, 95):
            at = float(np.percentile(ms, share, method="inverted_cdf"))
            axes.plot([at], [share], "o", color=f"C{number}")
            below = (6, -12 - 11 * number)  # so that the marks of curves close to each other can be read
            axes.annotate(
                f"{at:.0f} ms", (at, share), below, textcoords="offset points", fontsize=9, color=f"C{number}"
            )
    axes.set(xlabel="milliseconds", ylabel="turns answered within it (%)", title=title)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 101)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
