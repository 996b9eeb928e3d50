"""How a connection ends: the codes of the WebSocket's closing handshake, and which error leads to which."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    InputError,
    OverloadedError,
    SessionError,
    SlowClientError,
)

__all__ = [
    "GOING_AWAY",
    "NORMAL",
    "POLICY",
    "RESTART",
    "SERVER_ERROR",
    "TRY_AGAIN",
    "Closing",
    "close_code",
    "close_reason",
    "ending",
    "failure",
    "shutting_down",
]

log: Final = logging.getLogger(__name__)

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
POLICY: Final = 1008
SERVER_ERROR: Final = 1011
RESTART: Final = 1012
"""The process ends; the session can be resumed, and the reason is the token for that."""
TRY_AGAIN: Final = 1013

MAX_CLOSE_REASON_BYTES: Final = 123
"""RFC 6455, section 5.5.1: 125 less the code."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How a connection ends."""

    code: int
    """Of the WebSocket's closing handshake."""
    reason: str
    """As told in `ended`."""
    error: DuologueError | None = None
    """As told before it."""


def close_reason(reason: str) -> str:
    """As much of a reason as the closing frame holds."""
    return reason.encode(errors="replace")[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore")


def close_code(error: DuologueError) -> int:
    """The code for a session that `error` ended."""
    if isinstance(error, OverloadedError):
        return TRY_AGAIN
    by_client = InputError | SessionError | ConfigError | SlowClientError | DeadlineError
    return POLICY if isinstance(error, by_client) else SERVER_ERROR


def ending(reason: str) -> Closing:
    """The end of a connection whose session has ended by itself."""
    if reason in ("error", "sink_failed", "watcher_failed"):
        return Closing(SERVER_ERROR, reason, DuologueError("The session broke off.", hint="Start a new one."))
    return Closing(NORMAL, reason)


def shutting_down() -> OverloadedError:
    """The refusal of a server that ends: the client may try again, there or elsewhere."""
    return OverloadedError("The server is shutting down.", reason="shutdown")


def failure(error: BaseException) -> Closing:
    """The end of a session by an internal fault, which goes to the log and not to the client."""
    log.error("A session broke off.", exc_info=error)
    return Closing(SERVER_ERROR, "error", DuologueError("The server failed.", hint="Its log says why."))
