"""Settings of OpenAI's Realtime transcription, and the configuration of a session that follows from them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from duologue.services import socket_address
from duologue.stt.service import SocketSettings

__all__ = ["SENT_RATE", "OpenAIRealtimeSettings"]

SENT_RATE: Final = 24_000
"""Samples a second that OpenAI takes: no other rate of PCM."""

Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class OpenAIRealtimeSettings(SocketSettings):
    """Settings of the recognizer behind a Realtime transcription session. Times are in seconds."""

    model: str = Field("gpt-live-transcribe", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][\w.:/-]*$")
    """`gpt-live-transcribe` and `gpt-realtime-whisper` give words while the user speaks, `gpt-transcribe` after it."""
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key, if not `OPENAI_API_KEY`."""
    language: str | None = Field(None, min_length=2, max_length=10)
    """Of calls that do not name theirs."""
    keyterm: tuple[Term, ...] = Field((), max_length=100)
    """Names and terms to expect. Not with `gpt-realtime-whisper`."""
    prompt: str | None = Field(None, min_length=1, max_length=4096)
    """What the speech is about, in words. Not with `gpt-realtime-whisper`."""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """How long the model waits before it gives words: longer is more accurate. Not with `gpt-transcribe`."""
    noise_reduction: Literal["near_field", "far_field"] | None = None
    """OpenAI's own noise reduction, for a headset or for a microphone farther away."""
    finalize_timeout: float = Field(3.0, gt=0, le=10)
    """For the transcript of a segment, from its commit or its last words."""
    typical_latency: float | None = Field(0.5, ge=0, le=60)
    """From the end of speech to its words, until it has been measured."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        return socket_address(url, "https://api.openai.com/v1")

    @model_validator(mode="after")
    def _check_model(self) -> OpenAIRealtimeSettings:
        refused = {"gpt-realtime-whisper": ("keyterm", "prompt"), "gpt-transcribe": ("delay",)}.get(self.model, ())
        for name in refused:
            if getattr(self, name):
                raise ValueError(f"{name} is not taken by {self.model}")
        return self

    def session(self, language: str | None) -> dict[str, Any]:
        """The configuration of a transcription session."""
        transcription: dict[str, Any] = {"model": self.model}
        optional = {
            "language": language or self.language,
            "keywords": list(self.keyterm),
            "prompt": self.prompt,
            "delay": self.delay,
        }
        transcription |= {name: value for name, value in optional.items() if value}
        audio: dict[str, Any] = {
            "format": {"type": "audio/pcm", "rate": SENT_RATE},
            "transcription": transcription,
            "turn_detection": None,  # the session decides turns, and the newest models refuse any
        }
        if self.noise_reduction is not None:
            audio["noise_reduction"] = {"type": self.noise_reduction}
        return {"type": "transcription", "audio": {"input": audio}}
