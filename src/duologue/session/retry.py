"""Calls to providers that failed for a passing reason are made again: after how long."""

from __future__ import annotations

from duologue.errors import DuologueError

__all__ = ["pause_before_retry"]

FIRST = 0.05
LONGEST = 1.0


def pause_before_retry(attempt: int, error: DuologueError) -> float:
    """Seconds to wait after attempt number `attempt`, from 0, failed with `error`: doubling, or as long as it asks."""
    pause = min(FIRST * 2.0**attempt, LONGEST)
    asked = error.retry_after
    return asked if asked is not None and asked > pause else pause  # what is no number is not more
