"""A line over websockets' protocol, for very many small messages from one loop."""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from duologue.callers.connection import CallerConnection, ConnectionObserver, refusal
from duologue.errors import StreamError
from duologue.wire.frames import MAX_MESSAGE_BYTES

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

__all__ = ["open_websockets"]

_LENGTH: Final = struct.Struct(">H")
_SHORT, _MEDIUM = 126, 65536


async def open_websockets(url: str, observer: ConnectionObserver) -> CallerConnection:
    """Connect. Raises OverloadedError where the server is full, InvalidURI, OSError and StreamError."""
    uri = parse_uri(url)
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[None] = loop.create_future()
    context = ssl.create_default_context() if uri.secure else None
    transport, line = await loop.create_connection(
        lambda: _WebSocket(uri, observer, connected), uri.host, uri.port, ssl=context
    )
    try:
        await connected
    except BaseException:
        transport.abort()
        raise
    return line


class _WebSocket(asyncio.Protocol):
    """websockets' protocol without its tasks, queues and locks; frames of sound are masked and written here."""

    def __init__(self, uri: WebSocketURI, observer: ConnectionObserver, connected: asyncio.Future[None]) -> None:
        self._uri = uri
        self._ears = observer
        self._connected = connected
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Response):
                self._answered()
        self._flush()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._connected.done():
            self._connected.set_exception(StreamError(f"{self._uri.host} closed the connection at once."))
        self._tell_closed()

    def say(self, message: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(message.encode())
            self._flush()

    def send(self, frame: bytes) -> None:
        if self._protocol.state is State.OPEN and self._transport is not None:
            size = len(frame)
            if not _SHORT <= size < _MEDIUM:
                self._protocol.send_binary(frame)
                self._flush()
                return
            mask = random.randbytes(4)
            self._transport.write(b"\x82\xfe" + _LENGTH.pack(size) + mask + apply_mask(frame, mask))

    def close(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answered(self) -> None:
        error = self._protocol.handshake_exc
        if self._connected.done():
            return
        if error is None:
            self._connected.set_result(None)
        elif isinstance(error, InvalidStatus):
            after = error.response.headers.get("Retry-After", "")
            seconds = float(after) if after.isdigit() else None
            self._connected.set_exception(refusal(self._uri.host, error.response.status_code, seconds))
        else:
            self._connected.set_exception(StreamError(f"{self._uri.host} does not speak WebSocket: {error}"))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._ears.sound(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._ears.text(bytes(frame.data).decode())
        elif frame.opcode is Opcode.CLOSE:
            self._tell_closed()

    def _tell_closed(self) -> None:
        if not self._told:
            self._told = True
            close = self._protocol.close_rcvd
            self._ears.closed(close.code if close else None, close.reason if close else "")

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
