"""The ASGI application: the stream, the console, and health checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import ceil
from typing import Final

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from duologue.errors import ConfigError, DuologueError, InvalidStateError
from duologue.resilience.breaker import BREAKERS
from duologue.server.asgi_connection import AsgiConnection
from duologue.server.auth.authenticator import RECONNECT, TICKET, Authenticator, Caller, NotAllowedError
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import BOUND
from duologue.server.backend import Backend
from duologue.server.close_codes import POLICY
from duologue.server.connection import Connection, Handshake, connection_of
from duologue.server.console import Console
from duologue.server.limits import StreamLimits
from duologue.server.origins import TRUSTED_PROXIES, Origins, Refusal
from duologue.server.registry import ConnectionRegistry
from duologue.server.report import breaker_row, total
from duologue.server.resume.desk import ResumeDesk
from duologue.server.store import StateStore
from duologue.server.store.memory import MemoryStore
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import decode
from duologue.telemetry.prometheus import CONTENT_TYPE, render
from duologue.telemetry.turns import summary
from duologue.telemetry.usage import usage_rows

__all__ = ["MAX_CONNECTIONS", "VoiceApp", "create_app"]

MAX_CONNECTIONS: Final = 1000
"""Connections held at once, those without a session among them."""

STREAM_PATH: Final = "/v1/stream"

DENIAL: Final = "websocket.http.response"
"""The extension of ASGI by which a server answers a handshake with more than status 403."""

NOT_KEPT: Final = {"Cache-Control": "no-store", "Vary": "Accept"}

NOT_A_SOCKET: Final = Refusal(426, "upgrade_required", "This is the address of a WebSocket.", "See docs/protocol.md.")

_EXTRA: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": 'Bearer realm="duologue"'},
    426: {"Upgrade": "websocket", "Connection": "Upgrade"},
    429: {"Retry-After": "5"},
}
"""Headers of refusals by their status."""

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
        authenticator: Authenticator,
        desk: ResumeDesk,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.registry: ConnectionRegistry = ConnectionRegistry(limits, max_connections, telemetry, desk)
        self._build = build
        self._origins = origins
        self._authenticator = authenticator
        console = Console(origins)
        self._page = partial(console.serve, name="ops.html")
        super().__init__(
            routes=[
                WebSocketRoute(STREAM_PATH, self._stream),
                WebSocketRoute("/{path:path}", self._nowhere),
                Route(STREAM_PATH, self._no_socket, methods=["GET", "POST"]),
                Route("/live", self._live),
                Route("/ready", self._ready),
                Route("/ops", self._ops),
                Route("/ops/calls/{call}", self._ops_call),
                Route("/metrics", self._metrics),
                Route("/tickets", self._tickets, methods=["POST"]),
                *console.routes,
            ],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Load the models and serve while this context is open; then close every connection in order.

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
            try:
                await self.registry.drain()
            finally:  # also if a server does not wait so long, and cancels this
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
            await _refuse(socket, refusal)
            return
        try:
            caller = await self._authenticator.caller(socket)
            with self._authenticator.counted(caller.token, self._origins.client(socket)):
                await self._converse(socket, self._handshake(socket, caller))
        except NotAllowedError as error:
            await _refuse(socket, error.refusal)

    async def _converse(self, socket: WebSocket, handshake: Handshake) -> None:
        await socket.accept()
        connection = connection_of(socket.scope)
        if connection is not None:
            await self.registry.serve(connection, handshake)
            return

        async def serve(connection: Connection) -> None:
            await self.registry.serve(connection, handshake)

        await AsgiConnection(socket).run(serve)

    def _handshake(self, socket: HTTPConnection, caller: Caller) -> Handshake:
        claims = socket.scope.get("state", {}).get("claims")
        return Handshake(
            client=self._origins.client(socket),
            headers=dict(socket.headers),
            query={name: value for name, value in socket.query_params.items() if name not in (TICKET, RECONNECT)},
            claims={**(claims if isinstance(claims, dict) else {}), **caller.claims},
            bound={name: caller.claims[name] for name in BOUND if name in caller.claims},
            reconnects=socket.query_params.get(RECONNECT) == "1",
        )

    async def _nowhere(self, socket: WebSocket) -> None:
        path = socket.scope.get("root_path", "") + STREAM_PATH
        await _refuse(socket, Refusal(404, "not_found", "There is no stream at this path.", f"The path is {path}."))

    async def _no_socket(self, request: Request) -> JSONResponse:
        """Tell a page why its WebSocket was refused, which browsers hide."""
        if (refusal := self._origins.refusal(request)) is not None:
            return _denial(refusal)
        try:
            self._authenticator.check(request, "call")
        except NotAllowedError as error:
            return _denial(error.refusal)
        return _denial(NOT_A_SOCKET)

    async def _tickets(self, request: Request) -> JSONResponse:
        """Give the bearer of a token a ticket, with which a page of a browser may open one stream."""
        try:
            if (refusal := self._origins.refusal(request)) is not None:
                raise NotAllowedError(refusal)
            ticket = await self._authenticator.make_ticket(request)
        except NotAllowedError as error:
            return _denial(error.refusal)
        return JSONResponse(ticket, headers={"Cache-Control": "no-store"})

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

    def _ops_refusal(self, request: HTTPConnection) -> Refusal | None:
        """Why this request may not read the state of the server; None if it may."""
        if (refusal := self._origins.host_refusal(request)) is not None:
            return refusal
        try:
            self._authenticator.check(request, "ops")
        except NotAllowedError as error:
            return error.refusal
        return None

    async def _ops(self, request: Request) -> Response:
        """The operations page: HTML for a browser, else JSON."""
        if "text/html" in request.headers.get("accept", "") and self._origins.host_refusal(request) is None:
            return await self._page(request)  # it holds nothing itself, and asks for the rest with a token
        if (refusal := self._ops_refusal(request)) is not None:
            return _denial(refusal)
        workers = [self.registry.report(), *self.registry.others]
        state = self.registry.telemetry_state()
        shown = {
            "at": round(time.time(), 3),
            "workers": workers,
            "sum": total(workers),
            "turns": summary(state["turns"], time.time()),
            "blocks": state["blocks"],
            "calls": state["calls"],
            "usage": usage_rows(decode(state["metrics"])),
            "breakers": [breaker_row(status) for status in BREAKERS.states()],
        }
        return JSONResponse(shown, headers=NOT_KEPT)

    async def _ops_call(self, request: Request) -> Response:
        """One live call, with its turns, whichever worker holds it."""
        if (refusal := self._ops_refusal(request)) is not None:
            return _denial(refusal)
        try:
            page = await self.registry.call_page(request.path_params["call"])
        except DuologueError as error:
            return JSONResponse(error.as_dict(), 503, NOT_KEPT)
        if page is None:
            missing = {"code": "not_found", "message": "There is no such live call.", "hint": "It has ended."}
            return JSONResponse(missing, 404, NOT_KEPT)
        return JSONResponse(page, headers=NOT_KEPT)

    async def _metrics(self, request: Request) -> Response:
        """Metrics for Prometheus, of this process or summed over all workers."""
        if (refusal := self._ops_refusal(request)) is not None:
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
    authenticator: Authenticator | None = None,
    store: StateStore | None = None,
) -> VoiceApp:
    """The application over the backend that `build` makes; it is built while `/live` already answers.

    `allowed_origins` are pages of other hosts that may connect, as `https://example.com` or `example.com`; `*` is any.
    `trusted_proxies` are addresses or networks whose forwarding headers are believed. `authenticator` decides who may
    call; without it everybody may. `store` is where other processes find
    calls to go on with. `telemetry` is what the backend reports to. Raises ConfigError where one of these
    cannot be meant.
    """
    limits = limits or StreamLimits()
    store = MemoryStore() if store is None else store
    return VoiceApp(
        build,
        Origins(allowed_origins, trusted_proxies),
        limits,
        max_connections,
        authenticator or Authenticator(Security(max_calls_per_token=None), store),
        ResumeDesk(store, window=limits.resume_window),
        telemetry,
    )


async def _refuse(socket: WebSocket, refusal: Refusal) -> None:
    """Refuse a handshake; without the reason where the ASGI server can only answer 403."""
    if DENIAL in (socket.scope.get("extensions") or {}):
        await socket.send_denial_response(_denial(refusal))
    else:
        await socket.close(POLICY, refusal.code)


def _denial(refusal: Refusal) -> JSONResponse:
    headers = _EXTRA.get(refusal.status, {})
    return JSONResponse(refusal.as_dict(), refusal.status, {"Cache-Control": "no-store", **headers})
