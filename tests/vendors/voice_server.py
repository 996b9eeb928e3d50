"""What the stand-ins for voices over a WebSocket share: dialing, faults, and audio that is sent in pieces."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Self

from voice_faults import RETRY_AFTER, Fault
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

CHUNK = 0.25
"""Seconds of audio in a message."""
HALF_OPEN = 0.6
"""Seconds in which a half-open connection reads nothing, pings among it."""


class VoiceSocketServer(ABC):
    """Speaks each text as sound that carries its words. `faults` are for the first connections or contexts."""

    refusals: ClassVar[dict[str, tuple[int, Any]]]
    """Status and body of the answer to a handshake, for each fault that is one."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.url = ""
        self.problems: list[str] = []
        """What clients did that the protocol does not allow."""
        self.connections = 0
        """Connections that were made."""
        self.open = 0
        """Connections that are open now."""
        self.traces: list[str | None] = []
        """The header `traceparent` of each handshake."""
        self.redirect = ""
        """Where connections are redirected to."""
        self.faults = deque(faults)
        """Faults that are still to come."""
        self.latency = 0.0
        """Seconds before the first audio of a text."""
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._handshake, compression=None)
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    @abstractmethod
    def admit(self, request: Request) -> tuple[int, Any] | None:
        """Check a handshake; return the status and the body of a refusal."""

    @abstractmethod
    async def run(self, socket: ServerConnection) -> None:
        """Serve one connection."""

    def take_fault(self, *, of_dialing: bool = False) -> Fault:
        """Return the next fault if it is one of its time, and else none."""
        dialing = (*self.refusals, "hang_up", "no_handshake")
        if self.faults and (self.faults[0] in dialing) == of_dialing:
            return self.faults.popleft()
        return ""

    async def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.connections += 1
        self.traces.append(request.headers.get("traceparent"))
        fault = self.take_fault(of_dialing=True)
        if fault == "hang_up":
            connection.transport.abort()
        if fault == "no_handshake":
            await connection.wait_closed()
        if self.redirect:
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = self.redirect + request.path
            return response
        refusal = self.refusals[fault] if fault in self.refusals else self.admit(request)
        if refusal is None:
            return None
        status, body = refusal
        response = connection.respond(HTTPStatus(status), json.dumps(body))
        if fault == "rate_limited":
            response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        self.open += 1
        try:
            await self.run(socket)
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1

    async def utter(
        self,
        socket: ServerConnection,
        fault: Fault,
        pcm: bytes,
        rate: int,
        send: Callable[[bytes, float, float], Awaitable[None]],
    ) -> None:
        """Send audio by `send(piece, begin, end)`, with the times of the piece in seconds; or what goes wrong."""
        if fault == "stall_first":
            await asyncio.Event().wait()
        if fault == "garbage":
            await socket.send("{]")
            return
        if self.latency:
            await asyncio.sleep(self.latency)
        size = 701 if fault == "slow" else round(CHUNK * rate) * 2
        for at in range(0, len(pcm), size):
            piece = pcm[at : at + size]
            data = b"ID3" + piece if fault == "wrong_format" else piece
            await send(data, at / 2 / rate, (at + len(piece)) / 2 / rate)
            if fault == "half_open":
                transport = socket.transport
                transport.pause_reading()
                asyncio.get_running_loop().call_later(HALF_OPEN, transport.resume_reading)
            if fault in ("stall", "half_open"):
                await asyncio.Event().wait()
            if fault == "drop":
                socket.transport.abort()
                return
