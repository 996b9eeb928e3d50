"""Connections to one provider, shared by all sessions of the process."""

from __future__ import annotations

from duologue.pool.counters import PoolCounters
from duologue.pool.lease import Lease
from duologue.pool.limit import ConnectionLimit
from duologue.pool.provider_pool import POOLS, ProviderPool

__all__ = ["POOLS", "ConnectionLimit", "Lease", "PoolCounters", "ProviderPool"]
