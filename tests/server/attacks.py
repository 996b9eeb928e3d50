"""A client that keeps to no rule, and an ordinary one beside it, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fake_backend import DEADLINE, FakeBackend, FakeSession, listening
from websockets.asyncio.client import ClientConnection, connect

from duologue.server.app import create_app
from duologue.server.limits import StreamLimits
from duologue.server.listener import Listener
from duologue.wire.frames import pack

__all__ = ["Attacker", "Neighbor", "Site", "frame", "handshake", "site"]

START = '{"type": "start", "version": 1, "greeting": false}'


def frame(opcode: int, data: bytes = b"", *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it; its mask is zeros, which is allowed, and cheap."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mask | len(data)])
    elif len(data) < 65_536:
        head += struct.pack("!BH", mask | 126, len(data))
    else:
        head += struct.pack("!BQ", mask | 127, len(data))
    return head + (bytes(4) if masked else b"") + data


def handshake(address: str, extra: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


class Attacker:
    """A socket that sends what it likes. What it receives is thrown away, but for the code of a close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reads: bool) -> None:
        self._reader = reader
        self._writer = writer
        self.closed_with: int | None = None
        self.is_closed = asyncio.Event()
        self.errors: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read()) if reads else None

    async def send(self, data: bytes, *, within: float = DEADLINE) -> bool:
        """False where the server closed the connection, or took nothing for so long."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(within):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return False
        return not self.is_closed.is_set()

    async def _read(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                first, second = await self._reader.readexactly(2)
                size = second & 127
                if size == 126:
                    (size,) = struct.unpack("!H", await self._reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
                data = await self._reader.readexactly(size)
                if first & 15 == 8:
                    self.closed_with = struct.unpack("!H", data[:2])[0] if data else 1005
                elif first & 15 == 1 and (message := json.loads(data))["type"] == "error":
                    self.errors.append(message)
        self.is_closed.set()

    async def ends(self) -> int | None:
        """Wait for the server to close the connection; the code."""
        async with asyncio.timeout(DEADLINE):
            await self.is_closed.wait()
        return self.closed_with

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._writer.transport.abort()


class Neighbor:
    """An ordinary call: frames of 20 ms and a question now and then, each of which must be answered."""

    def __init__(self, socket: ClientConnection, session: FakeSession) -> None:
        self._socket = socket
        self._session = session
        self._position = 0
        self._asked = 0

    async def converse(self, turns: int = 3) -> None:
        for _ in range(turns):
            for _ in range(5):
                await self._socket.send(pack(self._position, 0, bytes(640)))
                self._position += 320
                await asyncio.sleep(0.02)
            self._asked += 1
            await self._socket.send(json.dumps({"type": "ping", "id": self._asked}))
            async with asyncio.timeout(DEADLINE):
                while json.loads(await self._socket.recv()) != {"type": "pong", "id": self._asked}:
                    pass
        assert len(self._session.heard) == 2 * self._position


class Site:
    """A server, its address, and whoever connects to it."""

    def __init__(self, listener: Listener, address: str, backend: FakeBackend) -> None:
        self.listener = listener
        self.address = address
        self.backend = backend
        self._attackers: list[Attacker] = []

    async def attacker(self, *, starts: bool = True, reads: bool = True) -> Attacker:
        host, _, port = self.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(handshake(self.address))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head
        attacker = Attacker(reader, writer, reads=reads)
        self._attackers.append(attacker)
        if starts:
            await attacker.send(frame(1, START.encode()))
            await self.backend.session()
        return attacker

    @asynccontextmanager
    async def neighbor(self) -> AsyncIterator[Neighbor]:
        async with connect(f"ws://{self.address}/v1/stream", proxy=None, compression=None) as socket:
            await socket.send(START)
            assert json.loads(await socket.recv())["type"] == "started"
            yield Neighbor(socket, await self.backend.session())

    async def is_empty(self) -> None:
        """Wait until nothing is left of those who have gone."""
        async with asyncio.timeout(DEADLINE):
            while len(self.listener.gate):
                await asyncio.sleep(0.01)

    def leave(self) -> None:
        for attacker in self._attackers:
            attacker.close()


@asynccontextmanager
async def site(websockets: str, limits: StreamLimits | None = None, **options: Any) -> AsyncIterator[Site]:
    backend = FakeBackend()
    async with listening(create_app(backend.build, limits=limits), websockets=websockets, **options) as (
        listener,
        address,
    ):
        served = Site(listener, address, backend)
        try:
            yield served
            served.leave()
            await served.is_empty()
        finally:
            served.leave()
