"""What breakers, second requests and pools of connections tell about themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from duologue.pool import POOLS
from duologue.resilience.breaker import BREAKERS, BreakerState
from duologue.resilience.hedge import HEDGES
from duologue.telemetry import names
from duologue.telemetry.metrics import Reading

__all__ = ["resilience_readings"]

STATES: Final = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}
OPERATIONS: Final = {"stt": names.SPEECH_TO_TEXT, "tts": names.TEXT_TO_SPEECH, "model": names.CHAT}


def resilience_readings() -> Iterator[Reading]:
    """The counters and gauges of this process. Call it on the event loop's thread."""
    for breaker in BREAKERS.states():
        who = (breaker.key.provider, OPERATIONS[breaker.key.capability])
        yield names.PROVIDER_STATE, STATES[breaker.state], who
        yield names.BREAKER_OPENED, breaker.opened, who
        yield names.BREAKER_CALLS, breaker.calls - breaker.failures, (*who, "done")
        yield names.BREAKER_CALLS, breaker.failures, (*who, "failed")
        yield names.BREAKER_CALLS, breaker.refused, (*who, "refused")
    for hedge in list(HEDGES):
        yield names.HEDGES, hedge.hedged - hedge.won, (hedge.name, "lost")
        yield names.HEDGES, hedge.won, (hedge.name, "won")
    for pool in list(POOLS):
        done = pool.counters
        yield names.POOL_CONNECTIONS, pool.total - pool.idle, (pool.name, "leased")
        yield names.POOL_CONNECTIONS, pool.idle, (pool.name, "idle")
        yield names.POOL_LEASES, done.leased, (pool.name, "leased")
        yield names.POOL_LEASES, done.waited, (pool.name, "waited")
        yield names.POOL_LEASES, done.timeouts, (pool.name, "timeout")
