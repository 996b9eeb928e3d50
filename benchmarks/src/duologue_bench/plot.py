"""The curve of a sweep as a picture: false cut-offs against the latency that avoids them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from duologue.errors import ConfigError, NotInstalledError
from duologue_bench.policies import LABELS, POLICIES
from duologue_bench.turns import Run, frontier

__all__ = ["check_plot", "draw"]

SUFFIXES = (".png", ".svg", ".pdf")
SLOWEST_MS = 2000


def check_plot(target: Path) -> None:
    """Raise before any work: NotInstalledError without matplotlib, ConfigError for a file that it cannot write."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise NotInstalledError(
            "A plot needs the package 'matplotlib'.", hint="Install it: pip install matplotlib."
        ) from error
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"A plot is written to {', '.join(SUFFIXES)}, and {target.name!r} is none of them.")
    if not target.parent.is_dir():
        raise ConfigError(f"There is no folder {target.parent} to write the plot to.")


def draw(found: Mapping[str, Sequence[Run]], target: Path, title: str) -> None:
    """Write a panel for each version: each policy's frontier with 95% intervals, its other settings as faint dots.

    The first setting of the first policy, as it comes, is a star. PNG, SVG or PDF.
    """
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 5 * len(found), 5), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    figure.suptitle(title)
    for axes, (version, runs) in zip(panels, found.items(), strict=True):
        for number, policy in enumerate(POLICIES):
            mine = [run for run in runs if run.setting.policy == policy and math.isfinite(run.point[1])]
            if not mine:
                continue
            best = frontier(mine)
            xs, ys = _axes([run.point for run in best])
            cuts, waits = [run.cut_offs() for run in best], [run.voice_to_voice() for run in best]
            axes.errorbar(
                xs,
                ys,
                xerr=_bars([(e.value, e.low, e.high) for e in cuts], 100),
                yerr=_bars([(e.value, e.low, e.high) for e in waits], 1000),
                marker="o",
                markersize=3,
                elinewidth=0.5,
                color=f"C{number}",
                label=LABELS[policy],
            )
            axes.scatter(*_axes([run.point for run in mine]), s=6, alpha=0.25, color=f"C{number}")
        axes.plot(*_axes([runs[0].point]), marker="*", markersize=14, color="black", linestyle="", label="as it comes")
        axes.set(xlabel="pauses cut off (%)", title=version, xlim=(0, 40), ylim=(0, SLOWEST_MS))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("voice to voice, median (ms)")
    panels[0].legend()
    figure.savefig(target, dpi=150)


def _axes(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [100 * cuts for cuts, _ in points], [1000 * latency for _, latency in points]


def _bars(estimates: Sequence[tuple[float, float, float]], factor: float) -> list[list[float]]:
    """How far below and above each value its interval goes; an end at infinity goes off the picture."""
    below = [factor * max(0.0, value - low) for value, low, _ in estimates]
    above = [factor * max(0.0, min(high, 100.0) - value) for value, _, high in estimates]
    return [below, above]
