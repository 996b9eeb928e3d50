"""What `/ops` shows: the plain counters of each worker, and their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from duologue.resilience.breaker import BreakerStatus

__all__ = ["Report", "breaker_row", "total"]

Report: TypeAlias = Mapping[str, float]
"""Counters by name. `ready` is whether a session would be let in, `pid` names the process."""


def total(reports: Sequence[Report]) -> dict[str, float]:
    """The sums; of `worst_…` and `up_s` the largest, of `ready` the number of workers that are."""
    names = dict.fromkeys(name for report in reports for name in report if name != "pid")
    return {
        name: (max if name.startswith("worst_") or name == "up_s" else sum)(
            report[name] for report in reports if name in report
        )
        for name in names
    }


def breaker_row(status: BreakerStatus) -> dict[str, Any]:
    """The state of a provider's circuit breaker, as plain JSON types."""
    key = status.key
    return {
        "capability": key.capability,
        "provider": key.provider,
        "region": key.region,
        "key": key.key,
        "state": status.state.value,
        "retry_in_s": round(status.retry_in, 1),
        "opened": status.opened,
        "calls": status.calls,
        "failures": status.failures,
        "refused": status.refused,
        "last_error": status.last_error,
    }
