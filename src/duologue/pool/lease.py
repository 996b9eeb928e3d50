"""The right to use a connection of a pool."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

__all__ = ["Lease"]

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)


class _Lender(Protocol[C_contra]):
    """Whom a connection is given back to."""

    def _take_back(self, connection: C_contra, *, is_broken: bool = False, is_closed: bool = False) -> None: ...


class Lease(Generic[C]):
    """The right to use a connection, until `release`."""

    def __init__(self, pool: _Lender[C], connection: C) -> None:
        self.connection = connection
        self._pool: _Lender[C] | None = pool

    def release(self, *, is_broken: bool = False, is_closed: bool = False) -> None:
        """Give the connection back; one that is broken is closed. A plain call; the second does nothing.

        `is_closed`: the user has closed it, as is usual where one serves a single user.
        """
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._take_back(self.connection, is_broken=is_broken, is_closed=is_closed)
