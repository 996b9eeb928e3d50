"""An open connection of a caller to the server, whichever package carries it: plain calls in both directions."""

from __future__ import annotations

from typing import Protocol

from duologue.errors import DuologueError, OverloadedError, StreamError

__all__ = ["CallerConnection", "ConnectionObserver", "refusal"]


class ConnectionObserver(Protocol):
    """Receives what arrives over a connection. Plain calls on the loop's thread."""

    def text(self, message: str) -> None:
        """A message came."""
        ...

    def sound(self, message: bytes) -> None:
        """A frame of sound came, with its header."""
        ...

    def closed(self, code: int | None, reason: str) -> None:
        """Nothing more will come; no code where the connection broke off. Called once."""
        ...


class CallerConnection(Protocol):
    """An open connection."""

    def say(self, message: str) -> None:
        """Send a message."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame of sound."""
        ...

    def close(self) -> None:
        """Close; `closed` follows."""
        ...

    def abort(self) -> None:
        """Cut the connection, without waiting for the other side."""
        ...


def refusal(url: str, status: int, retry_after: float | None) -> DuologueError:
    """The error for an answer that opens no WebSocket."""
    if status == 503:
        return OverloadedError(f"{url} answers that it is full.", retry_after=retry_after)
    if status in (401, 403):
        return StreamError(
            f"{url} refuses callers with HTTP status {status}.",
            hint="A server that asks for tokens can be called with --chaos and --token.",
        )
    return StreamError(f"{url} answers with HTTP status {status} and not with a WebSocket.", hint="Check the address.")
