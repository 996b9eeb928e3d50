"""One connection, one session: what happens at `/v1/stream`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.errors import (
    DeadlineError,
    DuologueError,
    InvalidMessageError,
    OverloadedError,
    SessionNotActiveError,
)
from duologue.server.audio_io import AudioInput, AudioOutput
from duologue.server.backend import Backend, Session
from duologue.server.backlog import Backlog
from duologue.server.call_request import call_request, started_message
from duologue.server.close_codes import Closing, close_code, close_reason, ending, failure, shutting_down
from duologue.server.outbox import Outbox
from duologue.server.resume.parkable import ParkableStream
from duologue.server.resume.state import SavedCall
from duologue.server.translate import Translator
from duologue.session.checkpoint import CallCheckpoint
from duologue.session.events import HandedOver
from duologue.wire import messages as wire

__all__ = ["Stream"]

log: Final = logging.getLogger(__name__)

M = TypeVar("M", wire.Start, wire.Reconnect)

CHANGES: Final = (events.TurnDecided, events.AgentHeard, HandedOver)
"""Events that change the state of a call that other processes may continue."""

LOOK: Final = 3
"""Turns of the event loop after which it shows whether a client has closed its connection behind its first message."""

LOADING_POLL: Final = 0.05
"""Seconds between two checks of whether the models are loaded."""


class Stream(ParkableStream):
    """One client's connection, from the moment it is accepted to its end; of a resumable call, all its connections.

    One task, which runs it. It sleeps while the session lives: the client's frames are handled where they are read, the
    session's events and sound are sent where they come about.
    """

    async def run(self, find_backend: Callable[[], Backend]) -> None:
        """Serve until the connection is to be closed. An error that `find_backend` raises is sent to the client."""
        try:
            await self._serve(find_backend)
            if self._closing is not None and not self._lost:
                await self._close(self._closing)
        finally:
            self._unpark()
            self._inbox.close()
            self._outbox.discard()
            self._release()
            if self._opened is not None and self._session is None:
                await self._opened.abandon()
            if self._saved is not None:
                self._saved = None
                await self._desk.end(self)

    async def _serve(self, find_backend: Callable[[], Backend]) -> None:
        try:
            if self._handshake.reconnects:
                await self._resume(find_backend)
                return
            backend = await self._when_loaded(find_backend)
            start = await self._start(wire.Start)
            if start is not None:
                await self._converse(backend, start)
        except DuologueError as error:
            self.stop(Closing(close_code(error), error.code, error))
        except Exception as error:
            self.stop(failure(error))

    async def _resume(self, find_backend: Callable[[], Backend]) -> None:
        """Lend the connection to the call that the client names, or continue that call from its stored state."""
        message = await self._start(wire.Reconnect)
        if message is None:
            return
        self._connection.resume_reading()
        for _ in range(LOOK):  # a client that has gone already must not take the call from where it is now
            await asyncio.sleep(0)
        if self._over.is_set():
            return
        backend: Backend | None = None
        try:
            backend = await self._when_loaded(find_backend)
        except OverloadedError as error:
            # A call of this process has its room already.
            if error.reason == "shutdown" or not self._desk.holds(message.token):
                raise
        try:
            async with asyncio.timeout(self._limits.start_timeout):
                found = await self._desk.claim(message.token, is_gone=self._over.is_set)
        except TimeoutError:
            raise OverloadedError("The session is not there yet.", retry_after=1.0, reason="loading") from None
        if isinstance(found, dict):
            await self._restore(backend, found, message)
            return
        if not isinstance(found, Stream) or not found.conversing:
            self._desk.settle(message.token)
            raise SessionNotActiveError("The session is over, or its token was used.", hint="Start a new session.")
        self.is_lent = True
        self._lost = True
        lent = found.adopt(self._connection, message)
        self._desk.settle(message.token)
        await lent

    async def _restore(self, backend: Backend | None, found: dict[str, Any], message: wire.Reconnect) -> None:
        """Continue a call of another process; without a backend another one has taken it meanwhile."""
        self._is_restoring = True
        try:
            if self._over.is_set():
                raise SessionNotActiveError("The client has gone.")
            if backend is None:
                raise OverloadedError("The session is not here any more.", retry_after=1.0, reason="loading")
            saved = SavedCall.from_json(found)
            await self._converse(backend, saved.start, saved, message)
        except DuologueError:
            if self._session is None:  # nothing of the call is lost: the client may try again, here or elsewhere
                await self._desk.put_back(message.token, found)
            raise
        finally:
            self._is_restoring = False
            self._desk.settle(message.token)

    async def _when_loaded(self, find_backend: Callable[[], Backend]) -> Backend:
        """The backend. A client that comes while the models load waits for them, as long as `start` may take."""
        now = asyncio.get_running_loop().time
        until = now() + self._limits.start_timeout
        while True:
            try:
                return find_backend()
            except OverloadedError as error:
                if error.reason != "loading" or self._over.is_set() or now() >= until:
                    raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), LOADING_POLL)

    async def _start(self, kind: type[M]) -> M | None:
        """The first message; None if the server is stopped or the client gone before it comes.

        Raises InvalidMessageError where it is another, DeadlineError where none comes.
        """
        name = kind.model_fields["type"].default
        try:
            async with asyncio.timeout(self._limits.start_timeout):
                text = await self._first
        except TimeoutError:
            raise DeadlineError(
                f"No `{name}` came in {self._limits.start_timeout:g} s.", hint="Send it first."
            ) from None
        if text is None:
            return None
        if not isinstance(text, str):
            raise InvalidMessageError(f"Audio came before `{name}`.")
        message = wire.parse_client(text)
        if not isinstance(message, kind):
            raise InvalidMessageError(f"The first message must be `{name}`, and was `{message.type}`.")
        return message

    async def _converse(
        self,
        backend: Backend,
        start: wire.Start,
        saved: SavedCall | None = None,
        message: wire.Reconnect | None = None,
    ) -> None:
        """Hold a new session, or one that goes on with a saved call for the client that sent `message`."""
        handshake = self._handshake if saved is None else saved.handshake
        backlog = None
        if start.resumable and self._desk.window > 0:
            backlog = Backlog(start.audio_out, self._connection.write, count=message.messages if message else 0)
            self._outbox = self._inbox.outbox = Outbox(
                backlog.write, self._slow, progress_timeout=self._limits.progress_timeout
            )
        sink = AudioOutput(start.audio_out, self._outbox, backlog)
        request = call_request(start, handshake)
        if saved is None or message is None:
            session = await backend.open_session(request, sink)
        else:
            session = await backend.restore_session(request, sink, _at_least(saved, message, start), saved.call)
        sink.rate = session.output_rate
        self._sink = sink
        sound = AudioInput(start.audio_in, session)
        translator = Translator()
        early: list[Event] = []
        started = False

        def tell(event: Event) -> None:
            """The first message is `started`: what happens before it waits."""
            if started:
                self._outbox.put(translator.translate(event))
                if isinstance(event, CHANGES):
                    self._desk.changed(self)
            else:
                early.append(event)

        session.watch(tell, lambda reason: self.stop(ending(reason)))
        self._opened = session
        async with session:
            if saved is not None and self._over.is_set():
                raise shutting_down()  # the call is stored again, for another process
            self._connection.establish()
            token = None
            if backlog is not None:
                self._saved = saved or SavedCall(
                    start, session.id, handshake.client, handshake.query, handshake.claims, handshake.bound
                )
            if saved is not None and message is not None:
                self._go_on(session, sound, saved, message)
            else:
                if self._saved is not None:
                    self._saved.token = token = self._desk.issue(self)
                self._outbox.put(started_message(session, start, token, self._desk.window))
            self._outbox.open()
            started = True
            if start.meter_s is not None:
                session.meter(start.meter_s)
            for event in early:
                tell(event)
            self._session, self._backlog = session, backlog
            self._is_restoring = False
            self._inbox.open(session, start, sink, sound)
            if self._left_early:
                self._park()
            if message is not None:
                self._desk.settle(message.token)
            if saved is not None:  # at once: the client may not get the answer, and come to another process
                await self._desk.save(self)
            await self._over.wait()
            if self._closing is not None:
                await session.hang_up(self._closing.reason)
            else:
                await session.hang_up("client_gone")

    def _go_on(self, session: Session, sound: AudioInput, saved: SavedCall, message: wire.Reconnect) -> None:
        """Tell a client from where on its audio is heard by a session that goes on with its call."""
        late = round(self._limits.catch_up * saved.start.audio_in.rate)
        sound.begin_at(min(message.input, max(saved.position, message.input - late)))
        session.suspend()
        session.unsuspend(self._limits.catch_up)
        self._inbox.catch_up(self._limits.catch_up)
        self._inbox.messages = saved.messages
        self._desk.restored += 1
        self._connection.write(wire.dump(self._reconnected(message.token, sound.position, restored=True)))

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
            self._connection.finish(closing.code, close_reason(closing.reason))


def _at_least(saved: SavedCall, message: wire.Reconnect, start: wire.Start) -> CallCheckpoint:
    """The checkpoint, with counters that go on from what the client has seen: it may be older than that."""
    checkpoint = saved.checkpoint
    return replace(
        checkpoint,
        generation=max(checkpoint.generation, message.generation),
        output_s=max(checkpoint.output_s, message.output / start.audio_out.rate),
    )
