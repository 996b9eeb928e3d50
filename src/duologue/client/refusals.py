"""Errors for a server's refusals and close codes."""

from __future__ import annotations

import json

from websockets.exceptions import ConnectionClosed

from duologue.errors import (
    AuthenticationError,
    DuologueError,
    OverloadedError,
    RateLimitedError,
    StreamError,
    error_class,
)
from duologue.wire.messages import Error

__all__ = ["as_exception", "broken", "refusal"]

_TRY_AGAIN = 1013


def as_exception(message: Error) -> DuologueError:
    """The error in a message, as the class with its code."""
    kind = error_class(message.code) or StreamError
    return kind(message.message, hint=message.hint, provider=message.provider, retry_after=message.retry_after_s)


def refusal(url: str, status: int, body: bytes | bytearray | None) -> DuologueError:
    """The error for an answer to a handshake that opens no WebSocket."""
    told = _told(body)
    if status == 503:
        return OverloadedError(f"{url} answers that it is full.")
    if status == 401:
        hint = told.get("hint") or "Check the token."
        return AuthenticationError(f"{url} does not let this client in. {told.get('message', '')}".rstrip(), hint=hint)
    if status == 429:
        return RateLimitedError(f"{url} takes no more calls of this client for now.", hint=told.get("hint"))
    if status == 403:
        hint = told.get("hint") or "Check the key, or the allowed origins."
        return AuthenticationError(f"{url} does not let this client in. {told.get('message', '')}".rstrip(), hint=hint)
    hint = f"Check the address. {told.get('hint', '')}".rstrip()
    return StreamError(f"{url} answers with HTTP status {status} and not with a WebSocket.", hint=hint)


def _told(body: bytes | bytearray | None) -> dict[str, str]:
    """The strings in the answer's body, where it is an object of JSON; a proxy may answer with anything."""
    try:
        told = json.loads(body or b"")
    except ValueError:
        return {}
    return {key: text[:500] for key, text in told.items() if isinstance(text, str)} if isinstance(told, dict) else {}


def broken(error: ConnectionClosed) -> DuologueError:
    """The error for a connection that was closed."""
    close = error.rcvd
    if close is None:
        return StreamError("The connection broke off without a word.")
    if close.code == _TRY_AGAIN:
        return OverloadedError(f"The server closed the connection: {close.reason or 'it is full'}.")
    return StreamError(f"The server closed the connection with code {close.code}: {close.reason or 'no reason'}.")
