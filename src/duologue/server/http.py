"""uvicorn's HTTP protocol as a guest of the gate: with deadlines for the request and for taking the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from duologue.server.gate import Guest
from duologue.server.sockets import StreamProtocol

__all__ = ["HttpProtocol"]


class HttpProtocol(H11Protocol):
    """A socket from its acceptance to its end, or until it becomes a WebSocket."""

    def __init__(self, guest: Guest, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self.guest = guest

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The socket is ready."""
        super().connection_made(transport)
        self.guest.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        super().connection_lost(exc)
        self.guest.leave()

    def on_response_complete(self) -> None:
        """Another request may come."""
        self.guest.allow(self.guest.gate.request_timeout)
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the socket over."""
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        assert isinstance(protocol, StreamProtocol)
        protocol.take_over_from(self.guest)
