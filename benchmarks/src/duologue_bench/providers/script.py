"""What the stand-ins of services say, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from duologue.errors import ConfigError

__all__ = ["ANSWER", "CHARACTER_S", "KEY", "WORDS", "Latencies"]

KEY: Final = "no-secret"
WORDS: Final = "a table for two at eight please"
"""What every caller is understood to say."""
ANSWER: Final = ("All", " right", ".", " A", " table", " for", " two", " at", " eight", ".")
"""The tokens of every answer."""
CHARACTER_S: Final = 0.06
"""Seconds of speech for each character."""
MAX_LATENCY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds that a service takes, as measured by a client next to it."""

    stt: float = 0.15
    """From the request for finals to the final."""
    llm: float = 0.25
    """From the request to the first token; the others come with it."""
    tts: float = 0.1
    """From the first text of a stream to its first audio."""

    def __post_init__(self) -> None:
        for name in ("stt", "llm", "tts"):
            if not 0 <= getattr(self, name) <= MAX_LATENCY_S:
                raise ConfigError(f"{name} is {getattr(self, name)} s; expected 0 to {MAX_LATENCY_S:g}.")
