"""One provider with its breaker, its limits and its deadlines: what a chain asks before it asks the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from duologue.resilience.breaker import (
    BREAKERS,
    BreakerKey,
    BreakerRegistry,
    Capability,
    CircuitBreaker,
    Permit,
    breaker_keys,
)
from duologue.resilience.deadline import Deadline
from duologue.resilience.rate_limit import RateLimit
from duologue.resilience.settings import ResilienceSettings

__all__ = ["Guard"]


@dataclass(frozen=True, slots=True)
class Guard:
    """What is kept of one provider. All wrappers of the same provider, region and key share the breaker."""

    name: str
    breaker: CircuitBreaker
    deadline: Deadline
    last_deadline: Deadline
    """If no other provider is left."""
    limit: RateLimit | None = None

    @classmethod
    def of_all(
        cls,
        capability: Capability,
        providers: Sequence[Any],
        settings: ResilienceSettings | None = None,
        breakers: BreakerRegistry | None = None,
    ) -> list[Self]:
        """Make the guards of a list of providers. `breakers` are those of the process unless others are given."""
        s = settings or ResilienceSettings()
        return [
            cls._of(key, s, BREAKERS if breakers is None else breakers) for key in breaker_keys(capability, providers)
        ]

    @classmethod
    def _of(cls, key: BreakerKey, s: ResilienceSettings, breakers: BreakerRegistry) -> Self:
        limit = None
        if s.calls_per_second is not None or s.max_concurrent is not None:
            limit = RateLimit(
                key.provider, per_second=s.calls_per_second, max_concurrent=s.max_concurrent, max_wait=s.max_wait
            )
        return cls(
            key.provider,
            breakers.get(key, s.breaker),
            Deadline(s.first_chunk, s.next_chunk, s.whole),
            Deadline(s.last_chunk, max(s.last_chunk, s.next_chunk), max(s.whole, s.last_chunk)),
            limit,
        )

    async def enter(self, *, is_last: bool) -> Permit:
        """Wait for a place. Raises ProviderUnavailableError or RateLimitedError if there is none."""
        permit = self.breaker.enter(is_last=is_last)
        if self.limit is not None:
            try:
                await self.limit.enter()
            except BaseException:
                permit.released()
                raise
        return permit

    def leave(self, permit: Permit) -> None:
        """Give the place back."""
        permit.released()
        if self.limit is not None:
            self.limit.leave()

    def deadline_for(self, *, is_last: bool) -> Deadline:
        """Return the deadline, which is longer if no other provider is left."""
        return self.last_deadline if is_last else self.deadline
