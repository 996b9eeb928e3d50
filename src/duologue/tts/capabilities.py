"""What a voice declares about itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from duologue.errors import ConfigError

__all__ = ["TtsCapabilities"]


@dataclass(frozen=True, slots=True)
class TtsCapabilities:
    """What a voice can do, and what to expect of it. A wrong claim is reported as an error of the voice."""

    streams_text: bool = False
    """`stream` accepts text that is still being written, and begins to speak before the text ends."""
    aligned: bool = False
    """Everything that it speaks comes with a TextSpan. Otherwise text is placed by its share of the letters."""
    rates: tuple[int, ...] = ()
    """Sample rates that it can give; empty if only its `rate`."""
    languages: frozenset[str] = frozenset()
    """Language codes such as "en"; empty if any."""
    typical_latency: float | None = None
    """Seconds from the first text to the first audio; None if unknown."""
    cancel: bool = True
    """Closing a stream stops the work, and its cost."""
    cost: float | None = None
    """US dollars for 1,000 characters; None if unknown."""

    def __post_init__(self) -> None:
        for name in ("typical_latency", "cost"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0):
                raise ConfigError(f"{name} is {value}, and must be a finite number of at least 0, or None.")
        if any(rate <= 0 for rate in self.rates):
            raise ConfigError(f"rates is {self.rates}, and must hold sample rates above 0.")
