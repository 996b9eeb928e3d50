"""A WebSocket to the server, for very many small messages from one loop: plain calls in both directions."""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from functools import cache
from importlib.util import find_spec
from typing import Final, Literal, Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from duologue.errors import DeadlineError, DuologueError, OverloadedError, StreamError
from duologue.wire.frames import MAX_MESSAGE_BYTES

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

__all__ = ["Ears", "Kind", "Line", "best_kind", "open_line", "refusal"]

Kind = Literal["picows", "websockets"]

_LENGTH: Final = struct.Struct(">H")
_SHORT, _MEDIUM = 126, 65536


class Ears(Protocol):
    """Who is told what comes over a line. Plain calls on the loop's thread."""

    def text(self, message: str) -> None:
        """A message came."""
        ...

    def sound(self, message: bytes) -> None:
        """A frame of sound came, with its header."""
        ...

    def closed(self, code: int | None, reason: str) -> None:
        """Nothing more will come; no code where the connection broke off. Called once."""
        ...


class Line(Protocol):
    """An open connection."""

    def say(self, message: str) -> None:
        """Send a message."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame of sound."""
        ...

    def close(self) -> None:
        """Close; `closed` follows."""
        ...

    def abort(self) -> None:
        """Cut the connection, without waiting for the other side."""
        ...


async def open_line(url: str, ears: Ears, *, timeout: float = 10.0, kind: Kind | None = None) -> Line:
    """Connect; over the best package that is installed, unless `kind` names one.

    Raises OverloadedError where the server is full, DeadlineError after `timeout` seconds, else StreamError.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _open(url, ears, kind or best_kind())
    except TimeoutError:
        raise DeadlineError(f"{url} did not answer in {timeout:g} s.") from None
    except InvalidURI as error:
        raise StreamError(str(error), hint="An address looks like ws://127.0.0.1:8000/v1/stream.") from None
    except OSError as error:
        raise StreamError(f"{url} cannot be reached: {error}", hint="Is the server running?") from error


@cache
def best_kind() -> Kind:
    """Which package carries the lines of this process: picows where it is installed."""
    return "picows" if find_spec("picows") is not None else "websockets"


async def _open(url: str, ears: Ears, kind: Kind) -> Line:
    if kind == "picows":
        from duologue.callers.line_picows import open_picows

        return await open_picows(url, ears)
    uri = parse_uri(url)
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[None] = loop.create_future()
    context = ssl.create_default_context() if uri.secure else None
    transport, line = await loop.create_connection(
        lambda: _WebSocket(uri, ears, connected), uri.host, uri.port, ssl=context
    )
    try:
        await connected
    except BaseException:
        transport.abort()
        raise
    return line


def refusal(url: str, status: int, retry_after: float | None) -> DuologueError:
    """The error for an answer that opens no WebSocket."""
    if status == 503:
        return OverloadedError(f"{url} answers that it is full.", retry_after=retry_after)
    return StreamError(f"{url} answers with HTTP status {status} and not with a WebSocket.", hint="Check the address.")


class _WebSocket(asyncio.Protocol):
    """websockets' protocol without its tasks, queues and locks; frames of sound are masked and written here."""

    def __init__(self, uri: WebSocketURI, ears: Ears, connected: asyncio.Future[None]) -> None:
        self._uri = uri
        self._ears = ears
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
