"""What providers that call a service over HTTP share: validated options, keys, and the meaning of refusals."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

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

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "ReloadsKey",
    "error_code",
    "error_for",
    "http_address",
    "read_key",
    "retry_after",
    "socket_address",
    "validated",
]

MAX_KEY_BYTES: Final = 4096
MAX_RETRY_AFTER_S: Final = 86_400.0

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
        "concurrency_limited",
        "concurrent_limit_exceeded",
        "max_active_conversations",
        "rate_limit_exceeded",
        "system_busy",
        "too_many_concurrent_requests",
        "too_many_requests",
    }
)

S = TypeVar("S", bound="BaseModel")


def validated(kind: type[S], name: str, options: Mapping[str, Any]) -> S:
    """Return the settings of the provider `name`. Raises ConfigError, which names each option that is wrong."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(
            f"The settings of {name} are not valid: {wrong}.", hint=f"The options are: {', '.join(kind.model_fields)}."
        ) from None


def http_address(url: str, example: str) -> str:
    """Return an address of HTTP without its last slash. Raises ValueError, with words that follow the option's name."""
    return _address(url, ("http", "https"), example).geturl()


def socket_address(url: str, example: str) -> str:
    """Return the `ws://` or `wss://` address for one of HTTP or of a WebSocket. Raises as `http_address` does."""
    parts = _address(url, ("ws", "wss", "http", "https"), example)
    return parts._replace(scheme=parts.scheme.replace("http", "ws")).geturl()


def _address(url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """The parts of an address to which a connection can be made. A user's name or a query in it would be sent on."""
    address = url.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or any(map(str.isspace, address)))
        is_address = parts.scheme in schemes and bool(parts.hostname) and is_plain
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"must be an address such as {example}")
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("must have a port from 1 to 65535")
    return parts


def read_key(path: Path | None, variable: str | None, *, optional: bool = False) -> str | None:
    """Return the key from the file at `path`, or else from an environment variable.

    Raises ConfigError if the file cannot be read, or if there is no key; None if it is `optional` and not set.
    """
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
        key = os.environ.get(variable, "").strip() if variable else ""
        if not key and optional:
            return None
    if not key or len(key) > MAX_KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        hint = f"Set {variable}, or api_key_file to a file with the key." if variable else "It must hold only the key."
        raise ConfigError(f"{where} holds no key.", hint=hint)
    return key


class ReloadsKey:
    """Base of providers whose key may stand in a file that is read again while calls run."""

    _key_file: Path | None = None
    """None if the key is not from a file."""
    _key_headers: dict[str, str]
    _key_header = ""
    _key_form = "{}"

    def _keep_key(self, headers: dict[str, str], header: str, form: str, file: Path | None) -> None:
        """Have `reload_key` write the key of `file` into `headers`, in this form; None: it is not from a file."""
        self._key_headers, self._key_header, self._key_form, self._key_file = headers, header, form, file

    def reload_key(self) -> bool:
        """Read the key from its file again, for connections that are opened later; False if it is not from a file.

        Raises ConfigError if the file holds no key: the old one stays.
        """
        if self._key_file is None:
            return False
        self._key_headers[self._key_header] = self._key_form.format(read_key(self._key_file, None))
        return True


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
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if isfinite(seconds) else None


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


def error_for(
    name: str, status: int | None, code: str = "", wait: float | None = None, *, bad_audio: bool = False
) -> DuologueError:
    """Return the error of the tree for the HTTP status of a refusal, or for the service's own code, which says more.

    `wait` is what `Retry-After` asks for, in seconds; `bad_audio`: the service says that the audio is wrong.
    """
    said = " ".join(filter(None, [str(status or ""), code]))
    said = f" ({said})" if said else ""
    if code in _QUOTA or status == 402:
        return QuotaExceededError(f"{name} says that the account is used up{said}.", provider=name)
    if code in _RATE or status == 429:
        return RateLimitedError(f"{name} asks for fewer requests{said}.", provider=name, retry_after=wait)
    if code in _AUTHENTICATION or status in (401, 403):
        return AuthenticationError(f"{name} does not accept the key{said}.", provider=name)
    if status in (408, 504):
        return DeadlineError(f"{name} did not answer in time{said}.", provider=name, retry_after=wait)
    if status is not None and status >= 500:
        return ProviderUnavailableError(f"{name} is unavailable{said}.", provider=name, retry_after=wait)
    if bad_audio:
        return InvalidAudioError(f"{name} does not accept the audio{said}.", provider=name)
    if status in (404, 405):
        return ProviderError(f"{name} is not there{said}.", provider=name, hint="Check base_url, and the model's name.")
    return ProviderError(
        f"{name} rejected the request{said}.", provider=name, hint="Check base_url, the model and its settings."
    )
