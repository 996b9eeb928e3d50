"""uvicorn as this server needs it: no compression, prompt notice of stuck clients, and a goodbye to each client."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from duologue.server.app import service_of
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["Listener"]

SEND_BUFFER_BYTES: Final = 65_536
"""What the kernel holds for a client; its own choice can be a minute of audio, and hides a stuck client so long."""

MAX_UNREAD: Final = 16
"""Messages of a client that may wait to be handled before nothing more is read from it."""

LINGER: Final = 1.0
"""Seconds that a connection has for its last bytes and its closing handshake."""

PONG_TIMEOUT: Final = 10.0
"""Seconds until a missing pong ends the connection."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, for many small messages, and for clients that never take their last bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what waits in the kernel and in asyncio."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def send_receive_event_to_app(self) -> None:
        """Queue a message, and stop reading only where several wait.

        uvicorn stops and starts for each message, which costs two system calls and more time than the message does.
        """
        keep_reading = not self.read_paused and self.queue.qsize() < MAX_UNREAD
        if keep_reading:
            self.read_paused = True
        super().send_receive_event_to_app()
        if keep_reading:
            self.read_paused = False

    async def run_asgi(self) -> None:
        """Run the application, and cut the connection a little after it has returned."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(LINGER, self.transport.abort)


class Listener(uvicorn.Server):
    """Serves an application of `create_app` on a TCP port; 0 takes any free one.

    Clients are pinged each `keep_alive` seconds, or never where it is None. Ends when the backend cannot be built, and
    then `run` and `serve` raise what kept it from it.
    """

    def __init__(
        self,
        app: Starlette,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        keep_alive: float | None = 30.0,
        **options: Any,
    ) -> None:
        self._service = service_of(app)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                ws=StreamProtocol,
                ws_per_message_deflate=False,
                # Twice the limit, so that a message a little too long gets an answer that says so.
                ws_max_size=2 * MAX_MESSAGE_BYTES,
                ws_ping_interval=keep_alive,
                ws_ping_timeout=PONG_TIMEOUT,
                timeout_graceful_shutdown=5,
                lifespan="on",
                **options,
            )
        )

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal or `should_exit`."""
        await super().serve(sockets)
        if self._service.failure is not None:
            raise self._service.failure

    async def on_tick(self, counter: int) -> bool:
        """True when it is time to end."""
        return await super().on_tick(counter) or self._service.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to the clients before uvicorn closes their connections."""
        await self._service.drain()
        await super().shutdown(sockets)

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return int(self.servers[0].sockets[0].getsockname()[1])
