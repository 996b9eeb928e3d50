"""The limits of the wrappers around providers, with their defaults. All durations are seconds."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["BreakerSettings", "HedgeSettings", "ResilienceSettings"]


class BreakerSettings(BaseModel):
    """When calls to a provider are stopped, and when they are tried again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(default=2, ge=1, le=100)
    """Failures in a row that open the breaker, if the share of failures in `window` is at least `share`."""
    share: float = Field(default=0.5, gt=0, le=1)
    """The share of failures, as above; also the share of slow calls that opens the breaker, if there were at least
    `slow_calls` calls."""
    consecutive: int = Field(default=10, ge=1, le=1000)
    """Failures in a row that open it, whatever the share: a provider with much traffic that fails for everybody."""
    slow_after: float | None = Field(default=None, gt=0, le=60)
    """A call whose first answer takes longer is slow; None (not set): slowness alone never opens the breaker."""
    slow_calls: int = Field(default=10, ge=1, le=1000)
    """Calls in `window` before slowness is judged."""
    window: float = Field(default=30.0, gt=0, le=600)
    """How far back calls are counted."""
    open_for: float = Field(default=30.0, gt=0, le=3600)
    """How long the breaker stays open the first time."""
    growth: float = Field(default=4.0, ge=1, le=10)
    """By which factor each further opening is longer, while no call succeeds."""
    max_open: float = Field(default=300.0, gt=0, le=3600)
    """The longest that it stays open."""
    successes: int = Field(default=2, ge=1, le=20)
    """Probes in a row that must succeed before the breaker closes. One probe runs at a time."""
    probe_every: float = Field(default=1.0, ge=0, le=60)
    """While the breaker is open and there is no other provider, one call in this time is let through."""


class HedgeSettings(BaseModel):
    """When a second request is made because the first is late. Applies to calls for whole utterances and clauses."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    percentile: float = Field(default=0.95, ge=0.5, lt=1)
    """A call is late if it takes longer than this share of the earlier calls did."""
    min_calls: int = Field(default=20, ge=5, le=1000)
    """Calls that are measured before any is hedged."""
    max_share: float = Field(default=0.05, ge=0, le=0.5)
    """Second requests are at most this share of all calls; 0 turns hedging off."""


class ResilienceSettings(BaseModel):
    """Everything that `resilient_stt`, `resilient_tts` and `resilient_model` take into account."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    first_chunk: float = Field(default=1.5, gt=0, le=60)
    """How long a provider may take for its first answer: the transcript after the end of speech, the first audio of a
    clause, the first token. Then the next provider is asked."""
    next_chunk: float = Field(default=2.0, gt=0, le=60)
    """The same for the time between two pieces of one answer."""
    last_chunk: float = Field(default=8.0, gt=0, le=120)
    """Both limits for the last provider that is left: there is no other to ask instead."""
    whole: float = Field(default=20.0, gt=0, le=600)
    """How long a call for a whole utterance or clause may take in all."""
    calls_per_second: float | None = Field(default=None, gt=0, le=100_000)
    """Calls to each provider in a second, at most; None (not set): no limit."""
    max_concurrent: int | None = Field(default=None, ge=1, le=100_000)
    """Calls to each provider at once, at most; None (not set): no limit."""
    max_wait: float = Field(default=0.5, ge=0, le=60)
    """How long a call may wait for these two limits before the next provider is asked."""
    breaker: BreakerSettings = Field(default_factory=BreakerSettings)
    hedge: HedgeSettings = Field(default_factory=HedgeSettings)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.last_chunk < self.first_chunk:
            raise ValueError("last_chunk must be at least first_chunk")
        return self
