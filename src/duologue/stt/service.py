"""What recognizers that are services share: settings, keys, the errors of HTTP, and the count of their use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    InvalidAudioError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)

__all__ = ["RecognizerUsage", "ServiceSettings", "error_for_status", "read_key", "retry_after", "validated"]

MAX_KEY_BYTES: Final = 4096
MAX_RETRY_AFTER_S: Final = 86_400.0


class ServiceSettings(BaseModel):
    """Settings that each recognizer of a service has. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

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


S = TypeVar("S", bound=BaseModel)


@dataclass(slots=True)
class RecognizerUsage:
    """What a recognizer was used for since it was made, by all sessions."""

    streams: int = 0
    streamed_s: float = 0.0
    """Seconds of audio sent through streams."""
    requests: int = 0
    requested_s: float = 0.0
    """Seconds of audio sent in requests for whole utterances."""
    unknown_messages: int = 0
    """Messages of a type that the adapter does not know."""


def validated(kind: type[S], name: str, options: Mapping[str, Any]) -> S:
    """The settings of the recognizer `name`. Raises ConfigError, which names each option that is wrong."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors(include_input=False)
        )
        options_of_kind = ", ".join(kind.model_fields)
        raise ConfigError(
            f"The settings of {name} are not valid: {wrong}.", hint=f"The options are: {options_of_kind}."
        ) from None


def read_key(path: Path | None, variable: str) -> str:
    """The key from the file at `path`, or else from an environment variable. Raises ConfigError if there is none."""
    if path is not None:
        where = f"The file {path}"
        try:
            key = path.read_bytes()[: MAX_KEY_BYTES + 1].decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{where} cannot be read: {type(error).__name__}.", hint="Correct api_key_file, or its permissions."
            ) from None
    else:
        where = f"The environment variable {variable}"
        key = os.environ.get(variable, "").strip()
    if not key or len(key) > MAX_KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{where} holds no key.", hint=f"Set {variable}, or api_key_file to a file with the key.")
    return key


def retry_after(value: str | None) -> float | None:
    """The seconds of a `Retry-After` header, which is a number or a date; None if it is neither."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if isfinite(seconds) else None


def error_for_status(name: str, status: int, *, wait: float | None = None, bad_audio: bool = False) -> DuologueError:
    """The error of the tree for the HTTP status of a refusal; `bad_audio`: the service says that the audio is wrong."""
    if status in (401, 403):
        return AuthenticationError(f"{name} does not accept the key ({status}).", provider=name)
    if status == 402:
        return QuotaExceededError(f"{name} says that the account is used up ({status}).", provider=name)
    if status == 429:
        return RateLimitedError(f"{name} asks for fewer requests ({status}).", provider=name, retry_after=wait)
    if status in (408, 504):
        return DeadlineError(f"{name} did not answer in time ({status}).", provider=name, retry_after=wait)
    if status >= 500:
        return ProviderUnavailableError(f"{name} is unavailable ({status}).", provider=name, retry_after=wait)
    if bad_audio or status in (413, 415):
        return InvalidAudioError(f"{name} does not accept the audio ({status}).", provider=name)
    hint = "Check the model, the language and base_url."
    return ProviderError(f"{name} rejects the request ({status}).", provider=name, hint=hint)
