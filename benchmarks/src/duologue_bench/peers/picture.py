"""A race as a picture: lateness, cost and memory against the number of sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from duologue_bench.figures import LATE_S
from duologue_bench.peers.race import Race, median
from duologue_bench.plot import check_plot

__all__ = ["draw_race"]

PANELS: Final = (
    ("late_p99_ms", "a chunk's lateness, p99 (ms)"),
    ("cpu_us", "CPU a chunk of 20 ms (µs)"),
    ("private_mb", "private memory of the process (MB)"),
)


def draw_race(race: Race, target: Path) -> None:
    """Write three curves for each contestant to a PNG, SVG or PDF file; loads that were not kept up with are hollow."""
    check_plot(target)
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for number, (who, title) in enumerate(race.titles.items()):
            points = []
            for sessions in sorted({lap.sessions for lap in race.of(who, "load")}):
                laps = race.of(who, "load", sessions)
                value = median(laps, name)
                if value is not None:
                    kept_up = all(lap.figures.get("kept_up") for lap in laps)
                    points.append((sessions, value, kept_up))
            axes.plot([p[0] for p in points], [p[1] for p in points], color=f"C{number}", alpha=0.4)
            for sessions, value, kept_up in points:
                axes.scatter(sessions, value, edgecolors=f"C{number}", facecolors=f"C{number}" if kept_up else "none")
            axes.plot([], [], color=f"C{number}", marker="o", label=title)
        axes.set(xscale="log", yscale="log", xlabel="sessions in one process", ylabel=label)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
            axis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
        if name == "late_p99_ms":
            axes.axhline(LATE_S * 1000, color="C3", linestyle=":")
            axes.legend()
    figure.savefig(target, dpi=150)
