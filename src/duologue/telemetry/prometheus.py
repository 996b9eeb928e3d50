"""A snapshot as a page for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from duologue.telemetry.metrics import Attributes, Snapshot
from duologue.telemetry.names import METRICS, Metric

__all__ = ["CONTENT_TYPE", "prometheus_name", "render"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes", "1": "_ratio", "{USD}": "_usd"}


def prometheus_name(metric: Metric) -> str:
    """The name of a metric there: `voice.session.latency` in seconds is `voice_session_latency_seconds`."""
    name = metric.name.replace(".", "_") + _SUFFIXES.get(metric.unit, "")
    return f"{name}_total" if metric.kind == "counter" else name


def render(snapshot: Snapshot) -> str:
    """All metrics, those without a value as 0 without labels, so that rules over them hold from the start."""
    return "".join(f"{line}\n" for metric in METRICS.values() for line in _lines(metric, snapshot))


def _lines(metric: Metric, snapshot: Snapshot) -> Iterator[str]:
    name = prometheus_name(metric)
    yield f"# HELP {name} {metric.description}"
    yield f"# TYPE {name} {metric.kind}"
    empty: float | list[float] = [0.0] * (len(metric.buckets) + 2) if metric.kind == "histogram" else 0.0
    for attributes, value in (snapshot.get(metric.name) or {(): empty}).items():
        labels = _labels(metric, attributes)
        if not isinstance(value, list):
            yield f"{name}{_braces(labels)} {value:.15g}"
            continue
        counts = list(accumulate(value[1:]))
        for bound, count in zip([*(f"{bound:g}" for bound in metric.buckets), "+Inf"], counts, strict=True):
            yield f"{name}_bucket{_braces([*labels, _label('le', bound)])} {count:.15g}"
        yield f"{name}_sum{_braces(labels)} {value[0]:.15g}"
        yield f"{name}_count{_braces(labels)} {counts[-1]:.15g}"


def _labels(metric: Metric, attributes: Attributes) -> list[str]:
    pairs = zip(metric.attributes, attributes, strict=False)
    return [_label(name.replace(".", "_"), value) for name, value in pairs]


def _label(name: str, value: str) -> str:
    return f'{name}="{_escaped(value)}"'


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
