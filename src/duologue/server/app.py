"""The ASGI application: the stream, the console, and what an orchestrator asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import ceil
from typing import Final

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from duologue.errors import ConfigError, DuologueError, InvalidStateError
from duologue.server.asgi_connection import AsgiConnection
from duologue.server.backend import Backend
from duologue.server.connection import Connection, Handshake, connection_of
from duologue.server.console import console_routes
from duologue.server.limits import StreamLimits
from duologue.server.origins import TRUSTED_PROXIES, Origins, Refusal
from duologue.server.registry import ConnectionRegistry
from duologue.server.report import total
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import decode
from duologue.telemetry.prometheus import CONTENT_TYPE, render
from duologue.telemetry.turns import summary

__all__ = ["MAX_CONNECTIONS", "VoiceApp", "create_app"]

MAX_CONNECTIONS: Final = 1000
"""Connections held at once, those without a session among them."""

STREAM_PATH: Final = "/v1/stream"

NOT_A_SOCKET: Final = Refusal(426, "upgrade_required", "This is the address of a WebSocket.", "See docs/protocol.md.")

NO_LIFESPAN: Final = """Its lifespan does not run: the application that it is mounted in has to run it, as
    voice = duologue.asgi(agent)
    app = FastAPI(lifespan=voice.lifespan)
or, in a lifespan of its own, with `async with voice.lifespan(app):` around the `yield`."""


class VoiceApp(Starlette):
    """An ASGI application that holds conversations; alone, or mounted in another one that runs its `lifespan`."""

    def __init__(
        self,
        build: Callable[[], AbstractAsyncContextManager[Backend]],
        origins: Origins,
        limits: StreamLimits,
        max_connections: int,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.registry = ConnectionRegistry(limits, max_connections, telemetry)
        self._build = build
        self._origins = origins
        super().__init__(
            routes=[
                WebSocketRoute(STREAM_PATH, self._stream),
                WebSocketRoute("/{path:path}", self._nowhere),
                Route(STREAM_PATH, self._no_socket, methods=["GET", "POST"]),
                Route("/live", self._live),
                Route("/ready", self._ready),
                Route("/ops", self._ops),
                Route("/metrics", self._metrics),
                *console_routes(origins),
            ],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Load the models and serve while this context is open; then tell every client goodbye.

        `app` is whatever runs it, and is not looked at: this is what FastAPI and Starlette take as `lifespan=`. Raises
        InvalidStateError if it runs already.
        """
        if self.registry.started:
            raise InvalidStateError("The lifespan of this application runs already.", hint="Run it once.")
        self.registry.started = True
        end = asyncio.Event()
        keeper = asyncio.create_task(self.registry.keep(self._build, end), name="duologue.backend")
        try:
            yield
        finally:
            await self.registry.drain()
            end.set()
            try:
                await keeper
            finally:
                self.registry.started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request or a connection. Raises ConfigError if the lifespan does not run."""
        if scope["type"] != "lifespan" and not self.registry.started:
            raise ConfigError("This duologue application has not been started.", hint=NO_LIFESPAN)
        await super().__call__(scope, receive, send)

    async def _stream(self, socket: WebSocket) -> None:
        refusal = self._origins.refusal(socket)
        if refusal is not None:
            await socket.send_denial_response(_denial(refusal))
            return
        handshake = self._handshake(socket)
        await socket.accept()
        connection = connection_of(socket.scope)
        if connection is not None:
            await self.registry.serve(connection, handshake)
            return

        async def serve(connection: Connection) -> None:
            await self.registry.serve(connection, handshake)

        await AsgiConnection(socket).run(serve)

    def _handshake(self, socket: HTTPConnection) -> Handshake:
        claims = socket.scope.get("state", {}).get("claims")
        return Handshake(
            client=self._origins.client(socket),
            headers=dict(socket.headers),
            query=dict(socket.query_params),
            claims=dict(claims) if isinstance(claims, dict) else {},
        )

    async def _nowhere(self, socket: WebSocket) -> None:
        path = socket.scope.get("root_path", "") + STREAM_PATH
        await socket.send_denial_response(
            _denial(Refusal(404, "not_found", "There is no stream at this path.", f"The path is {path}."))
        )

    async def _no_socket(self, request: Request) -> JSONResponse:
        """Answer a page whose WebSocket was refused: a browser does not tell it why."""
        return _denial(self._origins.refusal(request) or NOT_A_SOCKET)

    async def _live(self, _: Request) -> JSONResponse:
        return JSONResponse({"live": True})

    async def _ready(self, _: Request) -> JSONResponse:
        try:
            self.registry.backend()
        except DuologueError as error:
            if any(other["ready"] for other in self.registry.others):
                return JSONResponse({"ready": True})
            headers = {} if error.retry_after is None else {"Retry-After": str(ceil(error.retry_after))}
            return JSONResponse({"ready": False, **error.as_dict()}, 503, headers)
        return JSONResponse({"ready": True})

    async def _ops(self, request: Request) -> JSONResponse:
        if (refusal := self._origins.host_refusal(request)) is not None:
            return _denial(refusal)
        workers = [self.registry.report(), *self.registry.others]
        state = self.registry.telemetry_state()
        shown = {
            "workers": workers,
            "sum": total(workers),
            "turns": summary(state["turns"], time.time()),
            "blocks": state["blocks"],
        }
        return JSONResponse(shown, headers={"Cache-Control": "no-store"})

    async def _metrics(self, request: Request) -> Response:
        """A page for Prometheus: what this process, or all workers together, have measured."""
        if (refusal := self._origins.host_refusal(request)) is not None:
            return _denial(refusal)
        page = render(decode(self.registry.telemetry_state()["metrics"]))
        return Response(page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


def create_app(
    build: Callable[[], AbstractAsyncContextManager[Backend]],
    *,
    allowed_origins: Sequence[str] = (),
    limits: StreamLimits | None = None,
    max_connections: int = MAX_CONNECTIONS,
    trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
    telemetry: Telemetry | None = None,
) -> VoiceApp:
    """The application over the backend that `build` makes; it is built while `/live` already answers.

    `allowed_origins` are pages of other hosts that may connect, as `https://example.com` or `example.com`; `*` is any.
    `trusted_proxies` are addresses or networks whose forwarding headers are believed. `telemetry` is what the backend
    reports to. Raises ConfigError where one of these cannot be meant.
    """
    origins = Origins(allowed_origins, trusted_proxies)
    return VoiceApp(build, origins, limits or StreamLimits(), max_connections, telemetry)


def _denial(refusal: Refusal) -> JSONResponse:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if refusal.status == 426 else {}
    return JSONResponse(refusal.as_dict(), refusal.status, {"Cache-Control": "no-store", **headers})
