"""The table of metrics in docs/observability.md, made from the code: `python -m duologue.telemetry.reference`."""

from __future__ import annotations

from duologue.telemetry.names import METRICS
from duologue.telemetry.prometheus import prometheus_name

__all__ = ["metric_table"]


def metric_table() -> str:
    """A row for each metric."""
    rows = ["| metric | in Prometheus | kind | unit | attributes | meaning |", "|---|---|---|---|---|---|"]
    for metric in METRICS.values():
        attributes = ", ".join(f"`{name}`" for name in metric.attributes)
        rows.append(
            f"| `{metric.name}` | `{prometheus_name(metric)}` | {metric.kind} | `{metric.unit}` | {attributes} "
            f"| {metric.description} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(metric_table())
