"""What recognizers that are services share: settings, and the count of their use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["RecognizerUsage", "ServiceSettings", "SocketSettings"]


class ServiceSettings(BaseModel):
    """Settings that each recognizer of a service has. Times are in seconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key_file: Path | None = None
    """A file that holds the key; it comes before the environment."""
    connect_timeout: float = Field(5.0, gt=0, le=60)
    """For a connection to be made and accepted."""
    stall_timeout: float = Field(10.0, gt=0, le=120)
    """How long nothing may come while audio is sent."""
    typical_latency: float | None = Field(0.3, ge=0, le=60)
    """From the end of speech to its words, until it has been measured."""
    cost: float | None = Field(None, ge=0)
    """US dollars for an hour of streamed audio, in place of the list price."""


class SocketSettings(ServiceSettings):
    """Settings of each recognizer over a WebSocket."""

    ping_interval: float = Field(5.0, gt=0, le=60)
    """Seconds between pings of the connection..."""
    ping_timeout: float = Field(5.0, gt=0, le=60)
    """...and to the answer, after which the connection counts as lost."""
    finalize_timeout: float = Field(1.0, gt=0, le=10)
    """For the answer to a request for finals."""
    max_connections: int = Field(1000, ge=1, le=10_000)
    """Connections of this process to the service: one for each call, and those that are kept ready."""
    warm_connections: int = Field(0, ge=0, le=100)
    """Connections that are opened before the first call, and kept ready for calls in the recognizer's language."""

    @model_validator(mode="after")
    def _check_warm_connections(self) -> Self:
        if self.warm_connections > self.max_connections:
            raise ValueError("warm_connections must not exceed max_connections")
        return self


@dataclass(slots=True)
class RecognizerUsage:
    """What a recognizer was used for since it was made, by all sessions."""

    streams: int = 0
    streamed_s: float = 0.0
    """Seconds of audio sent through streams."""
    requests: int = 0
    requested_s: float = 0.0
    """Seconds of audio sent in requests for whole utterances."""
    tokens: int = 0
    """Tokens that the service counted, where it counts them."""
    unknown_messages: int = 0
    """Messages of a type that the adapter does not know."""
