"""A stream whose call outlives its connection: parked when the connection breaks, and resumed over another."""

from __future__ import annotations

import asyncio
from typing import Any

from duologue.errors import OverloadedError, SlowClientError
from duologue.server.audio_io import AudioOutput
from duologue.server.backend import Session
from duologue.server.backlog import Backlog
from duologue.server.close_codes import GOING_AWAY, POLICY, RESTART, Closing, close_code, shutting_down
from duologue.server.connection import Connection, Handshake
from duologue.server.inbox import Inbox
from duologue.server.limits import StreamLimits
from duologue.server.outbox import Outbox
from duologue.server.resume.desk import ResumeDesk
from duologue.server.resume.state import SavedCall, replace_receiver
from duologue.wire import messages as wire

__all__ = ["ParkableStream"]


class ParkableStream:
    """Receives the messages of one call's connections, and parks the call when a connection breaks.

    If the connection of a resumable call breaks, the call is parked: its session is suspended, and its messages are
    kept. Another stream, whose client names the call, lends its connection, and waits until it is free again.
    """

    def __init__(
        self,
        connection: Connection,
        limits: StreamLimits,
        handshake: Handshake | None = None,
        desk: ResumeDesk | None = None,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._handshake = handshake or Handshake()
        self._desk = ResumeDesk(window=0.0) if desk is None else desk
        self._outbox = Outbox(connection.write, self._slow, progress_timeout=limits.progress_timeout)
        self._inbox = Inbox(connection, self._outbox, limits, self.stop)
        self._first: asyncio.Future[str | bytes | None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._lost = False
        self._closing: Closing | None = None
        self._opened: Session | None = None
        self._session: Session | None = None
        """The same, once it has begun."""
        self._is_restoring = False
        """It has claimed a call of another process, and has no session yet."""
        self._left_early = False
        """Its client has not waited for that, and may come back."""
        self.is_lent = False
        """Its connection serves another stream's call."""
        self._sink: AudioOutput | None = None
        self._backlog: Backlog | None = None
        """What was sent recently, if the call is resumable."""
        self._saved: SavedCall | None = None
        self._parked: asyncio.TimerHandle | None = None
        self._unconfirmed = False
        """The client has not shown yet that it got its newest resume token."""
        self._untold_restore = False
        """Nor that it knows that another process has gone on with its call."""
        self._lender: asyncio.Future[None] | None = None
        """Waits in the stream that lends its connection."""
        connection.attach(self)

    @property
    def conversing(self) -> bool:
        """Whether it has a session."""
        return self._session is not None and not self._over.is_set()

    @property
    def is_parked(self) -> bool:
        """Whether its client is gone and may come back."""
        return self._parked is not None

    @property
    def settled(self) -> bool:
        """Whether nothing is lost if it ends now: neither side speaks, and no answer is being prepared."""
        if self._is_restoring:
            return False
        return not self.conversing or self.is_parked or self._session is None or self._session.settled

    @property
    def refusal(self) -> OverloadedError | None:
        """Why the client was refused, if there was no room."""
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

    @property
    def is_leaving(self) -> bool:
        """Whether it has been ended."""
        return self._closing is not None or self._over.is_set()

    async def leave(self, *, at_once: bool = True) -> None:
        """Save the call for another process, and tell the client to resume it there; else say that the server ends.

        Unless it is to leave `at_once`, a call in which a turn begins meanwhile stays. A client that has no session yet
        is refused, and may try again.
        """
        if self._session is None:
            error = shutting_down()
            self.stop(Closing(close_code(error), error.code, error))
            return
        if self._saved is not None and self.conversing and await self._desk.save(self):
            if not (at_once or self.settled):
                return
            self._desk.leave(self)
            if not self.is_parked:
                self._connection.finish(RESTART, self._saved.token)
            self._lost = True
            self.stop(Closing(RESTART, "shutdown"))
        else:
            self.stop(Closing(GOING_AWAY, "shutdown"))

    # Callbacks of the connection.

    def received(self, message: str | bytes) -> None:
        """Take the first message, or hand one on."""
        if self._first.done():
            if self._unconfirmed:
                self._unconfirmed = self._untold_restore = False
                self._desk.confirm(self)
            self._inbox.put(message)
        elif self._closing is None:
            self._first.set_result(message)
            self._connection.pause_reading()

    def overhead(self) -> None:
        """Count a frame that is no message."""
        self._inbox.charge_overhead()

    def pause_writing(self) -> None:
        """The client reads nothing for now."""
        self._outbox.block()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._outbox.unblock()

    def lost(self, *, meant: bool = False) -> None:
        """There is no client to notify: the call is over, or parked."""
        if not meant and self._can_park:
            self._park()
            return
        if not meant and self._is_restoring:
            self._left_early = True
            return
        self._lost = True
        self._outbox.discard()
        self._finish()

    def _finish(self) -> None:
        self._inbox.close()
        self._over.set()
        if not self._first.done():
            self._first.set_result(None)

    def _slow(self, error: SlowClientError) -> None:
        if self._can_park:
            replace_receiver(self._connection)
            self._connection.finish(POLICY, error.code)
            self._park()
        else:
            self.stop(Closing(close_code(error), error.code, error))

    # A client that disconnects, and comes back.

    @property
    def _can_park(self) -> bool:
        return self._backlog is not None and self.conversing and self._closing is None

    def _park(self) -> None:
        """Keep the call without a connection for a while."""
        assert self._session is not None
        assert self._backlog is not None
        self._unpark()
        self._parked = asyncio.get_running_loop().call_later(self._desk.window, self._expire)
        self._session.suspend()
        self._inbox.detach()
        before = self._outbox
        self._backlog.detach()
        for data in before.waiting():
            self._backlog.write(data)
        before.discard()
        self._use(Outbox(self._backlog.write, self._slow, progress_timeout=self._limits.progress_timeout))
        self._desk.changed(self)
        self._release()

    def _use(self, outbox: Outbox) -> None:
        self._outbox = self._inbox.outbox = outbox
        if self._sink is not None:
            self._sink.outbox = outbox
        outbox.open()

    def _expire(self) -> None:
        self._desk.expired += 1
        self._lost = True
        self._outbox.discard()
        self._finish()

    def taken(self) -> None:
        """Another process has taken the call."""
        replace_receiver(self._connection)
        self._connection.finish(POLICY, "resumed_elsewhere")
        self._lost = True
        self.stop(Closing(POLICY, "resumed_elsewhere"))

    def saved(self) -> Any:
        """The state of the call for another process."""
        assert self._saved is not None
        assert self._session is not None
        return self._saved.as_json(self._session, self._inbox.position, self._inbox.messages)

    def adopt(self, connection: Connection, message: wire.Reconnect) -> asyncio.Future[None]:
        """Continue on another connection; the newest wins. Returns a future that is done when it is free again."""
        assert self._session is not None
        assert self._backlog is not None
        assert self._saved is not None
        if self._parked is None:  # the server has not noticed yet that the last connection broke
            replace_receiver(self._connection)
            self._connection.finish(POLICY, "replaced")
            self._park()
        self._unpark()
        self._desk.resumed += 1
        self._lender = asyncio.get_running_loop().create_future()
        self._connection = connection
        connection.write(wire.dump(self._reconnected(message.token, self._inbox.position, restored=False)))
        self._backlog.attach(connection.write, messages=message.messages, position=message.output)
        lender = self._lender
        self._inbox.attach(connection)
        connection.attach(self)  # May report at once that it is lost.
        connection.establish()
        self._session.unsuspend(self._limits.catch_up)
        return lender

    def _reconnected(self, used: str, position: int, *, restored: bool) -> wire.Reconnected:
        assert self._opened is not None
        assert self._saved is not None
        restored = restored or self._untold_restore
        self._untold_restore = restored
        self._unconfirmed = True
        self._saved.token = self._desk.issue(self, used=used)
        return wire.Reconnected(
            session=self._opened.id,
            resume_token=self._saved.token,
            resume_s=self._desk.window,
            input=position,
            messages=self._inbox.messages,
            restored=restored,
            recorded=self._opened.is_recorded,
        )

    def _unpark(self) -> None:
        if self._parked is not None:
            self._parked.cancel()
            self._parked = None

    def _release(self) -> None:
        """Let go of a connection that another stream lends."""
        if self._lender is not None and not self._lender.done():
            self._lender.set_result(None)
