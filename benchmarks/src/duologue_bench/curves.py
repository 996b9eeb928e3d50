"""The cost of a policy: how long users wait and how many are cut off, at equal shares and cross-validated by source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from duologue_bench.bootstrap import quantile
from duologue_bench.scoring import ItemOutcome
from duologue_bench.turns import Run

__all__ = ["LONG_S", "NEVER_S", "SHARES", "Figures", "cross_validated", "figures", "grouped"]

SHARES: Final = (0.03, 0.05, 0.08, 0.1, 0.15, 0.2)
"""Shares of pauses cut off at which policies are compared."""
LONG_S: Final = 1.0
"""A turn that is decided later than this is a long wait."""
NEVER_S: Final = 3.0
"""The wait of a turn that is never decided."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Waits in seconds, from the label to the decision, and cut-offs."""

    turns: int
    mean_s: float
    p50_s: float
    p90_s: float
    long: float
    """Share of turns that wait more than LONG_S."""
    pauses: int
    cut: float
    """Share of pauses in which the turn was decided."""
    clips: int
    cut_clips: float
    """Share of recordings with such a pause, of all recordings."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types; null for a figure of nothing."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}


def figures(items: Iterable[ItemOutcome]) -> Figures:
    """Return the figures of some recordings."""
    rows = list(items)
    waits = [NEVER_S if e.latency_s is None else e.latency_s for i in rows for e in i.ends]
    cuts = [p.cut_after_s is not None for i in rows for p in i.pauses]
    return Figures(
        len(waits),
        _mean(waits),
        quantile(waits, 0.5),
        quantile(waits, 0.9),
        _mean([wait > LONG_S for wait in waits]),
        len(cuts),
        _mean(cuts),
        len(rows),
        _mean([i.is_cut for i in rows]),
    )


def grouped(items: Iterable[ItemOutcome], key: Callable[[ItemOutcome], str]) -> dict[str, Figures]:
    """Return the figures of each group, by its name."""
    groups: dict[str, list[ItemOutcome]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: figures(groups[name]) for name in sorted(groups)}


def cross_validated(runs: Sequence[Run], share: float) -> list[ItemOutcome]:
    """Return the recordings of each source under the setting that is best on all other sources.

    Best is the lowest mean wait at no more than `share` of pauses cut off; if no setting cuts off so few, the one that
    cuts off least. With a single source the first setting is used.
    """
    found: list[ItemOutcome] = []
    for source in dict.fromkeys(i.source for i in runs[0].items):
        others = [figures(i for i in run.items if i.source != source) for run in runs]
        best = min(range(len(runs)), key=lambda n: _rank(others[n], share))
        found += [i for i in runs[best].items if i.source == source]
    return found


def _rank(found: Figures, share: float) -> tuple[float, float]:
    if not found.turns:
        return (0.0, 0.0)
    cut = 0.0 if math.isnan(found.cut) else found.cut
    return (0.0, found.mean_s) if cut <= share else (cut, found.mean_s)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
