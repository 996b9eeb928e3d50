"""What providers charge: a table of prices that the operator writes, by which usage becomes cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Final

from duologue.errors import ConfigError
from duologue.telemetry.names import CHAT, SPEECH_TO_TEXT, TEXT_TO_SPEECH

__all__ = ["CostTable", "Price"]

_TERMS: Final = {
    "stt": ("per_audio_hour",),
    "tts": ("per_audio_hour", "per_1000_characters"),
    "llm": ("per_million_input_tokens", "per_million_output_tokens"),
}
"""What each kind of provider can be charged by."""
_KINDS: Final = {SPEECH_TO_TEXT: "stt", TEXT_TO_SPEECH: "tts", CHAT: "llm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one provider, in US dollars. Several terms add up; at least one is given."""

    per_audio_hour: float | None = None
    """For an hour of audio that a recognizer was sent, or that a voice gave."""
    per_1000_characters: float | None = None
    """For 1,000 characters that a voice was given."""
    per_million_input_tokens: float | None = None
    """For a million tokens that a language model read."""
    per_million_output_tokens: float | None = None
    """For a million tokens that it wrote."""

    def __post_init__(self) -> None:
        given = {term.name: getattr(self, term.name) for term in fields(self)}
        for name, value in given.items():
            if value is not None and not (isfinite(value) and value >= 0):
                raise ConfigError(f"{name} is {value}, and must be a finite number of at least 0.")
        if all(value is None for value in given.values()):
            raise ConfigError("A price names no amount.", hint=f"Give one of {', '.join(given)}.")

    def of(self, *, audio: float = 0.0, characters: int = 0, read: int = 0, written: int = 0) -> float:
        """US dollars for seconds of audio, characters, and tokens read and written."""
        return (
            audio / 3600 * (self.per_audio_hour or 0.0)
            + characters / 1000 * (self.per_1000_characters or 0.0)
            + read / 1e6 * (self.per_million_input_tokens or 0.0)
            + written / 1e6 * (self.per_million_output_tokens or 0.0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """Prices by the names of providers, such as `deepgram/nova-3`, or `deepgram` for all of its models.

    A price here takes the place of the one that the provider declares. Raises ConfigError for a term that the kind of
    provider is not charged by.
    """

    stt: Mapping[str, Price] = field(default_factory=dict)
    """Of recognizers."""
    tts: Mapping[str, Price] = field(default_factory=dict)
    """Of voices."""
    llm: Mapping[str, Price] = field(default_factory=dict)
    """Of language models and speech-to-speech models, as `openai:MODEL` or `MODEL`."""

    def __post_init__(self) -> None:
        for kind, terms in _TERMS.items():
            for name, price in getattr(self, kind).items():
                if not isinstance(price, Price):
                    raise ConfigError(f"costs.{kind}[{name!r}] is {type(price).__name__}; expected Price.")
                for term in fields(price):
                    if term.name not in terms and getattr(price, term.name) is not None:
                        allowed = ", ".join(terms)
                        raise ConfigError(
                            f"costs.{kind}[{name!r}] has {term.name}, by which it is not charged.",
                            hint=f"It is charged by {allowed}.",
                        )

    def price(self, operation: str, provider: str) -> Price | None:
        """The price of a provider for what it does; None if the table has none."""
        kind = _KINDS.get(operation)
        if kind is None:
            return None
        prices: Mapping[str, Price] = getattr(self, kind)
        if kind == "llm":
            model = provider.partition(":")[2]
            named = (price for name, price in prices.items() if name.partition(":")[2] == provider)
            return prices.get(provider) or prices.get(model) or next(named, None)
        first = provider.partition("+")[0]  # of a list none of which has served
        general = first.partition("/" if "/" in first else "-")[0]  # local models are called as `hibari-heart`
        return prices.get(first) or prices.get(general)
