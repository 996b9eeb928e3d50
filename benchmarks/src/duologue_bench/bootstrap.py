"""Figures with their uncertainty: the bootstrap resamples whole items, as what one caller does hangs together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from duologue.errors import ConfigError

__all__ = ["Estimate", "quantile", "quantile_of", "rate_of"]

RESAMPLES = 1000
SEED = 7


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, with the interval that holds it in 95% of resamples."""

    value: float
    low: float
    high: float
    count: int
    """Pauses or ends that it rests on."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types; a figure that does not exist, as of ends that never came, is null."""
        value, low, high = (round(v, 4) if math.isfinite(v) else None for v in (self.value, self.low, self.high))
        return {"value": value, "low": low, "high": high, "count": self.count}


def rate_of(rows: Sequence[tuple[int, int]]) -> Estimate:
    """The share of hits, from (hits, tries) for each item; NaN where nothing was tried."""
    table = np.array(rows, float).reshape(-1, 2)
    hits, tries = table.sum(axis=0)
    if not tries:
        return Estimate(math.nan, math.nan, math.nan, 0)

    def share(chosen: Any) -> float:
        h, t = table[chosen].sum(axis=0)
        return float(h / t) if t else math.nan

    return _estimate(float(hits / tries), int(tries), len(table), share)


def quantile_of(rows: Sequence[Sequence[float | None]], q: float) -> Estimate:
    """The `q` quantile of seconds, from those of each item; None counts as longer than any other. NaN without any."""
    values = np.array([math.inf if v is None else v for row in rows for v in row], float)
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan, 0)
    order = np.argsort(values, kind="stable")
    values, owner = values[order], np.repeat(np.arange(len(rows)), [len(row) for row in rows])[order]

    def pick(chosen: Any) -> float:
        seen = np.cumsum(np.bincount(chosen, minlength=len(rows))[owner])  # values up to each, as often as drawn
        return float(values[np.searchsorted(seen, math.ceil(q * seen[-1]))]) if seen[-1] else math.nan

    return _estimate(quantile(values, q), len(values), len(rows), pick)


def quantile(values: Any, q: float) -> float:
    """The smallest of `values` that at least a share of `q` of them does not exceed; NaN for none."""
    if not 0 < q <= 1:
        raise ConfigError(f"A quantile of {q} was asked for; it is more than 0 and at most 1.")
    return float(np.sort(values)[math.ceil(q * len(values)) - 1]) if len(values) else math.nan


def _estimate(value: float, count: int, items: int, of: Callable[[Any], float]) -> Estimate:
    random = np.random.RandomState(SEED)
    drawn = np.array([of(random.randint(0, items, items)) for _ in range(RESAMPLES)])
    drawn = drawn[~np.isnan(drawn)]
    return Estimate(value, quantile(drawn, 0.025), quantile(drawn, 0.975), count)
