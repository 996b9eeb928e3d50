"""Settings of ElevenLabs' voices, and the address that they make."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import quote, urlencode

from pydantic import Field

from duologue.tts.websocket import SocketSettings, socket_base

__all__ = ["DEFAULT_MODEL", "ElevenLabsSettings", "socket_url"]

DEFAULT_MODEL: Final = "eleven_flash_v2_5"


class ElevenLabsSettings(SocketSettings):
    """Settings of a voice of ElevenLabs."""

    voice: str = Field(min_length=1, max_length=200)
    """The id of the voice."""
    model: str = Field(DEFAULT_MODEL, min_length=1, max_length=200)
    base_url: str = "wss://api.elevenlabs.io"
    rate: Literal[8000, 16000, 22050, 24000, 44100] = 24_000
    language: str | None = Field(None, min_length=2, max_length=3)
    """ISO 639-1 code that the model is held to; not every model takes one."""
    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    style: float | None = Field(None, ge=0, le=1)
    use_speaker_boost: bool | None = None
    speed: float | None = Field(None, ge=0.7, le=1.2)
    text_normalization: Literal["auto", "on", "off"] = "auto"
    alignment: bool = True
    """The model says when its words sound."""
    enable_logging: bool = True
    """False asks for zero retention, which only some plans have."""
    keep_alive: float = Field(10.0, gt=0, le=60)
    """Seconds after which a stream that waits for text asks the service to go on waiting."""
    inactivity_timeout: int = Field(20, ge=1, le=180)
    """Seconds after which the service ends a stream that says nothing."""


def socket_url(settings: ElevenLabsSettings) -> str:
    """Return the address of the multi-context WebSocket. Raises ConfigError for a base_url that is no address."""
    base = socket_base(settings.base_url, "wss://api.elevenlabs.io")
    query = {
        "model_id": settings.model,
        "output_format": f"pcm_{settings.rate}",
        "inactivity_timeout": str(settings.inactivity_timeout),
        "sync_alignment": str(settings.alignment).lower(),
        "auto_mode": "true",
        "apply_text_normalization": settings.text_normalization,
        "enable_logging": str(settings.enable_logging).lower(),
    }
    if settings.language is not None:
        query["language_code"] = settings.language
    return f"{base}/v1/text-to-speech/{quote(settings.voice, safe='')}/multi-stream-input?{urlencode(query)}"
