"""What the stand-ins for recognizers that stream share: dialing, faults, and frames of audio.

They read the words of `duologue.testing.spoken`.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from duologue.testing.spoken import understand_words

RETRY_AFTER = 7
RATE = 16_000

Fault = Literal[
    "",
    "hang_up",
    "no_handshake",
    "unauthorized",
    "forbidden",
    "quota",
    "rate_limited",
    "bad_request",
    "bad_audio",
    "unavailable",
    "redirect",
    "stall",
    "half_open",
    "drop",
    "ends",
    "garbage",
    "binary",
    "wrong_fields",
    "error",
    "server_error",
    "audio_refused",
    "slow",
    "no_answer",
]
"""One of these a connection. From `hang_up` to `redirect` it is not accepted. The others begin with the first words:
`stall` says nothing more, and `half_open` does not answer pings either; `drop` cuts the connection inside a word, and
`ends` closes it as if all were well; `garbage` to `audio_refused` send what is no message, or an error of the vendor.
`slow` is late with each message, `no_answer` leaves the first `Finalize` without one."""


class RecognizerServer(ABC):
    """Serves streams. `faults` are for the first connections, one each; `idle_timeout` ends a stream that is silent."""

    refusals: ClassVar[dict[str, tuple[int, Any, dict[str, str]]]]
    """Status, body and headers of the answer to a handshake, for each fault that is one."""

    def __init__(self, faults: Iterable[Fault] = (), *, idle_timeout: float = 10.0) -> None:
        self.url = ""
        self.problems: list[str] = []
        """What clients did that the reference does not allow."""
        self.queries: list[list[tuple[str, str]]] = []
        """Of the connections that were accepted."""
        self.received: list[str] = []
        """Types of the messages that came."""
        self.traces: list[str | None] = []
        """The header `traceparent` of each handshake."""
        self.open = 0
        """Streams that are open now."""
        self.idle_timeout = idle_timeout
        self.dialed = asyncio.Event()
        self.misbehaves = asyncio.Event()
        self._faults = deque(faults)
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle, "127.0.0.1", 0, process_request=self._admit, ping_interval=None, close_timeout=0.2
        )
        self.url = f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(self, *args: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in [*self._server.connections]:
            connection.transport.abort()
        await self._server.wait_closed()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.dialed.set()
        self.traces.append(request.headers.get("traceparent"))
        fault = self._faults.popleft() if self._faults else ""
        connection.fault = fault  # type: ignore[attr-defined]  # carried to the handler
        if fault == "hang_up":
            connection.transport.abort()
        if fault == "no_handshake":
            await connection.wait_closed()
        if fault in self.refusals:
            return _refuse(connection, *self.refusals[fault])
        refusal = self.admit(request)
        if refusal is None:
            self.queries.append(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
            return None
        return _refuse(connection, *self.refusals[refusal])

    @abstractmethod
    def admit(self, request: Request) -> str | None:
        """Check a handshake; return the fault that it is refused with."""

    @abstractmethod
    def session(self, connection: ServerConnection, path: str, query: dict[str, str]) -> Session:
        """Make the session of a connection."""

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        path = urlsplit(connection.request.path)
        self.open += 1
        try:
            await self.session(connection, path.path, dict(parse_qsl(path.query))).run()
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1


class Session:
    """One stream: reads frames, and answers as the protocol says, or as its fault does."""

    goodbye: ClassVar[str]
    """The message that ends it."""
    texts: frozenset[str] = frozenset()
    """Types of all messages."""
    closes: ClassVar[dict[str, tuple[int, str]]]
    """Code and reason of the close for `server_error` and `audio_refused`."""
    error: ClassVar[dict[str, Any]]
    """A message that reports an error of the service."""

    def __init__(self, server: RecognizerServer, connection: ServerConnection, query: dict[str, str]) -> None:
        self.server, self.connection, self.query = server, connection, query
        self.fault: Fault = connection.fault  # type: ignore[attr-defined]  # set when it was admitted
        self.pcm = bytearray()
        self.start = 0
        """Samples before `pcm`."""
        self.closing = False

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // 2

    async def run(self) -> None:
        await self.begin()
        while not self.closing:
            try:
                async with asyncio.timeout(self.server.idle_timeout):
                    frame = await self.connection.recv()
            except TimeoutError:
                await self.connection.close(1011, "nothing came (NET-0001)")
                return
            if isinstance(frame, bytes):
                if not self.is_audio(frame):
                    await self.refuse(f"a binary frame of {len(frame)} bytes")
                    return
                self.pcm += frame
                await self.listen()
            else:
                await self.obey(frame)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                frame = await self.connection.recv()
                self.server.problems.append(f"{frame[:40]!r} after {self.goodbye}")
        await self.connection.close()

    def is_audio(self, frame: bytes) -> bool:
        """Whether the vendor takes a frame of this size."""
        return bool(frame) and len(frame) % 2 == 0

    async def refuse(self, what: str) -> None:
        self.server.problems.append(what)
        await self.connection.close(*self.closes["audio_refused"])

    async def obey(self, frame: str) -> None:
        try:
            message = json.loads(frame)
        except ValueError:
            message = None
        if not isinstance(message, dict) or set(message) != {"type"} or message["type"] not in self.texts:
            self.server.problems.append(f"the message {frame[:80]!r}")
            await self.send(self.error)
            return
        self.server.received.append(message["type"])
        if message["type"] == self.goodbye:
            self.closing = True
            await self.finish()
        else:
            await self.command(message["type"])

    async def send(self, message: dict[str, Any]) -> None:
        if self.fault == "slow":
            await asyncio.sleep(0.02)
        await self.connection.send(json.dumps(message))

    async def misbehave(self, words: bool) -> bool:
        """Do what goes wrong, once there are words; whether nothing else is to be said."""
        fault = self.fault
        if not words or fault in ("", "slow", "no_answer"):
            return False
        self.server.misbehaves.set()
        if fault == "half_open":
            self.connection.transport.pause_reading()
            await self.connection.wait_closed()
        elif fault == "drop":
            self.connection.transport.abort()
        elif fault == "ends":
            await self.connection.close()
        elif fault in self.closes:
            await self.connection.close(*self.closes[fault])
        elif fault != "stall":
            self.fault = "stall"
            frames: dict[str, str | bytes] = {
                "garbage": "{not json",
                "binary": b"\x00\x01",
                "wrong_fields": json.dumps(self.broken()),
                "error": json.dumps(self.error),
            }
            await self.connection.send(frames[fault])
        return True

    def heard(self) -> list[tuple[str, int, int]]:
        return [(w, self.start + a, self.start + b) for w, a, b in understand_words(bytes(self.pcm))]

    async def begin(self) -> None: ...

    async def listen(self) -> None: ...

    async def command(self, kind: str) -> None: ...

    async def finish(self) -> None: ...

    def broken(self) -> dict[str, Any]:
        return {}


def _refuse(connection: ServerConnection, status: int, body: Any, headers: dict[str, str]) -> Response:
    response = connection.respond(HTTPStatus(status), json.dumps(body))
    for name, value in headers.items():
        response.headers[name] = value
    return response
