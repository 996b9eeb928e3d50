"""A limit on connections that several pools share."""

from __future__ import annotations

from typing import Protocol

from duologue.errors import ConfigError

__all__ = ["ConnectionLimit"]


class _Pool(Protocol):
    """What the limit asks of a pool; see `ProviderPool`."""

    @property
    def idle(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def closing(self) -> int: ...
    @property
    def occupied(self) -> int: ...
    @property
    def first_waiting(self) -> float: ...
    def drop_oldest(self) -> None: ...
    def serve(self) -> None: ...


class ConnectionLimit:
    """A limit on the connections of several pools together, such as one pool for each language.

    Raises ConfigError unless `size` is at least 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigError(f"size is {size}; expected at least one connection.")
        self._size = size
        self._pools: list[_Pool] = []

    def join(self, pool: _Pool) -> None:
        """Count the connections of a pool."""
        self._pools.append(pool)

    def leave(self, pool: _Pool) -> None:
        """A pool is closed."""
        if pool in self._pools:
            self._pools.remove(pool)

    def admits(self, pool: _Pool, *, is_wanted: bool) -> bool:
        """Whether a pool may dial; an idle connection of another one is closed if there is no room.

        `is_wanted`: somebody waits for the connection, who goes before one that is only kept ready.
        """
        others = [other for other in self._pools if other is not pool]
        if not is_wanted and any(other.waiting for other in others):
            return False
        if sum(each.occupied for each in self._pools) < self._size:
            return True
        if is_wanted and not any(each.closing for each in self._pools):
            idle = next((other for other in others if other.idle), None)
            if idle is not None:
                idle.drop_oldest()  # there is room once it is closed
        return False

    def freed(self) -> None:
        """There may be room: serve who has waited longest."""
        for pool in sorted(self._pools, key=lambda pool: pool.first_waiting):
            pool.serve()
