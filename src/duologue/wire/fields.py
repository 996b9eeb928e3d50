"""What the messages of the protocol are made of: fields with units, and the encoding of audio."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from duologue.audio import format as audio_format
from duologue.wire.frames import MAX_POSITION

__all__ = [
    "MAX_METADATA_BYTES",
    "MAX_METADATA_DEPTH",
    "VERSION",
    "Audio",
    "Bytes",
    "Characters",
    "Count",
    "Generation",
    "Hertz",
    "Metadata",
    "Model",
    "Samples",
    "Scalar",
    "Seconds",
    "TurnTaking",
    "Unit",
    "Version",
]

VERSION: Final = 1
"""The version of the protocol that this code speaks."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts."""

    name: str


Samples = Annotated[int, Field(ge=0, le=MAX_POSITION), Unit("samples")]
Seconds = Annotated[float, Unit("seconds")]
Generation = Annotated[int, Field(ge=0, lt=2**32), Unit("counter")]
Count = Annotated[int, Field(ge=0), Unit("counter")]
Hertz = Annotated[int, Unit("samples a second")]
Bytes = Annotated[int, Unit("bytes")]
Characters = Annotated[int, Unit("characters")]
Scalar = str | int | float | bool | None


def _spoken(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"version {version} is not spoken here; this side speaks version {VERSION}")
    return version


Version = Annotated[int, AfterValidator(_spoken)]


class Model(BaseModel):
    """What all parts of the protocol share: nothing unknown, nothing converted, nothing changed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __str__(self) -> str:
        """As `repr`: a printed message names its kind."""
        return repr(self)


MAX_METADATA_BYTES: Final = 16_384
"""Bytes of `metadata` as compact JSON in UTF-8."""

MAX_METADATA_DEPTH: Final = 8
"""Objects and lists inside each other in `metadata`, itself included."""


class Audio(Model):
    """How the mono audio of one direction is encoded."""

    encoding: audio_format.Encoding = Field(
        default="pcm_s16le", description="16-bit little-endian PCM, or G.711 with mu-law or A-law."
    )
    rate: Hertz = Field(
        default=audio_format.RATE,
        description=f"One of {', '.join(map(str, audio_format.RATES))}; 8000 for `mulaw` and `alaw`.",
    )

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if self.rate not in audio_format.RATES:
            raise ValueError(f"rate {self.rate} is not one of {', '.join(map(str, audio_format.RATES))}")
        if self.encoding != "pcm_s16le" and self.rate != 8000:
            raise ValueError(f"{self.encoding} is spoken at 8000 samples a second, not at {self.rate}")
        return self

    @property
    def bytes_per_sample(self) -> int:
        """2 for PCM, 1 for G.711."""
        return 2 if self.encoding == "pcm_s16le" else 1


def _bounded(metadata: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [
            part
            for value in level
            for part in (value.values() if isinstance(value, dict) else value)
            if isinstance(part, dict | list)
        ]
    if level:
        raise ValueError(f"is nested more than {MAX_METADATA_DEPTH} levels deep")
    try:
        text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise ValueError("has a number that is not finite, which is no JSON") from None
    size = len(text.encode(errors="replace"))
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"has {size} bytes as JSON, and may have {MAX_METADATA_BYTES}")
    return metadata


Metadata = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]


class TurnTaking(Model):
    """Settings of turn-taking for one call; a field that is left out or null has the server's value."""

    action_delay_s: Seconds | None = Field(
        default=None, description="Silence after which a turn is decided that sounds finished."
    )
    timeout_s: Seconds | None = Field(
        default=None, description="Silence after which a turn is decided whatever the evidence says."
    )
    barge_in: bool | None = Field(default=None, description="Whether the user may interrupt the agent.")
    eagerness: Literal["low", "medium", "high"] | Annotated[float, Field(gt=0, le=60)] | None = Field(
        default=None, description="How soon the agent answers: a name, or the price of a cut-off in seconds of waiting."
    )
