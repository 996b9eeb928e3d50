"""The cost curves as a picture: the mean wait against the share of pauses cut off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from duologue_bench.curves import Figures
from duologue_bench.plot import check_plot

__all__ = ["draw_curves"]


def draw_curves(curves: Mapping[str, Mapping[str, Figures]], target: Path, title: str) -> None:
    """Draw each policy's points, chosen on other sources: mean on the left, p90 on the right. PNG, SVG or PDF."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, value) in zip(panels, (("mean", "mean_s"), ("p90", "p90_s")), strict=True):
        for policy, points in curves.items():
            found = sorted(points.values(), key=lambda f: f.cut)
            waits = [1000 * getattr(f, value) for f in found]
            axes.plot([100 * f.cut for f in found], waits, marker="o", markersize=3, label=policy)
        axes.set(xlabel="pauses cut off (%)", title=f"{name}, end of turn", xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("ms")
    panels[0].legend()
    figure.savefig(target, dpi=150)
