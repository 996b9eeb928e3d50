"""Handles a client's messages as they are read, within the client's budgets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from duologue.errors import DuologueError, InvalidStateError, RateLimitedError, SessionNotActiveError
from duologue.server.audio_io import AudioInput, AudioOutput
from duologue.server.backend import Session
from duologue.server.close_codes import NORMAL, POLICY, Closing, failure
from duologue.server.connection import Connection
from duologue.server.limits import (
    BYTES_PER_S,
    CHATTER_S,
    COMMAND_S,
    FLOOD_S,
    FRAME_S,
    MESSAGE_S,
    OVERHEAD_S,
    TURN_S,
    StreamLimits,
)
from duologue.server.outbox import Outbox
from duologue.server.rate_limiter import RateLimiter
from duologue.wire import messages as wire

__all__ = ["Inbox"]


class Inbox:
    """Handles messages once it is opened with a session; before that, and while a client is held back, they wait.

    A client that sends faster than its budgets allow is held back: nothing more is read from it for a while. `stop`
    ends the session of one that breaks the rules for too long.
    """

    def __init__(
        self, connection: Connection, outbox: Outbox, limits: StreamLimits, stop: Callable[[Closing], None]
    ) -> None:
        self._connection = connection
        self.outbox = outbox
        self._limits = limits
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self.messages: int = 0
        """Messages of the client that were handled."""
        self._closed = False
        self._handling = False
        """True while messages are handled on arrival; while False they wait, and no more are read."""
        self._waiting: deque[str | bytes] = deque()
        self._held: asyncio.TimerHandle | None = None
        self._mistakes: deque[float] = deque(maxlen=limits.max_errors)
        self._pace = RateLimiter(max_ahead=limits.max_ahead, max_behind=limits.max_behind)
        self._chatter = RateLimiter(max_ahead=CHATTER_S, max_behind=0.0)
        self._warned = float("-inf")
        self._session: Session | None = None
        self._marks = False
        """The client reports playback marks."""
        self._sink: AudioOutput
        self._sound: AudioInput

    def open(self, session: Session, start: wire.Start, sink: AudioOutput, sound: AudioInput) -> None:
        """Hand waiting and later messages to this session."""
        self._session, self._sink, self._sound = session, sink, sound
        self._marks = start.marks
        self._go_on()

    @property
    def position(self) -> int:
        """The sample of the input that is expected next."""
        return self._sound.position

    def detach(self) -> None:
        """The connection is lost: handle nothing until there is another."""
        self._handling = False
        if self._held is not None:
            self._held.cancel()

    def catch_up(self, seconds: float) -> None:
        """Expect so much audio at once, from a client that was elsewhere before."""
        self._pace.catch_up(seconds, self._now())

    def attach(self, connection: Connection) -> None:
        """Continue on another connection."""
        self._connection = connection
        self._go_on()

    def close(self) -> None:
        """Handle nothing more."""
        self._closed = True
        self._handling = False
        self._waiting.clear()
        if self._held is not None:
            self._held.cancel()
        self._stop = _ignore  # break the reference cycle: its owner owns this inbox
        self._session = None

    def put(self, message: str | bytes) -> None:
        """Handle a message, or queue it."""
        if self._handling:
            self._handle(message)
        elif not self._closed:
            self._waiting.append(message)
            # Reading stops with the first message that waits; more arrive only if they were read together with it.
            self._connection.pause_reading()

    def charge_overhead(self) -> None:
        """Count a frame that is no message."""
        if not self._closed:
            self._charge(OVERHEAD_S)

    def _handle(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                assert self._session is not None
                self.messages += 1
                parsed = wire.parse_client(message)
                self._obey(parsed, self._session)
                self._charge(_COSTS.get(type(parsed), MESSAGE_S) + len(message) / BYTES_PER_S)
            else:
                seconds = self._sound.take(message)
                if (ack := self._sound.ack()) is not None:
                    self.outbox.put(ack)
                now = self._now()
                ahead = self._pace.take(seconds if seconds > FRAME_S else FRAME_S, now)
                if ahead > 0 and self._handling:
                    early = ahead + self._limits.max_ahead
                    self._hold(ahead, now, f"{_AUDIO_TOO_FAST} {early:.1f} s ahead.", _AUDIO_HINT)
        except SessionNotActiveError:
            pass  # It has just ended, and the client has got the reason.
        except DuologueError as error:
            self._complain(error)
            self._charge(COMMAND_S + len(message) / BYTES_PER_S)
        except Exception as error:
            self._stop(failure(error))

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
                self.outbox.put(wire.Pong(id=message.id))
            case wire.End():
                self._stop(Closing(NORMAL, "client_end"))
            case wire.Start() | wire.Reconnect():
                raise InvalidStateError("The session has been started.", hint="Connect again for another session.")

    def _charge(self, seconds: float) -> None:
        """Count messages without audio; a client that sends too many is throttled, and cut off if it goes on."""
        now = self._now()
        ahead = self._chatter.take(seconds, now)
        if ahead > FLOOD_S or (ahead > 0 and self._session is None):
            error = RateLimitedError("Messages come far faster than they are taken.", hint="Send fewer.")
            self._stop(Closing(POLICY, error.code, error))
        elif ahead > 0 and self._handling:
            self._hold(ahead, now, _MESSAGES_TOO_FAST, _MESSAGES_HINT)

    def _hold(self, ahead: float, now: float, what: str, hint: str) -> None:
        self._handling = False
        self._connection.pause_reading()
        # At most a second, so that a client that has gone is noticed.
        self._held = self._loop.call_later(min(ahead, 1.0), self._go_on)
        if now - self._warned >= 1:
            self._warned = now
            self.outbox.put(wire.Error.of(RateLimitedError(what, hint=hint), fatal=False))

    def _go_on(self) -> None:
        """Handle waiting messages, and later ones on arrival."""
        if self._closed:
            return
        self._handling = True
        while self._waiting and self._handling:
            self._handle(self._waiting.popleft())
        if self._handling:
            self._connection.resume_reading()

    def _complain(self, error: DuologueError) -> None:
        now = self._now()
        mistakes = self._mistakes
        if len(mistakes) == mistakes.maxlen and now - mistakes[0] < self._limits.error_window:
            self._stop(Closing(POLICY, error.code, error))
        else:
            mistakes.append(now)
            self.outbox.put(wire.Error.of(error, fatal=False))


def _ignore(_: Closing) -> None:
    """The session is over already."""


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
