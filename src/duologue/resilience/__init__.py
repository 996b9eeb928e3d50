"""What stands between sessions and providers that fail: fallback, circuit breakers, deadlines, limits, pools.

`resilient_stt`, `resilient_tts` and `resilient_model` take a list of providers and do all of it.
"""

from duologue.pool import ConnectionLimit, Lease, PoolCounters, ProviderPool
from duologue.resilience.breaker import (
    BREAKERS,
    BreakerKey,
    BreakerRegistry,
    BreakerState,
    BreakerStatus,
    CircuitBreaker,
)
from duologue.resilience.compose import resilient_model, resilient_stt, resilient_tts
from duologue.resilience.deadline import Deadline
from duologue.resilience.hedge import Hedge
from duologue.resilience.rate_limit import RateLimit
from duologue.resilience.retry import RETRIES, Retry, RetryBudget
from duologue.resilience.settings import BreakerSettings, HedgeSettings, ResilienceSettings

__all__ = [
    "BREAKERS",
    "RETRIES",
    "BreakerKey",
    "BreakerRegistry",
    "BreakerSettings",
    "BreakerState",
    "BreakerStatus",
    "CircuitBreaker",
    "ConnectionLimit",
    "Deadline",
    "Hedge",
    "HedgeSettings",
    "Lease",
    "PoolCounters",
    "ProviderPool",
    "RateLimit",
    "ResilienceSettings",
    "Retry",
    "RetryBudget",
    "resilient_model",
    "resilient_stt",
    "resilient_tts",
]
