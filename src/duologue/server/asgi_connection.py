"""The WebSocket of a stream under any ASGI server: its messages pass through `receive` and `send`."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.websockets import WebSocket

from duologue.server.close_codes import NORMAL, RESTART
from duologue.server.connection import Connection, Receiver
from duologue.server.sockets import MEANT

__all__ = ["AsgiConnection"]

log: Final = logging.getLogger(__name__)

MAX_UNSENT: Final = 16
"""Messages that wait for the ASGI server before the client counts as one that takes nothing."""

LINGER: Final = 1.0
"""Seconds that the last messages have when the session is over."""


class AsgiConnection:
    """A Connection over an accepted WebSocket of Starlette.

    Two tasks, one that reads and one that writes, pass on what the ASGI server and the stream hand over: more work for
    each message than under duologue's own listener, which needs neither.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._receiver: Receiver | None = None
        self._unsent: deque[dict[str, Any]] = deque()
        self._has_unsent = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self._blocked = False
        self._closing = False
        """The closing handshake has begun, or the client has gone."""

    async def run(self, serve: Callable[[Connection], Awaitable[None]]) -> None:
        """Have `serve` hold the connection, and close it in order."""
        reader = asyncio.create_task(self._read(), name="duologue-asgi-read")
        writer = asyncio.create_task(self._write(), name="duologue-asgi-write")
        code = NORMAL
        try:
            await serve(self)
        except asyncio.CancelledError:
            code = RESTART  # by a server that ends before the application does: the client may come back
            raise
        finally:
            self._put({"type": "websocket.close", "code": code})  # unless it has been closed
            await asyncio.wait([writer], timeout=LINGER)
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def attach(self, receiver: Receiver) -> None:
        """Tell `receiver` what happens from now on."""
        self._receiver = receiver
        if self._closing:
            self._lost()

    def establish(self) -> None:
        """The session has begun, and the ASGI server has no deadline for that."""

    def write(self, message: str | bytes) -> None:
        """Send a text or binary message."""
        kind = "text" if isinstance(message, str) else "bytes"
        self._put({"type": "websocket.send", kind: message})

    def finish(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        self._put({"type": "websocket.close", "code": code, "reason": reason})
        self._reads.set()

    def pause_reading(self) -> None:
        """Read nothing more; the ASGI server holds the client back once its own buffer is full."""
        self._reads.clear()

    def resume_reading(self) -> None:
        """Resume reading."""
        self._reads.set()

    def _put(self, message: dict[str, Any]) -> None:
        if self._closing:
            return
        self._closing = message["type"] == "websocket.close"
        self._unsent.append(message)
        self._has_unsent.set()
        if len(self._unsent) > MAX_UNSENT and not self._blocked and self._receiver is not None:
            self._blocked = True
            self._receiver.pause_writing()

    async def _read(self) -> None:
        while True:
            await self._reads.wait()
            try:
                message = await self._socket.receive()
            except Exception as error:  # which one depends on the server: nothing more comes
                log.debug("No message could be received: %s.", type(error).__name__)
                self._lost()
                return
            if message["type"] != "websocket.receive":
                self._lost(meant=message.get("code") in MEANT)
                return
            data = message.get("bytes")
            if data is None:
                data = message.get("text")
            if data is not None and self._receiver is not None:
                self._receiver.received(data)

    async def _write(self) -> None:
        while True:
            while self._unsent:
                message = self._unsent.popleft()
                try:
                    await self._socket.send(message)
                except Exception as error:  # which one depends on the server: the client is gone
                    log.debug("A message could not be sent: %s.", type(error).__name__)
                    self._lost()
                    return
                if message["type"] == "websocket.close":
                    return
                if self._blocked and not self._unsent:
                    self._blocked = False
                    if self._receiver is not None:
                        self._receiver.resume_writing()
            if self._closing:
                return
            self._has_unsent.clear()
            await self._has_unsent.wait()

    def _lost(self, *, meant: bool = False) -> None:
        self._closing = True
        self._unsent.clear()
        self._has_unsent.set()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(meant=meant)
