"""What `/ops` shows: the plain counters of each worker, and their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Report", "total"]

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
