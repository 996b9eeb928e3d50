"""`[costs]`: what providers charge, by which usage becomes cost."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from duologue.settings.tables import Table
from duologue.telemetry import CostTable, Price

__all__ = ["CostsTable"]


class RecognizerPrice(Table):
    """The price of a recognizer, in US dollars."""

    per_audio_hour: float = Field(ge=0)
    """For an hour of audio that it was sent."""


class VoicePrice(Table):
    """The price of a voice, in US dollars."""

    per_1000_characters: float | None = Field(default=None, ge=0)
    """For 1,000 characters that it was given."""
    per_audio_hour: float | None = Field(default=None, ge=0)
    """For an hour of audio that it gave."""

    @model_validator(mode="after")
    def _check_terms(self) -> VoicePrice:
        if self.per_1000_characters is None and self.per_audio_hour is None:
            raise ValueError("must have per_1000_characters or per_audio_hour")
        return self


class ModelPrice(Table):
    """The price of a language model, in US dollars."""

    per_million_input_tokens: float = Field(ge=0)
    """For a million tokens that it read."""
    per_million_output_tokens: float = Field(ge=0)
    """For a million tokens that it wrote."""


class CostsTable(Table):
    """What providers charge, in US dollars, by the name of a model or of all of its provider's models."""

    stt: dict[str, RecognizerPrice] = Field(default_factory=dict)
    """Prices of recognizers: `"deepgram/nova-3" = { per_audio_hour = 0.288 }`."""
    tts: dict[str, VoicePrice] = Field(default_factory=dict)
    """Prices of voices: `elevenlabs = { per_1000_characters = 0.05 }`, or `per_audio_hour`."""
    llm: dict[str, ModelPrice] = Field(default_factory=dict)
    """Prices of language models, with both `per_million_input_tokens` and `per_million_output_tokens`."""

    def table(self) -> CostTable:
        """The prices as the server uses them."""
        return CostTable(stt=_prices(self.stt), tts=_prices(self.tts), llm=_prices(self.llm))


def _prices(tables: Mapping[str, Table]) -> dict[str, Price]:
    return {name: Price(**table.model_dump()) for name, table in tables.items()}
