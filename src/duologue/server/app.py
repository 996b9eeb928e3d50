"""The ASGI application: the stream, the console, and what an orchestrator asks."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import ceil
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from duologue.engine.admission import REASONS
from duologue.errors import DuologueError, OverloadedError
from duologue.server.backend import Backend
from duologue.server.closing import GOING_AWAY, Closing
from duologue.server.connection import Connection
from duologue.server.console import console_routes
from duologue.server.gate import Gate
from duologue.server.origins import TRUSTED_PROXIES, Origins, Refusal
from duologue.server.report import Report, total
from duologue.server.sockets import connection_of
from duologue.server.stream import Stream, StreamLimits

__all__ = ["MAX_CONNECTIONS", "Service", "create_app", "service_of"]

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 1000
"""Connections held at once, those without a session among them."""

REFUSALS: Final = (*REASONS, "connections", "loading", "shutdown", "other")
"""What a connection may be sent away for: each is a counter of its own, `refused_…`."""

RETRY_AFTER: Final = 5.0
"""Seconds after which one that found too many connections may try again."""

STREAM_PATH: Final = "/v1/stream"

NO_STREAM: Final = Refusal(404, "not_found", "There is no stream at this path.", f"The path is {STREAM_PATH}.")
NOT_A_SOCKET: Final = Refusal(426, "upgrade_required", "This is the address of a WebSocket.", "See docs/protocol.md.")

DRAIN_TIMEOUT: Final = 3.0
"""Seconds that clients have to be told that the server ends."""


class Service:
    """What the routes share: the backend, once it is there, and the open connections."""

    def __init__(self, limits: StreamLimits, max_connections: int) -> None:
        self.limits = limits
        self.failure: Exception | None = None
        """What kept the backend from being built."""
        self.max_connections = max_connections
        """Connections held at once; whoever listens lowers it to what the process has descriptors for."""
        self.gate: Gate | None = None
        """The sockets, once somebody listens."""
        self._backend: Backend | None = None
        self._draining = False
        self._streams: dict[Stream, asyncio.Task[None] | None] = {}
        self._came = 0
        self._refused = dict.fromkeys(REFUSALS, 0)
        self._dropped = 0
        self._born = time.monotonic()
        self.pid = os.getpid()
        self.others: Sequence[Report] = ()
        """What the other workers last told, where there are several."""

    @property
    def takes_sessions(self) -> bool:
        """Whether one would be let in now."""
        try:
            self.backend()
        except DuologueError:
            return False
        return True

    @property
    def connections(self) -> int:
        """Those that are open."""
        return len(self._streams)

    def report(self) -> Report:
        """What this process does and has done."""
        return {
            "pid": self.pid,
            "ready": self.takes_sessions,
            "up_s": round(time.monotonic() - self._born, 1),
            "connections": len(self._streams),
            **self._sockets(),
            "sessions": sum(stream.conversing for stream in self._streams),
            "came": self._came,
            "refused": sum(self._refused.values()),
            **{f"refused_{reason}": count for reason, count in self._refused.items()},
            "dropped_samples": self._dropped + sum(stream.dropped for stream in self._streams),
            **(self._backend.counters() if self._backend is not None else {}),
        }

    def _sockets(self) -> Report:
        gate = self.gate
        if gate is None:
            return {}
        return {
            "sockets": len(gate),
            "sockets_waiting": gate.waiting,
            "sockets_expired": gate.expired,
            "sockets_evicted": gate.evicted,
            "sockets_turned_away": gate.turned_away,
        }

    def backend(self, *, held: int = 0) -> Backend:
        """The backend, for a caller that holds `held` connections itself.

        Raises OverloadedError where it takes no session now, or what kept it from being built.
        """
        if self.failure is not None:
            known = isinstance(self.failure, DuologueError)
            raise self.failure if known else DuologueError("The server cannot work.", hint="Its log says why.")
        if self._draining:
            raise OverloadedError("The server is shutting down.", reason="shutdown")
        if self._backend is None:
            raise OverloadedError(
                "The models are being loaded.", hint="Try again in a moment.", retry_after=1.0, reason="loading"
            )
        if len(self._streams) - held >= self.max_connections:
            raise OverloadedError(
                f"The server holds {self.max_connections} connections, and no more.",
                retry_after=RETRY_AFTER,
                reason="connections",
            )
        self._backend.check()
        return self._backend

    async def keep(self, build: Callable[[], AbstractAsyncContextManager[Backend]], end: asyncio.Event) -> None:
        """Build the backend and hold it until `end`; a failure is kept, for `/ready` and for the process to end by."""
        try:
            async with build() as self._backend:
                await end.wait()
        except Exception as error:
            if end.is_set():
                raise
            if not isinstance(error, DuologueError):
                log.exception("The server cannot work.")
            self.failure = error
        finally:
            self._backend = None

    async def serve(self, connection: Connection) -> None:
        """One connection, from its acceptance to its end."""
        stream = Stream(connection, self.limits)
        self._streams[stream] = asyncio.current_task()
        self._came += 1
        try:
            await stream.run(partial(self.backend, held=1))
        finally:
            del self._streams[stream]
            if (refusal := stream.refusal) is not None:
                self._refused[refusal.reason if refusal.reason in self._refused else "other"] += 1
            self._dropped += stream.dropped

    async def drain(self) -> None:
        """Take nothing new, tell every client that the server ends, and wait until they are told."""
        self._draining = True
        for stream in self._streams:
            stream.stop(Closing(GOING_AWAY, "shutdown"))
        running = [task for task in self._streams.values() if task is not None]
        if running:
            await asyncio.wait(running, timeout=DRAIN_TIMEOUT)


def service_of(app: Starlette) -> Service:
    """The service behind an application that `create_app` made."""
    service = app.state.service
    assert isinstance(service, Service)
    return service


def create_app(
    build: Callable[[], AbstractAsyncContextManager[Backend]],
    *,
    allowed_origins: Sequence[str] = (),
    limits: StreamLimits | None = None,
    max_connections: int = MAX_CONNECTIONS,
    trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
) -> Starlette:
    """The application over the backend that `build` makes; it is built while `/live` already answers.

    `allowed_origins` are pages of other hosts that may connect, as `https://example.com` or `example.com`; `*` is any.
    `trusted_proxies` are addresses or networks whose forwarding headers are believed. Raises ConfigError where one of
    these cannot be meant.
    """
    origins = Origins(allowed_origins, trusted_proxies)
    service = Service(limits or StreamLimits(), max_connections)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        end = asyncio.Event()
        keeper = asyncio.create_task(service.keep(build, end), name="duologue.backend")
        try:
            yield
        finally:
            await service.drain()
            end.set()
            await keeper

    async def stream(socket: WebSocket) -> None:
        refusal = origins.refusal(socket)
        if refusal is not None:
            await socket.send_denial_response(_denial(refusal))
            return
        await socket.accept()
        await service.serve(connection_of(socket.scope))

    async def nowhere(socket: WebSocket) -> None:
        await socket.send_denial_response(_denial(NO_STREAM))

    async def no_socket(request: Request) -> JSONResponse:
        """Answer a page whose WebSocket was refused: a browser does not tell it why."""
        return _denial(origins.refusal(request) or NOT_A_SOCKET)

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> JSONResponse:
        try:
            service.backend()
        except DuologueError as error:
            if any(other["ready"] for other in service.others):
                return JSONResponse({"ready": True})
            headers = {} if error.retry_after is None else {"Retry-After": str(ceil(error.retry_after))}
            return JSONResponse({"ready": False, **error.as_dict()}, 503, headers)
        return JSONResponse({"ready": True})

    async def ops(request: Request) -> JSONResponse:
        if (refusal := origins.host_refusal(request)) is not None:
            return _denial(refusal)
        workers = [service.report(), *service.others]
        return JSONResponse({"workers": workers, "sum": total(workers)}, headers={"Cache-Control": "no-store"})

    app = Starlette(
        routes=[
            WebSocketRoute(STREAM_PATH, stream),
            WebSocketRoute("/{path:path}", nowhere),
            Route(STREAM_PATH, no_socket, methods=["GET", "POST"]),
            Route("/live", live),
            Route("/ready", ready),
            Route("/ops", ops),
            *console_routes(origins),
        ],
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _denial(refusal: Refusal) -> JSONResponse:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if refusal.status == 426 else {}
    return JSONResponse(refusal.as_dict(), refusal.status, {"Cache-Control": "no-store", **headers})
