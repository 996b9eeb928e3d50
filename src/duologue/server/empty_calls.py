"""Short calls without a turn, again and again from one address: the first are in the log, the others are counted."""

from __future__ import annotations

from typing import Final

__all__ = ["EmptyCalls"]

AT_FIRST: Final = 10
"""Short calls without a turn from one address, in WINDOW, of which the log has both lines."""

WINDOW: Final = 60.0
"""Seconds."""

SHORT: Final = 10.0
"""Seconds: a call that lasts longer is always in the log."""

MAX_ADDRESSES: Final = 256
"""Addresses that are remembered at once."""


class EmptyCalls:
    """Decides which calls are left out of the log, so that calling again and again does not fill it."""

    def __init__(self) -> None:
        self._by_client: dict[str, tuple[float, int]] = {}

    def is_flooding(self, client: str, now: float) -> bool:
        """Return True if this address has made too many short calls without a turn in the last minute."""
        began, calls = self._by_client.get(client, (now, 0))
        return calls >= AT_FIRST and now - began < WINDOW

    def end(self, client: str, seconds: float, turns: int, now: float) -> tuple[bool, int]:
        """Note the end of a call; returns whether to write its line, and how many calls before it were left out."""
        began, calls = self._by_client.get(client, (now, 0))
        left_out = 0
        if now - began >= WINDOW:
            left_out, began, calls = max(calls - AT_FIRST, 0), now, 0
            self._by_client.pop(client, None)
        if turns or seconds >= SHORT:
            return True, left_out
        if client not in self._by_client and len(self._by_client) >= MAX_ADDRESSES:
            self._by_client.pop(next(iter(self._by_client)))
        self._by_client[client] = (began, calls + 1)
        return calls < AT_FIRST, left_out
