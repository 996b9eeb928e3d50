"""Eagerness: how dear a cut-off is, in seconds of waiting, as a factor on the waits of the policy on silence."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final, Literal

from duologue.errors import ConfigError

__all__ = ["Eagerness", "wait_factor"]

Eagerness = Literal["low", "medium", "high"] | float

NAMED: Final = {"low": 1.4, "medium": 1.0, "high": 0.8}
"""Factors of the names. They bracket the prices of the table below."""
PRICES: Final = ((1.0, 0.8), (2.0, 1.0), (4.0, 1.1), (8.0, 1.2), (16.0, 1.4))
"""A price of one cut-off in seconds of waiting, and the factor at which waiting and cut-offs cost least together."""


@lru_cache(maxsize=64)  # clients choose prices of their own
def wait_factor(eagerness: Eagerness) -> float:
    """The factor on all waits. Raises ConfigError for an unknown name, or a price that is not above 0."""
    if isinstance(eagerness, str):
        if eagerness not in NAMED:
            raise ConfigError(f"eagerness is {eagerness!r}.", hint=f"Write {', '.join(NAMED)}, or a price in seconds.")
        return NAMED[eagerness]
    if not eagerness > 0:
        raise ConfigError(f"eagerness is {eagerness}.", hint="The price of a cut-off is a number of seconds above 0.")
    at = bisect_left(PRICES, (eagerness, 0.0))
    if at == 0:
        return PRICES[0][1]
    if at == len(PRICES):
        return PRICES[-1][1]
    (low, below), (high, above) = PRICES[at - 1], PRICES[at]
    return below + (above - below) * (eagerness - low) / (high - low)
