"""The WebSocket of a stream under uvicorn, whose handshake is the application's and whose messages go past it."""

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
"""What the kernel holds for a client; its own choice can be a minute of audio, and hides a stuck client so long."""

READ_BYTES: Final = 16_384
"""Read at once; asyncio's own 256 KiB are mapped and unmapped for each read, which costs more than all else in it."""

MEANT: Final = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY)
"""With these codes a client ends its call. One that closes without a code, or with another, may come back."""

MAX_PARTS: Final = 1024
"""Frames that one message may come in."""

START_TIMEOUT: Final = 40.0
"""Seconds from the handshake until the session has begun; the stream itself waits for less, and says why it ends."""

PIECE_BYTES: Final = 4096
"""Bytes that are parsed at once."""

LINGER: Final = 1.0
"""Seconds that a connection has for its last bytes and its closing handshake."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket as a Connection.

    Its handshake, its pings and its end are uvicorn's. Messages do not pass through ASGI, where each costs a queue, a
    task's turn and several dictionaries.
    """

    # uvicorn sets these; their types are declared for type checkers, which must not guess them.
    close_sent: bool
    close_timer: asyncio.TimerHandle | None
    frames: list[bytes]
    handshake_complete: bool
    pong_timer: asyncio.TimerHandle | None
    read_paused: bool

    _receiver: Receiver | None = None
    _guest: Guest | None = None
    _blocked = False
    """The client does not take what is written."""
    _held_back = False
    """Reading was held back since the last look at it: what the client sent meanwhile may wait before its pong."""
    _unread = b""
    """What was read before reading was held back, and has not been taken."""
    _meant = False
    """The connection ends because one side wants it to, and not because it broke."""
    _parts = 0
    """Frames of the message that is coming."""

    def take_over_from(self, guest: Guest) -> None:
        """The socket of this guest is a WebSocket now."""
        self._guest = guest
        guest.allow(START_TIMEOUT)

    def establish(self) -> None:
        """The session has begun: the socket may stay as long as it lasts."""
        if self._guest is not None:
            self._guest.establish()

    async def send(self, message: ASGISendEvent) -> None:
        """Take what the application answers to the handshake."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # uvicorn would report an application that did not answer.

    def attach(self, receiver: Receiver) -> None:
        """Tell `receiver` what happens from now on."""
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

    def pause_reading(self) -> None:
        """Read nothing more."""
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

    # What asyncio and uvicorn tell.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what is read at once, and what waits in the kernel."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Let the application find the connection."""
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
        """It does again."""
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
        """No pong has come: it may be behind audio that was held back, and is waited for again."""
        if self._held_back and self.ping_timeout is not None:
            self._held_back = self.read_paused
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            self._give_up()

    def _give_up(self) -> None:
        super().keepalive_timeout()

    def send_keepalive_ping(self) -> None:
        """Ask for a sign of life."""
        self._held_back = self.read_paused
        super().send_keepalive_ping()

    def data_received(self, data: bytes) -> None:
        """Take what has been read, in pieces: a read may hold thousands of frames, which others need not wait for."""
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
        """Take what was read until reading is held back; the rest waits as if it were unread."""
        unread = self._unread
        while unread and not (self.handshake_complete and self.read_paused):
            piece, unread = unread[:PIECE_BYTES], unread[PIECE_BYTES:]
            # What is taken may have it all taken, in the same call.
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
        """Run the application, and cut the connection a little after it has returned."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(LINGER, self.transport.abort)

    def _lost(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(meant=self._meant)
