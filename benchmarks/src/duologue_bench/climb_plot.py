"""A climb as a picture: what a chunk costs and how late it is, against the number of sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from duologue_bench.figures import LATE_S, SessionsRun
from duologue_bench.plot import check_plot

__all__ = ["draw_climb"]


def draw_climb(runs: Sequence[SessionsRun], target: Path) -> None:
    """Write both curves to a PNG, SVG or PDF file; sizes that were not kept up with are hollow."""
    check_plot(target)
    from matplotlib.figure import Figure

    runs = sorted(runs, key=lambda run: run.sessions)
    figure = Figure(figsize=(8, 6), layout="constrained")
    cost, late = figure.subplots(2, 1, sharex=True)
    for axes, label, values in (
        (cost, "CPU a chunk of 20 ms (µs)", [run.cpu_per_chunk_s * 1e6 for run in runs]),
        (late, "a chunk's lateness, p99 (ms)", [run.lateness.p99 * 1000 for run in runs]),
    ):
        axes.plot([run.sessions for run in runs], values, color="C0", alpha=0.4)
        for run, value in zip(runs, values, strict=True):
            axes.scatter(run.sessions, value, color="C0", facecolors="C0" if run.kept_up else "none")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    cost.set_ylim(bottom=0)
    late.set_yscale("log")
    late.axhline(LATE_S * 1000, color="C3", linestyle=":")
    late.set_xlabel("sessions in one process")
    figure.savefig(target, dpi=150)
