"""A proxy between a page and its server: it rewrites the host, answers itself, holds messages back, or closes."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Between", "between"]


class Between:
    """A proxy that passes each connection on to a server, or does what a test asks for."""

    def __init__(self, upstream: str) -> None:
        self.answer: bytes | None = None
        """An HTTP answer to all further requests, in the place of the server's."""
        self.port = 0
        self.passing = asyncio.Event()
        """Nothing passes while it is not set."""
        self.passing.set()
        self._upstream = upstream
        self._to_clients: set[asyncio.StreamWriter] = set()

    def close_streams(self, code: int, reason: str) -> None:
        """Close each WebSocket in the server's name."""
        payload = struct.pack(">H", code) + reason.encode()
        for writer in self._to_clients:
            writer.write(bytes([0x88, len(payload)]) + payload)
            writer.close()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                writer.close()
                return
            is_stream = b"upgrade: websocket" in head.lower()
            host, port = self._upstream.split(":")
            from_server, to_server = await asyncio.open_connection(host, int(port))
            head = head.replace(f"Host: 127.0.0.1:{self.port}".encode(), f"Host: {self._upstream}".encode())
            to_server.write(head if is_stream else head.replace(b"keep-alive", b"close"))
            if is_stream:
                self._to_clients.add(writer)
            await asyncio.gather(self._pass(reader, to_server), self._pass(from_server, writer))
            self._to_clients.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self.passing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def between(upstream: str) -> AsyncIterator[Between]:
    """A proxy before the server at `upstream`, on a free port."""
    proxy = Between(upstream)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.passing.set()
        server.close()
