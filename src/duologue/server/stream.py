"""One connection, one session: what happens at `/v1/stream`."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from duologue.conversation.events import Event
from duologue.errors import (
    DeadlineError,
    DuologueError,
    InvalidMessageError,
    InvalidStateError,
    OverloadedError,
    RateLimitedError,
    SessionNotActiveError,
    SlowClientError,
)
from duologue.server.backend import Backend, Session
from duologue.server.closing import NORMAL, POLICY, Closing, close_code, ending, failure
from duologue.server.connection import Connection
from duologue.server.outbox import Outbox
from duologue.server.pace import Pace
from duologue.server.sound import SoundIn, SoundOut
from duologue.server.translate import Translator
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["Stream", "StreamLimits"]

log = logging.getLogger(__name__)

FRAME_S: Final = 0.001
"""Seconds that a message of audio counts as at least: a flood of small ones costs as much."""

# What everything but audio costs of a budget of its own, which a second gives back each second.

CHATTER_S: Final = 2.0
"""What may be spent of it at once."""
TURN_S: Final = 0.5
"""Of a typed turn, which is answered."""
COMMAND_S: Final = 0.05
"""Of a message that changes the conversation, and of a mistake."""
MESSAGE_S: Final = 0.005
"""Of any other message."""
OVERHEAD_S: Final = 0.002
"""Of a frame that is no message."""
BYTES_PER_S: Final = 1_000_000
"""Text counts by its length, too."""
FLOOD_S: Final = 10.0
"""What a client may owe of that budget before its session ends; it is held back long before."""


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


class Stream:
    """One client's connection, from the moment it is accepted to its end.

    One task, which runs it. It sleeps while the session lives: the client's frames are handled where they are read, the
    session's events and sound are sent where they come about.
    """

    def __init__(self, connection: Connection, limits: StreamLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._outbox = Outbox(connection.write, self._slow, progress_timeout=limits.progress_timeout)
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._now = loop.time
        self._first: asyncio.Future[str | bytes | None] = loop.create_future()
        self._over = asyncio.Event()
        self._lost = False
        self._closing: Closing | None = None
        self._handling = False
        """Messages are handled as they come; otherwise they wait in the inbox, and nothing more is read."""
        self._inbox: deque[str | bytes] = deque()
        self._held: asyncio.TimerHandle | None = None
        self._mistakes: deque[float] = deque(maxlen=limits.max_errors)
        self._pace = Pace(max_ahead=limits.max_ahead, max_behind=limits.max_behind)
        self._chatter = Pace(max_ahead=CHATTER_S, max_behind=0.0)
        self._warned = float("-inf")
        self._session: Session | None = None
        self._marks = False
        """The client has announced marks."""
        self._sink: SoundOut
        self._sound: SoundIn
        connection.attach(self)

    @property
    def conversing(self) -> bool:
        """Whether it has a session."""
        return self._session is not None and not self._over.is_set()

    @property
    def refusal(self) -> OverloadedError | None:
        """Why the client was sent away, where there was no room."""
        error = None if self._closing is None else self._closing.error
        return error if isinstance(error, OverloadedError) else None

    @property
    def dropped(self) -> int:
        """Samples of input that its session dropped because they waited too long."""
        return 0 if self._session is None else self._session.dropped

    def stop(self, closing: Closing) -> None:
        """End the session from the server's side; the first reason counts."""
        if self._closing is None:
            self._closing = closing
            self._finish()

    async def run(self, find_backend: Callable[[], Backend]) -> None:
        """Serve until the connection is to be closed. What `find_backend` raises is told to the client."""
        try:
            await self._serve(find_backend)
            if self._closing is not None and not self._lost:
                await self._close(self._closing)
        finally:
            self._handling = False
            if self._held is not None:
                self._held.cancel()
            self._outbox.discard()

    # What the connection tells.

    def received(self, message: str | bytes) -> None:
        """Handle a message, or keep it until its time comes."""
        if self._handling:
            self._handle(message)
        elif self._closing is None:
            if not self._first.done():
                self._first.set_result(message)
            else:
                self._inbox.append(message)
            # One message is enough to wait; more come only where they were read together with it.
            self._connection.pause_reading()

    def overhead(self) -> None:
        """Count a frame that is no message."""
        if self._closing is None:
            self._charge(OVERHEAD_S)

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        self._outbox.block()

    def resume_writing(self) -> None:
        """It goes on."""
        self._outbox.unblock()

    def lost(self) -> None:
        """Nobody is left to be told."""
        self._lost = True
        self._outbox.discard()
        self._finish()

    def _finish(self) -> None:
        self._handling = False
        self._inbox.clear()
        self._over.set()
        if not self._first.done():
            self._first.set_result(None)

    def _slow(self, error: SlowClientError) -> None:
        self.stop(Closing(close_code(error), error.code, error))

    # Its life.

    async def _serve(self, find_backend: Callable[[], Backend]) -> None:
        try:
            backend = find_backend()
            start = await self._start()
            if start is not None:
                await self._converse(backend, start)
        except DuologueError as error:
            self.stop(Closing(close_code(error), error.code, error))
        except Exception as error:
            self.stop(failure(error))

    async def _start(self) -> wire.Start | None:
        """The first message; None where the server is stopped or the client gone before it comes.

        Raises InvalidMessageError where it is another, DeadlineError where none comes.
        """
        try:
            async with asyncio.timeout(self._limits.start_timeout):
                text = await self._first
        except TimeoutError:
            raise DeadlineError(
                f"No `start` came in {self._limits.start_timeout:g} s.", hint="Send it first."
            ) from None
        if text is None:
            return None
        if not isinstance(text, str):
            raise InvalidMessageError("Audio came before `start`.")
        message = wire.parse_client(text)
        if not isinstance(message, wire.Start):
            raise InvalidMessageError(f"The first message must be `start`, and was `{message.type}`.")
        return message

    async def _converse(self, backend: Backend, start: wire.Start) -> None:
        sink = SoundOut(start.audio_out, self._outbox)
        session = backend.open_session(start, sink)
        sink.rate = session.output_rate
        self._marks = start.marks
        translator = Translator()
        early: list[Event] = []
        started = False

        def tell(event: Event) -> None:
            """The first message is `started`: what happens before it waits."""
            if started:
                self._outbox.put(translator.translate(event))
            else:
                early.append(event)

        session.watch(tell, lambda reason: self.stop(ending(reason)))
        async with session:
            self._connection.establish()
            self._outbox.put(_started(session, start))
            self._outbox.open()
            started = True
            if start.meter_s is not None:
                session.meter(start.meter_s)
            for event in early:
                tell(event)
            self._session, self._sink, self._sound = session, sink, SoundIn(start.audio_in, session)
            self._go_on()
            await self._over.wait()
            if self._closing is not None:
                await session.hang_up(self._closing.reason)
            else:
                await session.hang_up("client_gone")

    async def _close(self, closing: Closing) -> None:
        if closing.error is not None:
            self._outbox.put(wire.Error.of(closing.error, fatal=True))
        self._outbox.close(wire.Ended(reason=closing.reason))
        self._outbox.open()
        try:
            async with asyncio.timeout(self._limits.close_timeout):
                await self._outbox.emptied.wait()
        except TimeoutError:
            log.warning("A client that does not read could not be told that its session ended: %s.", closing.reason)
        else:
            self._connection.finish(closing.code, closing.reason)

    # Its messages.

    def _handle(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                assert self._session is not None
                parsed = wire.parse_client(message)
                self._obey(parsed, self._session)
                self._charge(_COSTS.get(type(parsed), MESSAGE_S) + len(message) / BYTES_PER_S)
            else:
                seconds = self._sound.take(message)
                if (ack := self._sound.ack()) is not None:
                    self._outbox.put(ack)
                now = self._now()
                ahead = self._pace.take(seconds if seconds > FRAME_S else FRAME_S, now)
                if ahead > 0 and self._handling:
                    early = ahead + self._limits.max_ahead
                    self._hold(ahead, now, f"{_AUDIO_TOO_FAST} {early:.1f} s ahead.", _AUDIO_HINT)
        except SessionNotActiveError:
            pass  # It has just ended, and why has been told.
        except DuologueError as error:
            self._complain(error)
            self._charge(COMMAND_S + len(message) / BYTES_PER_S)
        except Exception as error:
            self.stop(failure(error))

    def _obey(self, message: wire.ClientMessage, session: Session) -> None:
        match message:
            case wire.Mark():
                if not self._marks:
                    raise InvalidStateError("A `mark` came, and none was announced.", hint="Set `marks` in `start`.")
                session.mark_playback(self._sink.played(message.position))
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
                self.stop(Closing(NORMAL, "client_end"))
            case wire.Start():
                raise InvalidStateError("The session has been started.", hint="Connect again for another session.")

    def _charge(self, seconds: float) -> None:
        """Count what is no audio; a client that sends too much of it is held back, and cut off where it goes on."""
        now = self._now()
        ahead = self._chatter.take(seconds, now)
        if ahead > FLOOD_S or (ahead > 0 and self._session is None):
            error = RateLimitedError("Messages come far faster than they are taken.", hint="Send fewer.")
            self.stop(Closing(POLICY, error.code, error))
        elif ahead > 0 and self._handling:
            self._hold(ahead, now, _MESSAGES_TOO_FAST, _MESSAGES_HINT)

    def _hold(self, ahead: float, now: float, what: str, hint: str) -> None:
        self._handling = False
        self._connection.pause_reading()
        # At most a second, so that a client that has gone is noticed.
        self._held = self._loop.call_later(min(ahead, 1.0), self._go_on)
        if now - self._warned >= 1:
            self._warned = now
            self._outbox.put(wire.Error.of(RateLimitedError(what, hint=hint), fatal=False))

    def _go_on(self) -> None:
        """Handle what waits, and from now on what comes."""
        if self._over.is_set():
            return
        self._handling = True
        while self._inbox and self._handling:
            self._handle(self._inbox.popleft())
        if self._handling:
            self._connection.resume_reading()

    def _complain(self, error: DuologueError) -> None:
        now = self._now()
        mistakes = self._mistakes
        if len(mistakes) == mistakes.maxlen and now - mistakes[0] < self._limits.error_window:
            self.stop(Closing(POLICY, error.code, error))
        else:
            mistakes.append(now)
            self._outbox.put(wire.Error.of(error, fatal=False))


_COSTS: Final[dict[type, float]] = {
    wire.Text: TURN_S,
    wire.Interrupt: COMMAND_S,
    wire.Clear: COMMAND_S,
    wire.TurnBegin: COMMAND_S,
    wire.TurnEnd: COMMAND_S,
}

_AUDIO_TOO_FAST: Final = "Audio comes faster than it sounds: it is"
_AUDIO_HINT: Final = "Send it as it is recorded, at the rate that `start` gave; it is held back meanwhile."
_MESSAGES_TOO_FAST: Final = "Messages come faster than they are taken."
_MESSAGES_HINT: Final = "Send fewer; what comes is held back meanwhile."


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
        agent_name=session.config.agent_name,
    )
