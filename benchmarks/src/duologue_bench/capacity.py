"""The largest number of sessions that something keeps up with, in as few tries as its noise allows."""

from __future__ import annotations

import math
from collections.abc import Generator

from duologue.errors import ConfigError

__all__ = ["climb"]

STEP = 1.25
TRIES = 2
"""A size has failed when it failed so often: what else the machine does makes a run fail, but never makes one pass."""


def climb(start: int, *, most: int, resolution: float = 0.05) -> Generator[int, bool, int]:
    """Yields the next size to try and is sent whether it was kept up with; returns the largest that was, 0 for none.

    From `start` it goes up by a quarter, or down by half, until the limit is between two sizes, and then halves the
    distance until they are `resolution` apart. Raises ConfigError for a start that is not between 1 and `most`.
    """
    if not 1 <= start <= most:
        raise ConfigError(f"The search was to begin with {start} sessions; it may with 1 to {most}.")
    good, bad, size = 0, most + 1, start
    while True:
        for _ in range(TRIES):
            kept_up = yield size
            if kept_up:
                break
        if kept_up:
            good = size
        else:
            bad = size
        if good == 0:
            size = bad // 2
        elif bad > most:
            size = min(most, max(good + 1, round(good * STEP)))
        else:
            size = (good + bad) // 2
        if size <= good or size == 0 or (bad <= most and bad - good <= math.ceil(good * resolution)):
            return good
