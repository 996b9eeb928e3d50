"""Counters and histograms as plain numbers: cheap enough for each turn and each run of a model."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from duologue.telemetry.costs import CostTable
from duologue.telemetry.names import METRICS, SERIES_DROPPED, Metric

__all__ = ["MAX_SERIES", "Attributes", "Metrics", "Reading", "Snapshot", "decode", "encode", "merge"]

MAX_SERIES: Final = 64
"""Series of one metric; the values of others count as `other`."""
MAX_VALUE_CHARS: Final = 80
"""Characters of the value of an attribute; longer ones are cut."""

Attributes: TypeAlias = tuple[str, ...]
"""The values of a metric's attributes, in the order in which it declares them."""
Value: TypeAlias = float | list[float]
"""A number, or of a histogram the sum and then the count of each bucket, the last without an upper bound."""
Snapshot: TypeAlias = Mapping[str, Mapping[Attributes, Value]]
"""The values of all series, by the name of the metric."""
Reading: TypeAlias = tuple[Metric, float, Attributes]
"""A value of one series, from a source."""


class Metrics:
    """The series of one process. All methods are plain calls that never wait.

    Code on a hot path counts in ints of its own; a source, added with `add_source`, reads those when they are wanted.
    """

    def __init__(self, *, enabled: bool = True, costs: CostTable | None = None) -> None:
        self.enabled = enabled
        """False: nothing is counted."""
        self.costs: CostTable = costs or CostTable()
        """The prices by which use becomes cost."""
        self.on_record: Callable[[Metric, float, Attributes], None] | None = None
        """Receives each value of a histogram, to export it."""
        self._values: dict[str, dict[Attributes, Any]] = {}
        self._sources: list[Callable[[], Iterable[Reading]]] = []

    def add(self, metric: Metric, amount: float = 1, *attributes: str) -> None:
        """Add to a counter."""
        if self.enabled:
            series = self._series(metric)
            key = self._key(series, attributes)
            series[key] = series.get(key, 0) + amount

    def record(self, metric: Metric, value: float, *attributes: str) -> None:
        """Note one value of a histogram."""
        if not self.enabled:
            return
        series = self._series(metric)
        key = self._key(series, attributes)
        counts = series.get(key)
        if counts is None:
            counts = series[key] = [0.0] * (len(metric.buckets) + 2)
        counts[0] += value
        counts[1 + bisect_left(metric.buckets, value)] += 1
        if self.on_record is not None:
            self.on_record(metric, value, key)

    def add_source(self, source: Callable[[], Iterable[Reading]]) -> Callable[[], None]:
        """Have `source` asked for counters and gauges when they are wanted.

        Returns what removes it: its counters stay as they are then, and its gauges go.
        """
        self._sources.append(source)

        def remove() -> None:
            if source in self._sources:
                self._sources.remove(source)
                for metric, value, attributes in source():
                    if metric.kind == "counter":
                        self.add(metric, value, *attributes)

        return remove

    def snapshot(self) -> Snapshot:
        """The values of all series now."""
        found: dict[str, dict[Attributes, Value]] = {
            name: {key: list(value) if isinstance(value, list) else value for key, value in list(series.items())}
            for name, series in list(self._values.items())
        }
        if self.enabled:
            for source in list(self._sources):
                for metric, value, attributes in source():
                    series = found.setdefault(metric.name, {})
                    known = series.get(attributes, 0.0)
                    assert not isinstance(known, list)
                    series[attributes] = max(known, value) if metric.total == "max" else known + value
        return found

    def _series(self, metric: Metric) -> dict[Attributes, Any]:
        series = self._values.get(metric.name)
        if series is None:
            series = self._values[metric.name] = {}
        return series

    def _key(self, series: Mapping[Attributes, Any], attributes: Attributes) -> Attributes:
        if attributes in series:
            return attributes
        attributes = tuple(value[:MAX_VALUE_CHARS] for value in attributes)
        if len(series) < MAX_SERIES or attributes in series:
            return attributes
        overflows = self._series(SERIES_DROPPED)
        overflows[()] = overflows.get((), 0) + 1
        return ("other",) * len(attributes)


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Join the values of several processes: sums, or the largest where a metric says so."""
    total: dict[str, dict[Attributes, Value]] = {}
    for snapshot in snapshots:
        for name, series in snapshot.items():
            is_max = METRICS[name].total == "max"
            into = total.setdefault(name, {})
            for key, value in series.items():
                known = into.get(key)
                if known is None:
                    into[key] = list(value) if isinstance(value, list) else value
                elif isinstance(known, list) and isinstance(value, list):
                    into[key] = [a + b for a, b in zip(known, value, strict=True)]
                else:
                    assert not isinstance(known, list)
                    assert not isinstance(value, list)
                    into[key] = max(known, value) if is_max else known + value
    return total


def cumulative(snapshot: Snapshot) -> Snapshot:
    """What remains of a process that has ended: its counters and histograms, and no gauge."""
    return {name: series for name, series in snapshot.items() if METRICS[name].kind != "gauge"}


def encode(snapshot: Snapshot) -> dict[str, list[Any]]:
    """A snapshot as plain JSON types."""
    return {name: [[list(key), value] for key, value in series.items()] for name, series in snapshot.items()}


def decode(encoded: Mapping[str, Iterable[Any]]) -> Snapshot:
    """What `encode` was given; metrics of unknown names are left out."""
    return {name: {tuple(key): value for key, value in series} for name, series in encoded.items() if name in METRICS}
