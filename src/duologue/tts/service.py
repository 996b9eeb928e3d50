"""What voices that are services share: settings, keys, errors and the count of what they were used for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)

__all__ = [
    "ServiceSettings",
    "VoiceUsage",
    "compressed_form",
    "error_code",
    "error_for",
    "read_key",
    "retry_after",
    "validated",
]

MAX_KEY_BYTES: Final = 4096
MAX_AUDIO_SECONDS: Final = 60.0
"""The longest audio of one stream..."""
MAX_AUDIO_SECONDS_PER_CHAR: Final = 1.0
"""...and so much more for each character of its text."""

_MARKS: Final = {b"RIFF": "WAV", b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC"}
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,60}")
_AUTHENTICATION: Final = frozenset(
    {
        "authentication_error",
        "forbidden",
        "invalid_api_key",
        "invalid_authorization_header",
        "missing_permissions",
        "needs_authorization",
        "unauthorized",
    }
)
_QUOTA: Final = frozenset({"billing_hard_limit_reached", "insufficient_quota", "payment_required", "quota_exceeded"})
_RATE: Final = frozenset(
    {
        "concurrent_limit_exceeded",
        "max_active_conversations",
        "rate_limit_exceeded",
        "system_busy",
        "too_many_concurrent_requests",
        "too_many_requests",
    }
)


class ServiceSettings(BaseModel):
    """Settings that each voice of a service has. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


S = TypeVar("S", bound=ServiceSettings)


@dataclass(slots=True)
class VoiceUsage:
    """What a voice was used for since it was made."""

    streams: int = 0
    characters: int = 0
    """Characters sent to the service, by which it charges."""
    audio_bytes: int = 0


def validated(kind: type[S], name: str, options: Mapping[str, Any]) -> S:
    """Return the settings of the voice `name`. Raises ConfigError, which names each option that is wrong."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise ConfigError(f"The settings of the voice {name} are not valid: {wrong}.") from None


def read_key(settings: ServiceSettings, default_env: str | None) -> str | None:
    """Return the key from the file or the environment, or None if neither is named or set.

    Raises ConfigError if the file cannot be read, or a variable that the settings name is not set.
    """
    if settings.api_key_file is not None:
        try:
            key = settings.api_key_file.read_bytes()[: MAX_KEY_BYTES + 1].decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The key file {settings.api_key_file} cannot be read: {type(error).__name__}.",
                hint="Correct api_key_file, or the permissions of the file.",
            ) from None
        where = f"The key file {settings.api_key_file}"
    else:
        variable = settings.api_key_env or default_env
        key = os.environ.get(variable, "").strip() if variable else ""
        where = f"The environment variable {variable}"
        if not key and settings.api_key_env is None:
            return None
    if not key or len(key) > MAX_KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{where} holds no key.", hint="It must hold the key, and nothing else.")
    return key


def compressed_form(data: bytes) -> str:
    """Return the name of the audio format that begins like `data`, which should be raw PCM; empty if it may be PCM."""
    return next((form for mark, form in _MARKS.items() if data.startswith(mark)), "")


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or a date; None if it is neither."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else None


def error_code(body: Any) -> str:
    """Return the code of a service's error, wherever it stands in the JSON body; empty if there is none.

    Other words of an error are never passed on: they may hold a key, or what was to be said.
    """
    found: list[Any] = []
    for holder in (body, _get(body, "error"), _get(body, "detail")):
        found += [_get(holder, key) for key in ("code", "status", "type", "error")]
    codes = [code for code in found if isinstance(code, str) and _CODE.fullmatch(code)]
    return next((code for code in codes if code in _QUOTA | _AUTHENTICATION | _RATE), codes[0] if codes else "")


def _get(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else None


def error_for(name: str, status: int | None, code: str = "", wait: float | None = None) -> ProviderError:
    """Return the error of the tree for an HTTP status, or for a service's own code, which says more."""
    said = " ".join(filter(None, [str(status or ""), code]))
    said = f" ({said})" if said else ""
    if code in _QUOTA or status == 402:
        return QuotaExceededError(f"{name} says that the account is used up{said}.", provider=name, retry_after=wait)
    if code in _RATE or status == 429:
        return RateLimitedError(f"{name} asks for fewer requests{said}.", provider=name, retry_after=wait)
    if code in _AUTHENTICATION or status in (401, 403):
        return AuthenticationError(f"{name} does not accept the key{said}.", provider=name)
    if status in (408, 504):
        return DeadlineError(f"{name} did not answer in time{said}.", provider=name, retry_after=wait)
    if status is not None and status >= 500:
        return ProviderUnavailableError(f"{name} is unavailable{said}.", provider=name, retry_after=wait)
    if status in (404, 405):
        return ProviderError(
            f"{name} is not there{said}.", provider=name, hint="Check base_url, and the names of the model and voice."
        )
    return ProviderError(
        f"{name} rejected the request{said}.", provider=name, hint="Check the model, the voice and their settings."
    )
