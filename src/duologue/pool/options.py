"""The options of a pool of connections."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.errors import ConfigError

__all__ = ["PoolOptions"]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """As in `ProviderPool`. Raises ConfigError where one is out of range."""

    size: int
    max_dials: int
    min_idle: int
    lease_timeout: float
    dial_timeout: float
    idle_ttl: float
    check_after: float
    check_timeout: float

    def __post_init__(self) -> None:
        if self.size < 1 or self.max_dials < 1 or not 0 <= self.min_idle <= self.size:
            raise ConfigError(
                f"size is {self.size}, max_dials {self.max_dials} and min_idle {self.min_idle}; expected at least one "
                "connection and one dial, and 0 <= min_idle <= size."
            )
        for what in ("lease_timeout", "dial_timeout", "idle_ttl"):
            value = getattr(self, what)
            if not value > 0:
                raise ConfigError(f"{what} is {value} s, and must be more than 0 s.")
