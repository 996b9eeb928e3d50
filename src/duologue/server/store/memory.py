"""A store in the process's memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from duologue.errors import OverloadedError

__all__ = ["MAX_ENTRIES", "MAX_STORE_BYTES", "MemoryStore"]

MAX_ENTRIES: Final = 10_000
"""Entries that a store in memory or in files holds."""

MAX_STORE_BYTES: Final = 67_108_864
"""Bytes that a store in memory holds."""


class MemoryStore:
    """Keeps values for this process alone, up to `max_entries` and `max_bytes`; then it refuses."""

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_STORE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._entries: dict[str, tuple[float, bytes]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Store a value; if there is no room, expired values are removed first."""
        self._remove(key)
        if self._is_full(value):
            now = self._clock()
            for old in [name for name, (until, _) in self._entries.items() if until <= now]:
                self._remove(old)
        if self._is_full(value):
            raise OverloadedError("No more can be stored for now.", retry_after=5.0)
        self._entries[key] = (self._clock() + ttl, value)
        self._bytes += len(value)

    async def take(self, key: str) -> bytes | None:
        """Remove and return a value."""
        until, value = self._entries.get(key, (0.0, b""))
        self._remove(key)
        return value if until > self._clock() else None

    async def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self._entries.get(key, (0.0, b""))[0] > self._clock()

    async def aclose(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def _is_full(self, value: bytes) -> bool:
        return len(self._entries) >= self._max_entries or self._bytes + len(value) > self._max_bytes

    def _remove(self, key: str) -> None:
        _, value = self._entries.pop(key, (0.0, b""))
        self._bytes -= len(value)
