"""How long providers take, over all calls: a mean and a deviation, as TCP estimates its round trips (RFC 6298)."""

from __future__ import annotations

from typing import Final

__all__ = ["Latencies", "LatencyEstimate"]

MEAN_WEIGHT: Final = 1 / 8
DEVIATION_WEIGHT: Final = 1 / 4
MARGIN: Final = 1.5
"""Deviations above the mean at which an answer is due: about nine in ten have come by then."""
PRIOR_DEVIATION: Final = 1 / 12
"""Of the declared latency, before anything was measured."""
MAX_SECONDS: Final = 2.0
"""One measurement counts as at most this, so that a single stall does not delay the next ten turns."""
ENOUGH: Final = 3
"""Measurements of a provider that declares nothing, before they are relied on."""
MAX_PROVIDERS: Final = 64


class LatencyEstimate:
    """The expected latency of one provider: what it declares, corrected by what is measured. Seconds."""

    __slots__ = ("_count", "_deviation", "_mean", "_typical")

    def __init__(self, typical: float | None) -> None:
        self._typical = typical
        self._mean = typical or 0.0
        self._deviation = self._mean * PRIOR_DEVIATION
        self._count = 0

    def note(self, seconds: float) -> None:
        """Add one measurement."""
        seconds = min(max(seconds, 0.0), MAX_SECONDS)
        if self._typical is None and self._count == 0:
            self._mean, self._deviation = seconds, seconds * PRIOR_DEVIATION
        error = seconds - self._mean
        self._mean += MEAN_WEIGHT * error
        self._deviation += DEVIATION_WEIGHT * (abs(error) - self._deviation)
        self._count += 1

    @property
    def expected(self) -> float | None:
        """When an answer is due after its request; None if nothing is declared and too little was measured."""
        if self._typical is None and self._count < ENOUGH:
            return None
        return self._mean + MARGIN * self._deviation


class Latencies:
    """An estimate for each provider that sessions use, by its name; those beyond MAX_PROVIDERS replace the oldest."""

    def __init__(self) -> None:
        self._estimates: dict[tuple[str, float | None], LatencyEstimate] = {}

    def of(self, name: str, typical: float | None) -> LatencyEstimate:
        """The estimate that all sessions with this provider share."""
        key = (name, typical)
        if key not in self._estimates:
            while len(self._estimates) >= MAX_PROVIDERS:
                del self._estimates[next(iter(self._estimates))]
            self._estimates[key] = LatencyEstimate(typical)
        return self._estimates[key]
