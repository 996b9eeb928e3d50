"""The options of authentication and HTTPS."""

from __future__ import annotations

import os
from dataclasses import dataclass

from duologue.errors import ConfigError

__all__ = ["Security"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Who may call, and over HTTPS or not. Without `keys` everybody may who reaches the port."""

    keys: str | os.PathLike[str] | None = None
    """The file of keys that sign tokens, as `duologue token --new-key` makes it."""
    insecure: bool = False
    """Whether a server without keys may listen on addresses that other machines reach."""
    certfile: str | os.PathLike[str] | None = None
    """The certificate for HTTPS, in PEM."""
    keyfile: str | os.PathLike[str] | None = None
    """Its key, where that is in another file."""
    ticket_ttl: float = 30.0
    """Seconds that a ticket is valid."""
    max_calls_per_token: int | None = 10
    """Calls at once with one token; None for any number. With several workers each has its share."""
    max_calls_per_address: int | None = None
    """Calls at once from one address; None for any number. Behind a proxy that is not trusted all share one address."""

    def __post_init__(self) -> None:
        if not 1 <= self.ticket_ttl <= 600:
            raise ConfigError(f"ticket_ttl is {self.ticket_ttl:g}, and must be 1 to 600 seconds.")
        for name in ("max_calls_per_token", "max_calls_per_address"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, and must be at least 1.", hint="None is for any number.")
