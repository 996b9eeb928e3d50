"""What voices that are services share: settings, the count of their use, and bounds on their audio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServiceSettings", "VoiceUsage", "compressed_form"]

MAX_AUDIO_SECONDS: Final = 60.0
"""The longest audio of one stream..."""
MAX_AUDIO_SECONDS_PER_CHAR: Final = 1.0
"""...and so much more for each character of its text."""

_MARKS: Final = {b"RIFF": "WAV", b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC"}


class ServiceSettings(BaseModel):
    """Settings that each voice of a service has. Times are in seconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key, if not the vendor's usual one."""
    api_key_file: Path | None = None
    """A file that holds the key; it comes before the environment."""
    max_connections: int = Field(20, ge=1, le=10_000)
    """Connections of this process to the service, shared by all sessions."""
    connect_timeout: float = Field(5.0, gt=0, le=60)
    """For a connection to be made, and for one of `max_connections` to become free."""
    first_audio_timeout: float = Field(5.0, gt=0, le=120)
    """From text to the first audio."""
    stall_timeout: float = Field(5.0, gt=0, le=120)
    """Between two pieces of audio."""
    languages: frozenset[str] = frozenset()
    """Languages that the chosen voice speaks; empty if any."""
    typical_latency: float | None = Field(None, ge=0, le=60)
    """From text to the first audio, as measured."""
    cost: float | None = Field(None, ge=0)
    """US dollars for 1,000 characters."""


@dataclass(slots=True)
class VoiceUsage:
    """What a voice was used for since it was made."""

    streams: int = 0
    characters: int = 0
    """Characters sent to the service, by which it charges."""
    audio_bytes: int = 0


def compressed_form(data: bytes) -> str:
    """Return the name of the audio format that begins like `data`, which should be raw PCM; empty if it may be PCM."""
    return next((form for mark, form in _MARKS.items() if data.startswith(mark)), "")
