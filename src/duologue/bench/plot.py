"""The curve of a sweep as a picture: false cut-offs against the latency that avoids them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from duologue.bench.turns import POLICIES, Run, frontier
from duologue.errors import ConfigError, NotInstalledError

__all__ = ["LABELS", "check_plot", "draw"]

LABELS = {"ours": "words and Smart Turn", "words": "words", "vad": "VAD alone"}
SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(target: Path) -> None:
    """Raise before any work: NotInstalledError without matplotlib, ConfigError for a file that it cannot write."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise NotInstalledError(
            "A plot needs the package 'matplotlib'.", hint="Install it: pip install 'duologue[bench]'."
        ) from error
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"A plot is written to {', '.join(SUFFIXES)}, and {target.name!r} is none of them.")
    if not target.parent.is_dir():
        raise ConfigError(f"There is no folder {target.parent} to write the plot to.")


def draw(runs: Sequence[Run], target: Path, title: str) -> None:
    """Write the frontier of each policy, all other settings as faint dots, to a PNG, SVG or PDF file."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for number, policy in enumerate(POLICIES):
        mine = [run for run in runs if run.setting.policy == policy and math.isfinite(run.point[1])]
        if not mine:
            continue
        best = [run.point for run in frontier(mine)]
        axes.plot(*_axes(best), marker="o", color=f"C{number}", label=LABELS[policy])
        axes.scatter(*_axes([run.point for run in mine]), s=8, alpha=0.3, color=f"C{number}")
    axes.set(xlabel="pauses cut off (%)", ylabel="end of speech to decision, median (ms)", title=title)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    figure.savefig(target, dpi=150)


def _axes(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [100 * cuts for cuts, _ in points], [1000 * latency for _, latency in points]
