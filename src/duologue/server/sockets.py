"""The WebSocket of a stream under uvicorn: its handshake passes through the application, its messages do not.

The module is over 300 lines because it is one protocol class, of which uvicorn and asyncio each call a part.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from duologue.server.connection import CONNECTION, Receiver
from duologue.server.framing import websocket_frame
from duologue.server.gate import Guest
from duologue.wire.frames import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["MAX_SIZE", "StreamProtocol"]

MAX_SIZE: Final = 2 * MAX_MESSAGE_BYTES
"""Bytes beyond which a message ends the connection: twice the limit, so that one a little too long is answered."""

SEND_BUFFER_BYTES: Final = 65_536
"""Send buffer of the kernel; its default can hold a minute of audio, and hide a stuck client as long."""

READ_BYTES: Final = 16_384
"""Bytes read at once; asyncio maps and unmaps its own 256 KiB for each read, which costs more than the rest of it."""

MEANT: Final = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY)
"""Close codes with which a client ends its call. After any other, or none, it may come back."""

MAX_PARTS: Final = 1024
"""Frames in one message, at most."""

MAX_DISCARDED: Final = 1_048_576
"""Bytes that a client may send after our close, with FRAME_BYTES for each frame, until its socket is closed."""

FRAME_BYTES: Final = 8

START_TIMEOUT: Final = 40.0
"""Seconds from the handshake until the session has begun; the stream itself waits for less, and says why it ends."""

PIECE_BYTES: Final = 4096
"""Bytes that are parsed at once."""

LINGER: Final = 1.0
"""Seconds that a connection has for its last bytes and its closing handshake."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket as a Connection.

    uvicorn does the handshake, the pings and the close. Messages do not pass through ASGI, where each would cost a
    queue, a switch of tasks and several dictionaries.
    """

    # uvicorn sets these without annotations; they are declared so that type checkers need not infer them.
    close_sent: bool
    close_timer: asyncio.TimerHandle | None
    frames: list[bytes]
    handshake_complete: bool
    pong_timer: asyncio.TimerHandle | None
    read_paused: bool

    _receiver: Receiver | None = None
    _guest: Guest | None = None
    _blocked = False
    """The client does not read what is written."""
    _held_back = False
    """Reading was paused since the last check, so unread messages may precede the client's pong."""
    _unread = b""
    """Bytes that were read before reading was paused, and not parsed yet."""
    _meant = False
    """The connection is closed by one side, and not lost."""
    _parts = 0
    """Frames so far of an incomplete message."""
    _discarded = 0
    """Bytes that came after our close."""

    def take_over_from(self, guest: Guest) -> None:
        """Take over the socket of a guest, which is a WebSocket now."""
        self._guest = guest
        guest.allow(START_TIMEOUT)

    def establish(self) -> None:
        """The session has begun: the socket may stay as long as it lasts."""
        if self._guest is not None:
            self._guest.establish()

    async def send(self, message: ASGISendEvent) -> None:
        """Send the application's answer to the handshake."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # uvicorn would report an application that did not answer.

    def attach(self, receiver: Receiver) -> None:
        """Call `receiver` from now on."""
        self._receiver = receiver
        if self.disconnected:
            self._lost()

    def write(self, message: str | bytes) -> None:
        """Send a message as one frame."""
        if self.conn.state is State.OPEN and not self.close_sent and not self.transport.is_closing():
            self.transport.write(websocket_frame(message))

    def finish(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the connection ends with it, or LINGER after the application has returned."""
        if self.conn.state is State.OPEN and not self.close_sent:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        self.resume_reading()

    def discard(self, size: int) -> None:
        """Count what comes after our close; where it is too much, the client's own close is not waited for."""
        self._discarded += size + FRAME_BYTES
        if self._discarded > MAX_DISCARDED:
            self.transport.close()

    def pause_reading(self) -> None:
        """Stop reading."""
        if not self.read_paused:
            self.read_paused = True
            self._held_back = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading, unless the client takes nothing: what is read may have to be answered."""
        if self.read_paused:
            self.read_paused = False
            if self._unread:
                self.loop.call_soon(self._take_pieces)
            if not self._blocked:
                self.transport.resume_reading()

    # Callbacks of asyncio and uvicorn.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the size of a read, and of the kernel's send buffer."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Put the connection into the scope for the application."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast(dict[str, Any], self.scope["extensions"])[CONNECTION] = self

    def send_receive_event_to_app(self) -> None:
        """Hand a message to the stream."""
        receiver = self._receiver
        if receiver is None:
            super().send_receive_event_to_app()
            return
        frames, self.frames = self.frames, []
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        if self.close_sent:
            self.discard(len(data))
            return
        if self.curr_msg_data_type == "bytes":
            receiver.received(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            receiver.received(text)

    def handle_close(self, event: Frame) -> None:
        """The client closes the connection."""
        super().handle_close(event)
        close = self.conn.close_rcvd
        self._meant = close is not None and close.code in MEANT
        self._lost()

    def handle_parser_exception(self) -> None:
        """The client broke the rules of WebSockets."""
        super().handle_parser_exception()
        self._meant = True
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        if self._guest is not None:
            self._guest.leave()
        self._lost()

    def shutdown(self) -> None:
        """The server ends; if there was time, the closing handshake has begun."""
        super().shutdown()
        self._meant = True
        self._lost()

    def pause_writing(self) -> None:
        """The client does not keep up: read nothing that would have to be answered, such as pings."""
        super().pause_writing()
        self._blocked = True
        self.transport.pause_reading()
        if self._receiver is not None:
            self._receiver.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._blocked = False
        if not self.read_paused:
            self.transport.resume_reading()
        if self._receiver is not None:
            self._receiver.resume_writing()

    def handle_ping(self) -> None:
        """Answer a ping, and count it."""
        super().handle_ping()
        self._count_overhead()

    def handle_pong(self, event: Frame) -> None:
        """Take a pong, and count it."""
        super().handle_pong(event)
        self._count_overhead()

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message, and count it."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many parts")
            self.handle_parser_exception()
            return
        if event.fin:
            self._parts = 0
        else:
            self._count_overhead()
        super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        """Wait again for a pong that may be behind audio in a paused socket; else give up the client."""
        if self._held_back and self.ping_timeout is not None:
            self._held_back = self.read_paused
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            self._give_up()

    def _give_up(self) -> None:
        super().keepalive_timeout()

    def send_keepalive_ping(self) -> None:
        """Send a ping."""
        self._held_back = self.read_paused
        super().send_keepalive_ping()

    def data_received(self, data: bytes) -> None:
        """Parse a read in pieces: it may hold thousands of frames, and other connections must not wait for that."""
        if len(data) > PIECE_BYTES or self._unread:
            self._unread += data
            self._take_pieces()
        else:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_broken_handshake()

    def _refuse_broken_handshake(self) -> None:
        if self.conn.handshake_exc is None or self.transport.is_closing():
            return
        self.handshake_complete = self.close_sent = True
        body = b"The handshake is not one of WebSockets."
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()

    def _take_pieces(self) -> None:
        """Parse what was read until reading is paused; the rest is kept."""
        unread = self._unread
        while unread and not (self.handshake_complete and self.read_paused):
            piece, unread = unread[:PIECE_BYTES], unread[PIECE_BYTES:]
            # Parsing a piece may call this method again and parse all of it.
            self._unread = unread
            super().data_received(piece)
            if not self.handshake_initiated:
                self._refuse_broken_handshake()
            unread = self._unread
            if self.transport.is_closing():
                self._unread = b""
                return

    def _count_overhead(self) -> None:
        if self._receiver is not None:
            self._receiver.overhead()

    async def run_asgi(self) -> None:
        """Run the application, and drop the connection LINGER seconds after it has returned."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(LINGER, self.transport.abort)

    def _lost(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(meant=self._meant)
