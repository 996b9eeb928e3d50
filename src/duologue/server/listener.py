"""uvicorn as this server needs it: no compression, prompt notice of stuck clients, and a goodbye to each client.

The WebSockets of `/v1/stream` are held by `sockets.py`, or, where it is asked for, by picows (`fast.py`).
"""

from __future__ import annotations

import socket
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette

from duologue.errors import ConfigError
from duologue.server.app import service_of
from duologue.server.sockets import MAX_SIZE, StreamProtocol

__all__ = ["WEBSOCKETS", "Listener", "protocol_of"]

PONG_TIMEOUT: Final = 10.0
"""Seconds until a missing pong ends the connection."""

WEBSOCKETS: Final = ("uvicorn", "picows")
"""What may hold the WebSockets."""


def protocol_of(websockets: str) -> type[StreamProtocol]:
    """The class that holds WebSockets. Raises ConfigError where there is none of the name, NotInstalledError."""
    if websockets == "uvicorn":
        return StreamProtocol
    if websockets == "picows":
        from duologue.server.fast import PicowsProtocol

        return PicowsProtocol
    raise ConfigError(f"There is no listener {websockets!r}.", hint=f"Choose one of: {', '.join(WEBSOCKETS)}.")


class Listener(uvicorn.Server):
    """Serves an application of `create_app` on a TCP port; 0 takes any free one.

    Clients are pinged each `keep_alive` seconds, or never where it is None.
    `websockets` is what holds the WebSockets, one of WEBSOCKETS; NotInstalledError where that is not installed. Ends
    when the backend cannot be built, and then `run` and `serve` raise what kept it from it.
    """

    def __init__(
        self,
        app: Starlette,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        keep_alive: float | None = 30.0,
        websockets: str = "uvicorn",
        **options: Any,
    ) -> None:
        self._service = service_of(app)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                ws=protocol_of(websockets),
                ws_per_message_deflate=False,
                ws_max_size=MAX_SIZE,
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
