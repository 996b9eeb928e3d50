"""What a pool of connections counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PoolCounters"]


@dataclass(slots=True)
class PoolCounters:
    """Counters of a pool, as plain numbers."""

    dialed: int = 0
    dial_failures: int = 0
    leased: int = 0
    waited: int = 0
    """Leases that had to wait for a connection."""
    timeouts: int = 0
    """Leases that timed out."""
    dead: int = 0
    """Idle connections that failed the check before a lease."""
    expired: int = 0
    """Idle connections that were closed after `idle_ttl`."""
    broken: int = 0
    """Connections that were given back as broken."""
