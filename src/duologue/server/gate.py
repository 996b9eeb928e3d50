"""Limits on accepted sockets: their number, and the time that each may take until it has a session."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

__all__ = ["MAX_WAITING_PER_ADDRESS", "REQUEST_TIMEOUT", "SPARE_SOCKETS", "Gate", "Guest"]

log: Final = logging.getLogger(__name__)

REQUEST_TIMEOUT: Final = 10.0
"""Seconds that a socket has to send a whole request and to take the answer."""

SPARE_SOCKETS: Final = 256
"""Sockets beyond `max_connections`: for pages, for probes, and for sockets that have sent no request yet."""

MAX_WAITING_PER_ADDRESS: Final = 256
"""Sockets of one address that may be without a session at once; those behind one proxy share them."""


class Guest:
    """One accepted socket. It waits until a session has begun on it, and until then has a deadline."""

    __slots__ = ("address", "deadline", "gate", "transport")

    def __init__(self, gate: Gate, address: str) -> None:
        self.gate: Gate = gate
        self.address: str = address
        self.transport: asyncio.Transport | None = None
        self.deadline: float = 0.0

    def allow(self, seconds: float) -> None:
        """Extend its deadline to `seconds` from now: it has made progress."""
        self.gate.renew(self, seconds)

    def establish(self) -> None:
        """A session has begun, which has deadlines of its own."""
        self.gate.establish(self)

    def leave(self) -> None:
        """It is closed."""
        self.gate.leave(self)


class Gate:
    """Counts sockets from the moment they are accepted, and closes those that take too long.

    At most `max_sockets` are held, and at most `max_waiting_per_address` of one address that wait. If there are
    more, the socket that has waited longest is closed, so that idle sockets cannot lock clients out. Sockets with a
    session are never closed here. `sweep` is to be called about once a second.
    """

    def __init__(
        self,
        max_sockets: int,
        *,
        max_waiting_per_address: int = MAX_WAITING_PER_ADDRESS,
        request_timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        self.max_sockets = max_sockets
        self.max_waiting_per_address = max_waiting_per_address
        self.request_timeout = request_timeout
        self.expired: int = 0
        """Sockets closed after their deadline."""
        self.evicted: int = 0
        """Sockets closed to make room for new ones."""
        self.turned_away: int = 0
        """New sockets closed at once, because all others have sessions."""
        self._guests: set[Guest] = set()
        # Each in the order of their last progress.
        self._waiting: dict[Guest, None] = {}
        self._of_address: dict[str, dict[Guest, None]] = {}

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def waiting(self) -> int:
        """Sockets without a session."""
        return len(self._waiting)

    def admit(self, address: str) -> Guest | None:
        """Count a socket that was just accepted; None if there is no room for it."""
        alike = self._of_address.get(address, {})
        if len(alike) >= self.max_waiting_per_address:
            self._evict(next(iter(alike)))
        elif len(self._guests) >= self.max_sockets:
            if not self._waiting:
                self.turned_away += 1
                return None
            self._evict(next(iter(self._waiting)))
        guest = Guest(self, address)
        self._guests.add(guest)
        self.renew(guest, self.request_timeout)
        return guest

    def renew(self, guest: Guest, seconds: float) -> None:
        """Set its deadline, and make it the last to be closed for others."""
        if guest not in self._guests:
            return
        guest.deadline = time.monotonic() + seconds
        alike = self._of_address.setdefault(guest.address, {})
        for group in (self._waiting, alike):
            group.pop(guest, None)
            group[guest] = None

    def establish(self, guest: Guest) -> None:
        """It waits no longer."""
        if guest in self._waiting:
            del self._waiting[guest]
            self._forget_address(guest)

    def leave(self, guest: Guest) -> None:
        """Forget a closed socket; does nothing if that was done."""
        if guest in self._guests:
            self._guests.discard(guest)
            self.establish(guest)

    def sweep(self) -> None:
        """Close the sockets whose deadline has passed."""
        now = time.monotonic()
        late = [guest for guest in self._waiting if guest.deadline <= now]
        for guest in late:
            self.expired += 1
            self._close(guest)

    def _evict(self, guest: Guest) -> None:
        self.evicted += 1
        log.warning("Sockets without a session were closed because more came than may wait.")
        self._close(guest)

    def _close(self, guest: Guest) -> None:
        self.leave(guest)
        if guest.transport is not None:
            guest.transport.abort()

    def _forget_address(self, guest: Guest) -> None:
        alike = self._of_address[guest.address]
        del alike[guest]
        if not alike:
            del self._of_address[guest.address]
