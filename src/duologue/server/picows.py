"""The WebSocket of a stream held by picows, whose parser and frames are compiled: for many calls in one process."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any, Final

from duologue.errors import NotInstalledError
from duologue.server.sockets import MAX_PARTS, MAX_SIZE, MEANT, StreamProtocol

try:
    from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
    from picows.picows import WSProtocol
except ImportError:
    raise NotInstalledError(
        "The package picows is not installed.", hint="Run `pip install 'duologue[fast]'`, or use the listener uvicorn."
    ) from None

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["PicowsProtocol"]

log: Final = logging.getLogger(__name__)


class _PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """A log adapter for all connections: a violation of the protocol by a client is not an error of the server."""

    def error(self, msg: object, *args: object, **options: Any) -> None:
        level = logging.DEBUG if str(msg).startswith("WS parser error") else logging.ERROR
        self.log(level, msg, *args, **options)


_picows_log: Final = _PicowsLog(log, {})

HANDSHAKE_TIMEOUT: Final = 5.0
"""Seconds."""

MAX_HELD_FRAMES: Final = 500
"""Frames that are no messages, read while reading is held back; a client that sends more is cut off."""
READ_BUFFER: Final = 16_384
"""Bytes kept for each connection; grows up to twice the longest message where one is long."""

TEXT: Final = WSMsgType.TEXT
BINARY: Final = WSMsgType.BINARY


class PicowsProtocol(StreamProtocol):
    """A Connection whose handshake is judged by the application, and which is picows's from the answer on.

    One port and one origin serve pages and streams: uvicorn reads the request, the application accepts it, and picows
    is handed the socket together with a request of the same key.
    """

    close_sent: bool
    close_timer: asyncio.TimerHandle | None
    handshake_complete: bool
    last_ping_rtt: float
    pending_ping_payload: bytes | None
    ping_sent_at: float
    ping_timer: asyncio.TimerHandle | None
    pong_timer: asyncio.TimerHandle | None

    _picows: WSTransport | None = None
    _held_frames = 0
    """Frames that are no messages and came since reading was paused."""
    _owed_pong: bytes | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Take over where the application accepts the connection."""
        if message["type"] == "websocket.accept" and not self.handshake_complete:
            if not self.transport.is_closing():
                self._take_over()
        else:
            await super().send(message)

    def _take_over(self) -> None:
        self.handshake_complete = True
        listener = _Listener(self)
        protocol = WSProtocol(
            None, None, False, lambda _: listener, _picows_log, True, HANDSHAKE_TIMEOUT,
            False, None, None, WSAutoPingStrategy.PING_WHEN_IDLE,  # Its pings know nothing of audio that is held back.
            False, MAX_SIZE, None, READ_BUFFER,
        )  # fmt: skip
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        request = (
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {self.request.headers['Sec-WebSocket-Key']}\r\n\r\n"
        ).encode()
        protocol.get_buffer(-1)[: len(request)] = request
        protocol.buffer_updated(len(request))
        self._picows = protocol.transport
        self.start_keepalive()

    def write(self, message: str | bytes) -> None:
        """Send a message as one frame."""
        picows = self._picows
        if picows is not None and not self.transport.is_closing():
            picows.send(TEXT if isinstance(message, str) else BINARY, message)

    def finish(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        if self._picows is not None and not self.transport.is_closing():
            self._picows.send_close(code, reason)
            self.close_sent = True
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        self.resume_reading()

    def shutdown(self) -> None:
        """The server ends; if there was time, the closing handshake has begun."""
        self.stop_keepalive()
        if self._picows is None:
            super().shutdown()
        elif self.close_sent:
            self.transport.close()
        else:
            self._meant = True
            self._close(WSCloseCode.SERVICE_RESTART)

    def message(self, message: str | bytes) -> None:
        """picows has read a whole one."""
        if self._receiver is not None and not self.close_sent:
            self._receiver.received(message)

    def ping(self, data: bytes) -> None:
        """Answer a ping, and count it; of those that come while reading is held back, the last is answered after it."""
        self._count_overhead()
        if self.read_paused:
            self._owed_pong = data
        elif self._picows is not None and not self.close_sent:
            self._picows.send_pong(data)

    def resume_reading(self) -> None:
        """Go on reading, and answer the last ping."""
        super().resume_reading()
        self._held_frames = 0
        data, self._owed_pong = self._owed_pong, None
        if data is not None and self._picows is not None and not self.close_sent:
            self._picows.send_pong(data)

    def send_keepalive_ping(self) -> None:
        """Send a ping."""
        self.ping_timer = None
        if self._picows is None or self.close_sent or self.transport.is_closing():
            return
        self._held_back = self.read_paused
        self.pending_ping_payload = os.urandom(4)
        self.ping_sent_at = self.loop.time()
        self._picows.send_ping(self.pending_ping_payload)
        if self.ping_timeout is not None:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            self.schedule_ping()

    def pong(self, data: bytes) -> None:
        """Take the answer to our ping, and count it."""
        if data == self.pending_ping_payload and self.pong_timer is not None:
            self.last_ping_rtt = self.loop.time() - self.ping_sent_at
            self.pending_ping_payload = None
            self.pong_timer.cancel()
            self.pong_timer = None
            self.schedule_ping()
        self._count_overhead()

    def _give_up(self) -> None:
        self.pong_timer = self.pending_ping_payload = None
        if not self.close_sent and not self.transport.is_closing():
            self._close(WSCloseCode.INTERNAL_ERROR)

    def part(self) -> None:
        """Count a frame that is no message."""
        self._count_overhead()

    def _count_overhead(self) -> None:
        # One read holds up to 20,000 tiny frames: those after the pause are not charged one by one.
        if not self.read_paused:
            super()._count_overhead()
            return
        self._held_frames += 1
        if self._held_frames > MAX_HELD_FRAMES and not self.close_sent:
            self.fail(WSCloseCode.POLICY_VIOLATION)

    def closed(self, code: int | None) -> None:
        """The client closes the connection, or has answered our close."""
        if self.close_sent:
            self.transport.close()
        else:
            self._meant = code in MEANT
            self._close(code or WSCloseCode.OK)

    def fail(self, code: int) -> None:
        """The client broke the rules of WebSockets."""
        self._meant = True
        self._close(code)

    def _close(self, code: int) -> None:
        assert self._picows is not None
        if not self.close_sent:
            self._picows.send_close(code)
            self.close_sent = True
        self.transport.close()
        self._lost()


class _Listener(WSListener):
    """What picows tells."""

    def __init__(self, protocol: PicowsProtocol) -> None:
        self._protocol = protocol
        self._parts = bytearray()
        self._frames = 0
        self._text = False
        """What the message is whose parts are coming."""
        self._more = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self._protocol.close_sent and kind != WSMsgType.CLOSE:
            self._protocol.discard(len(frame.get_payload_as_memoryview()))
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:  # Compressed, which was never agreed.
            self._protocol.fail(WSCloseCode.PROTOCOL_ERROR)
        elif kind == BINARY and frame.fin and not self._more:
            self._protocol.message(frame.get_payload_as_bytes())
        elif kind == TEXT and frame.fin and not self._more:
            self._take_text(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._protocol.closed(frame.get_close_code())
        elif kind == WSMsgType.PING:
            self._protocol.ping(frame.get_payload_as_bytes())
        elif kind in (BINARY, TEXT, WSMsgType.CONTINUATION):
            self._take_part(frame)
        else:
            self._protocol.pong(frame.get_payload_as_bytes())

    def _take_text(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._protocol.fail(WSCloseCode.INVALID_TEXT)
        else:
            self._protocol.message(text)

    def _take_part(self, frame: WSFrame) -> None:
        first = frame.msg_type != WSMsgType.CONTINUATION
        if first == self._more:
            self._protocol.fail(WSCloseCode.PROTOCOL_ERROR)
            return
        if first:
            self._text = frame.msg_type == TEXT
        self._parts += frame.get_payload_as_memoryview()
        self._frames += 1
        self._more = not frame.fin
        if len(self._parts) > MAX_SIZE or self._frames > MAX_PARTS:
            self._protocol.fail(WSCloseCode.MESSAGE_TOO_BIG)
        elif frame.fin:
            whole, self._parts, self._frames = bytes(self._parts), bytearray(), 0
            if self._text:
                self._take_text(whole)
            else:
                self._protocol.message(whole)
        else:
            self._protocol.part()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._protocol.connection_lost(None)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
