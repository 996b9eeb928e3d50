"""The interface between a stream and its WebSocket, the same for all listeners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

__all__ = ["CONNECTION", "Connection", "Handshake", "Receiver", "connection_of"]

CONNECTION: Final = "duologue.connection"
"""The extension of the ASGI scope that is the Connection, under a listener of duologue's."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that opened a connection."""

    client: str = ""
    """Address of the client."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What a token, or a middleware of the application, has proven of the caller."""
    bound: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The only `agent`, `voice` and `language` that the call may have, where a token says so."""
    reconnects: bool = False
    """The first message has to name a call by its resume token; nothing else is proven."""


class Receiver(Protocol):
    """Receives the messages and the end of a connection. Plain calls on the loop's thread, made when it happens."""

    def received(self, message: str | bytes) -> None:
        """A whole message has come."""
        ...

    def overhead(self) -> None:
        """A frame has come that is no message by itself: a ping, a pong, or a part."""
        ...

    def pause_writing(self) -> None:
        """The client takes nothing more for now; what is written all the same waits in memory."""
        ...

    def resume_writing(self) -> None:
        """The client reads again."""
        ...

    def lost(self, *, meant: bool = False) -> None:
        """The connection is over; no call follows.

        `meant`: a side ends it for good, and it did not just break.
        """
        ...


class Connection(Protocol):
    """One client's WebSocket, once its handshake is done. No call waits or fails; on a lost one they do nothing."""

    def attach(self, receiver: Receiver) -> None:
        """Tell `receiver` what happens from now on."""
        ...

    def establish(self) -> None:
        """The session has begun."""
        ...

    def write(self, message: str | bytes) -> None:
        """Send a text or binary message."""
        ...

    def finish(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        ...

    def pause_reading(self) -> None:
        """Read nothing more; what has been read already may still come."""
        ...

    def resume_reading(self) -> None:
        """Resume reading."""
        ...


def connection_of(scope: Any) -> Connection | None:
    """The connection behind an ASGI scope, which has it no more; None if another protocol holds the socket."""
    return cast(Connection | None, (scope.get("extensions") or {}).pop(CONNECTION, None))
