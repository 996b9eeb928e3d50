"""The recent turns of a server: percentiles of their latency by the minute, and the slowest with their waterfalls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

__all__ = ["RecentTurns", "merge_turns", "summary"]

MINUTES: Final = 60
"""Minutes for which percentiles are kept."""
RECENT: Final = 5
"""Minutes that the present percentiles are of."""
SLOWEST: Final = 20
"""Turns that are kept..."""
SLOWEST_FOR_S: Final = 900.0
"""...for so many seconds."""
WIDTH: Final = math.log(1.08)
"""Latencies within 8% count as one."""
LEAST: Final = 0.001

Bins = dict[str, int]


class RecentTurns:
    """Notes the latency of each turn in bins of 8%, by the minute, and keeps the slowest turns."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._minutes: dict[int, Bins] = {}
        self._slowest: list[dict[str, Any]] = []

    def note(self, voice_to_voice: float, turn: Mapping[str, Any]) -> None:
        """Count a turn; `turn` is what is shown of it if it is among the slowest, as plain JSON types."""
        now = self._now()
        minute = int(now // 60)
        bins = self._minutes.get(minute)
        if bins is None:
            bins = self._minutes[minute] = {}
            for old in [m for m in self._minutes if not _is_shown(m, minute)]:
                del self._minutes[old]
        key = str(round(math.log(max(voice_to_voice, LEAST) / LEAST) / WIDTH))
        bins[key] = bins.get(key, 0) + 1
        slowest = self._slowest
        if len(slowest) < SLOWEST or voice_to_voice > slowest[-1]["voice_to_voice_s"] or self._expired(now):
            slowest.append({"at": round(now, 3), "voice_to_voice_s": round(voice_to_voice, 4), **turn})
            self._slowest = _slowest_of(slowest, now)

    def _expired(self, now: float) -> bool:
        return not all(_is_fresh(turn, now) for turn in self._slowest)

    def state(self) -> dict[str, Any]:
        """All that is known, as plain JSON types."""
        return {"minutes": {str(m): dict(bins) for m, bins in self._minutes.items()}, "slowest": list(self._slowest)}


def merge_turns(states: Iterable[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Join the states of several processes."""
    minutes: dict[str, Bins] = {}
    slowest: list[dict[str, Any]] = []
    for state in states:
        slowest += state["slowest"]
        for minute, bins in state["minutes"].items():
            if _is_shown(int(minute), int(now // 60)):
                into = minutes.setdefault(minute, {})
                for key, count in bins.items():
                    into[key] = into.get(key, 0) + count
    return {"minutes": minutes, "slowest": _slowest_of(slowest, now)}


def summary(state: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What `/ops` shows of a state: percentiles of the last minutes and of each minute, and the slowest turns."""
    current = int(now // 60)
    minutes = {int(minute): bins for minute, bins in state["minutes"].items() if _is_shown(int(minute), current)}
    recent: Bins = {}
    for minute, bins in minutes.items():
        if minute > current - RECENT:
            for key, count in bins.items():
                recent[key] = recent.get(key, 0) + count
    return {
        "minutes": RECENT,
        **_percentiles(recent),
        "history": [{"at": 60 * minute, **_percentiles(bins)} for minute, bins in sorted(minutes.items())],
        "slowest": _slowest_of(state["slowest"], now),
    }


def _slowest_of(turns: Iterable[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    fresh = [turn for turn in turns if _is_fresh(turn, now)]
    return sorted(fresh, key=lambda turn: -turn["voice_to_voice_s"])[:SLOWEST]


def _is_shown(minute: int, current: int) -> bool:
    """Whether a minute is one of the last; a clock that was set back has left others ahead."""
    return current - MINUTES < minute <= current + 1


def _is_fresh(turn: Mapping[str, Any], now: float) -> bool:
    at: float = turn["at"]
    return now - SLOWEST_FOR_S < at <= now + 60


def _percentiles(bins: Bins) -> dict[str, Any]:
    total = sum(bins.values())
    found: dict[str, Any] = {"turns": total}
    counts = sorted((int(key), count) for key, count in bins.items())
    for percent in (50, 95, 99):
        rank, at = math.ceil(total * percent / 100), 0
        value = None
        for key, count in counts:
            at += count
            if at >= rank:
                value = round(LEAST * math.exp(key * WIDTH), 4)
                break
        found[f"p{percent}_s"] = value
    return found
