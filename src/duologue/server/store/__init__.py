"""Where servers keep what must outlive a socket or a process: tickets, and checkpoints of calls. Small and short-lived.

`StateStore` is the interface; `memory`, `files` and `redis` implement it.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["StateStore"]


class StateStore(Protocol):
    """Keeps bytes under a key for a while. All methods may raise ProviderUnavailableError, or DeadlineError."""

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds, in place of what is there. Raises OverloadedError if there is no room."""
        ...

    async def take(self, key: str) -> bytes | None:
        """Remove and return the value; None if there is none. Of several that ask at once, one gets it."""
        ...

    async def has(self, key: str) -> bool:
        """Whether there is a value."""
        ...

    async def aclose(self) -> None:
        """Give up connections."""
        ...
