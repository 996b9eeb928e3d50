"""How far the probability of the end of a turn can be trusted: what share of silences were ends, by probability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from duologue_bench.plot import check_plot
from duologue_bench.scoring import ItemOutcome

__all__ = ["BINS", "Bin", "draw_reliability", "mean_gap", "reliability"]

BINS: Final = 8
"""Groups of silences, of the same size."""
_Z: Final = 1.96
"""Standard deviations of a 95% interval."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Silences of similar probability."""

    count: int
    probability: float
    """Their mean."""
    ends: float
    """Share of them that were the end of the turn."""
    low: float
    high: float
    """Its 95% interval (Wilson)."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def reliability(items: Iterable[ItemOutcome], bins: int = BINS) -> list[Bin]:
    """Return groups of all silences that were judged, by their probability; none if no silence was judged."""
    pairs = sorted((p.probability, p.is_end) for item in items for p in item.probabilities)
    return [_bin(part) for part in np.array_split(np.array(pairs, float).reshape(-1, 2), bins) if len(part)]


def mean_gap(bins: Sequence[Bin]) -> float:
    """Return the mean distance of the probability from the share of ends; 0 for none."""
    count = sum(b.count for b in bins)
    return sum(b.count * abs(b.probability - b.ends) for b in bins) / count if count else 0.0


def draw_reliability(found: Mapping[str, Sequence[Bin]], target: Path, title: str) -> None:
    """Draw the share of ends against the probability, with 95% intervals, a line a key of `found`. PNG, SVG or PDF."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 5.2), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    for name, bins in found.items():
        x, y = [b.probability for b in bins], [b.ends for b in bins]
        spread = [[b.ends - b.low for b in bins], [b.high - b.ends for b in bins]]
        label = f"{name}: {100 * mean_gap(bins):.1f} points from the diagonal"
        axes.errorbar(x, y, yerr=spread, marker="o", markersize=4, capsize=2, linewidth=1, label=label)
    axes.set(xlabel="probability that the turn is over", ylabel="share of silences that were the end")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(target, dpi=150)


def _bin(pairs: Any) -> Bin:
    n, share = len(pairs), float(pairs[:, 1].mean())
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * float(np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)))
    # Rounding may put the share itself outside of its interval.
    low, high = min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)
    return Bin(n, float(pairs[:, 0].mean()), share, low, high)
