"""What the providers of one call were used for, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["CallUsage", "UsageLine", "dollars"]

MAX_LINES: Final = 32
"""Providers of one call that are listed; the rest are summed as `other`."""


@dataclass(slots=True)
class UsageLine:
    """What one provider was used for."""

    requests: int = 0
    """Requests that were answered; streams are none."""
    audio_s: float = 0.0
    characters: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    """US dollars; None if no price is known for a part of it."""


@dataclass(slots=True)
class CallUsage:
    """What the providers of one call were used for, by provider and operation."""

    lines: dict[tuple[str, str], UsageLine] = field(default_factory=dict)

    @property
    def cost(self) -> float | None:
        """US dollars of the call; None if the price of one provider is not known."""
        total = 0.0
        for line in self.lines.values():
            if line.cost is None:
                return None
            total += line.cost
        return total

    def add(
        self,
        provider: str,
        operation: str,
        *,
        requests: int = 0,
        audio: float = 0.0,
        characters: int = 0,
        read: int = 0,
        written: int = 0,
        cost: float | None = None,
    ) -> None:
        """Add a use. One that has no price makes the cost of its line unknown, unless nothing was used."""
        key = (provider, operation)
        if key not in self.lines and len(self.lines) >= MAX_LINES:
            key = ("other", operation)
        line = self.lines.setdefault(key, UsageLine())
        line.requests += requests
        line.audio_s += audio
        line.characters += characters
        line.input_tokens += read
        line.output_tokens += written
        if cost is None and not (audio or characters or read or written):
            return
        line.cost = None if cost is None or line.cost is None else line.cost + cost

    def as_list(self) -> list[dict[str, Any]]:
        """A line for each provider, as plain JSON types."""
        return [
            {
                "provider": provider,
                "operation": operation,
                "requests": line.requests,
                "audio_s": round(line.audio_s, 3),
                "characters": line.characters,
                "input_tokens": line.input_tokens,
                "output_tokens": line.output_tokens,
                "cost_usd": dollars(line.cost),
            }
            for (provider, operation), line in self.lines.items()
        ]


def dollars(cost: float | None) -> float | None:
    """A cost as it is written down."""
    return None if cost is None else round(cost, 6)
