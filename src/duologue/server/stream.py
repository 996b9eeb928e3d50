"""One connection, one session: what happens at `/v1/stream`."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from duologue.conversation.events import Event
from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    InputError,
    InvalidMessageError,
    InvalidStateError,
    OverloadedError,
    RateLimitedError,
    SessionError,
    SessionNotActiveError,
    SlowClientError,
)
from duologue.server.backend import Backend, Session
from duologue.server.outbox import Outbox
from duologue.server.pace import Pace
from duologue.server.sound import SoundIn, SoundOut
from duologue.server.translate import Translator
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["GOING_AWAY", "TRY_AGAIN", "Closing", "Stream", "StreamLimits"]

log = logging.getLogger(__name__)

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
POLICY: Final = 1008
SERVER_ERROR: Final = 1011
TRY_AGAIN: Final = 1013


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one client may do. Durations are seconds."""

    start_timeout: float = 10.0
    """Time for the first message."""
    progress_timeout: float = 5.0
    """Longest time without progress in sending to the client."""
    close_timeout: float = 1.0
    """Time for the last messages of a session that has ended."""
    max_ahead: float = 1.0
    """Input may run this far ahead of real time; beyond, it is held back."""
    max_behind: float = 5.0
    """Input that was held up on its way may come at once: so much of it, and `max_ahead` more."""
    max_errors: int = 20
    """Mistakes that a client may make in `error_window`; one more ends the session."""
    error_window: float = 10.0


@dataclass(frozen=True, slots=True)
class Closing:
    """How a connection ends."""

    code: int
    """Of the WebSocket's closing handshake."""
    reason: str
    """As told in `ended`."""
    error: DuologueError | None = None
    """As told before it."""


class Stream:
    """One client's connection, from the moment it is accepted to its end.

    One task beside the one that runs it: the sender, which empties the outbox. The client's frames are handled where
    they are read, and the session's events where they happen.
    """

    def __init__(self, socket: WebSocket, limits: StreamLimits) -> None:
        self._socket = socket
        self._limits = limits
        self._outbox = Outbox(progress_timeout=limits.progress_timeout)
        self._sender: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None
        self._closing: Closing | None = None
        self._now = asyncio.get_running_loop().time
        self._mistakes: deque[float] = deque(maxlen=limits.max_errors)
        self._pace = Pace(max_ahead=limits.max_ahead, max_behind=limits.max_behind)
        self._warned = float("-inf")

    def stop(self, closing: Closing) -> None:
        """End the session from the server's side; the first reason counts."""
        if self._closing is None:
            self._closing = closing
            if self._reading is not None:
                self._reading.reschedule(self._now())

    async def run(self, find_backend: Callable[[], Backend]) -> None:
        """Serve until the connection is closed. What `find_backend` raises is told to the client."""
        try:
            await self._close(await self._serve(find_backend))
        except WebSocketDisconnect:
            pass  # Nobody is left to be told.
        finally:
            if self._sender is not None:
                self._sender.cancel()

    async def _serve(self, find_backend: Callable[[], Backend]) -> Closing:
        try:
            backend = find_backend()
            start = await self._start()
            if start is not None:
                await self._converse(backend, start)
        except WebSocketDisconnect:
            raise
        except DuologueError as error:
            return Closing(_close_code(error), error.code, error)
        except Exception as error:
            return _failure(error)
        assert self._closing is not None
        return self._closing

    async def _start(self) -> wire.Start | None:
        """The first message; None where the server is stopped before it comes.

        Raises InvalidMessageError where it is another, DeadlineError where none comes.
        """
        try:
            async with asyncio.timeout(self._limits.start_timeout) as self._reading:
                frame = await self._receive()
        except TimeoutError:
            if self._closing is not None:
                return None
            raise DeadlineError(
                f"No `start` came in {self._limits.start_timeout:g} s.", hint="Send it first."
            ) from None
        finally:
            self._reading = None
        text = frame.get("text")
        if text is None:
            raise InvalidMessageError("Audio came before `start`.")
        message = wire.parse_client(text)
        if not isinstance(message, wire.Start):
            raise InvalidMessageError(f"The first message must be `start`, and was `{message.type}`.")
        return message

    async def _converse(self, backend: Backend, start: wire.Start) -> None:
        sink = SoundOut(start.audio_out, self._outbox)
        session = backend.open_session(start, sink)
        sink.rate = session.output_rate
        translator = Translator()
        early: list[Event] = []
        started = False

        def tell(event: Event) -> None:
            """The first message is `started`: what happens before it waits."""
            if started:
                self._outbox.put(translator.translate(event))
            else:
                early.append(event)

        session.watch(tell, lambda reason: self.stop(Closing(NORMAL, reason)))
        async with session:
            self._outbox.put(_started(session, start))
            self._send_outbox()
            started = True
            if start.meter_s is not None:
                session.meter(start.meter_s)
            for event in early:
                tell(event)
            try:
                await self._read(session, SoundIn(start.audio_in, session), sink)
            except WebSocketDisconnect:
                await session.close("client_gone")
                raise
            if self._closing is not None:
                await session.close(self._closing.reason)

    async def _read(self, session: Session, sound: SoundIn, sink: SoundOut) -> None:
        """Take the client's frames until the session is to end."""
        try:
            async with asyncio.timeout(None) as self._reading:
                while self._closing is None:
                    frame = await self._receive()
                    try:
                        data = frame.get("bytes")
                        if data is None:
                            self._obey(wire.parse_client(frame["text"]), session, sink)
                        else:
                            seconds = sound.take(data)
                            if (ack := sound.ack()) is not None:
                                self._outbox.put(ack)
                            await self._hold_back(seconds)
                    except SessionNotActiveError:
                        continue  # It has just ended, and why has been told.
                    except DuologueError as error:
                        self._complain(error)
        except TimeoutError:
            if self._closing is None:
                raise
        finally:
            self._reading = None

    def _obey(self, message: wire.ClientMessage, session: Session, sink: SoundOut) -> None:
        match message:
            case wire.Mark():
                session.mark_playback(sink.played(message.position))
            case wire.Text():
                session.send_text(message.text)
            case wire.Interrupt():
                session.interrupt()
            case wire.Clear():
                session.clear_buffers()
            case wire.TurnBegin():
                session.begin_turn()
            case wire.TurnEnd():
                session.end_turn()
            case wire.Ping():
                self._outbox.put(wire.Pong(id=message.id))
            case wire.End():
                self._closing = self._closing or Closing(NORMAL, "client_end")
            case wire.Start():
                raise InvalidStateError("The session has been started.", hint="Connect again for another session.")

    async def _hold_back(self, seconds: float) -> None:
        """Hold back a client that sends faster than sound passes, so that it takes no time from others."""
        now = self._now()
        ahead = self._pace.take(seconds, now)
        if ahead > 0:
            if now - self._warned >= 1:
                self._warned = now
                self._outbox.put(
                    wire.Error.of(
                        RateLimitedError(
                            f"Audio comes faster than it sounds: it is {ahead + self._limits.max_ahead:.1f} s ahead.",
                            hint="Send it as it is recorded, at the rate that `start` gave; it is held back meanwhile.",
                        ),
                        fatal=False,
                    )
                )
            # At most a second, so that a client that has gone is noticed.
            await asyncio.sleep(min(ahead, 1.0))

    def _complain(self, error: DuologueError) -> None:
        now = self._now()
        mistakes = self._mistakes
        if len(mistakes) == mistakes.maxlen and now - mistakes[0] < self._limits.error_window:
            self.stop(Closing(POLICY, error.code, error))
        else:
            mistakes.append(now)
            self._outbox.put(wire.Error.of(error, fatal=False))

    async def _receive(self) -> Any:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1006))
        return frame

    def _send_outbox(self) -> None:
        self._sender = asyncio.create_task(self._outbox.run(self._send), name="duologue.sender")
        self._sender.add_done_callback(self._task_done)

    async def _send(self, frame: str | bytes) -> None:
        await self._socket.send({"type": "websocket.send", "text" if isinstance(frame, str) else "bytes": frame})

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, WebSocketDisconnect):
            return
        if isinstance(error, DuologueError):
            self.stop(Closing(_close_code(error), error.code, error))
        else:
            self.stop(_failure(error))

    async def _close(self, closing: Closing) -> None:
        if closing.error is not None:
            self._outbox.put(wire.Error.of(closing.error, fatal=True))
        self._outbox.close(wire.Ended(reason=closing.reason))
        if self._sender is None:
            self._send_outbox()
        assert self._sender is not None
        try:
            async with asyncio.timeout(self._limits.close_timeout):
                await asyncio.wait([self._sender])
                await self._socket.close(closing.code, closing.reason)
        except TimeoutError:
            log.warning("A client that does not read could not be told that its session ended: %s.", closing.reason)


def _close_code(error: DuologueError) -> int:
    if isinstance(error, OverloadedError):
        return TRY_AGAIN
    by_client = InputError | SessionError | ConfigError | SlowClientError | DeadlineError
    return POLICY if isinstance(error, by_client) else SERVER_ERROR


def _failure(error: BaseException) -> Closing:
    log.error("A session broke off.", exc_info=error)
    return Closing(SERVER_ERROR, "error", DuologueError("The server failed.", hint="Its log says why."))


def _started(session: Session, start: wire.Start) -> wire.Started:
    return wire.Started(
        session=session.id,
        version=VERSION,
        audio_in=start.audio_in,
        audio_out=start.audio_out,
        limits=wire.Limits(
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_text=wire.MAX_TEXT,
            timeout_s=session.config.timeout,
            idle_timeout_s=session.config.idle_timeout,
        ),
    )
