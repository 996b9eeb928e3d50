"""One connection, one session: what happens at `/v1/stream`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from duologue.audio.format import AudioFormat
from duologue.conversation.events import Event
from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    InvalidMessageError,
    OverloadedError,
    SlowClientError,
)
from duologue.server.audio_io import AudioOutput
from duologue.server.backend import Backend, Session
from duologue.server.close_codes import Closing, close_code, ending, failure
from duologue.server.connection import Connection, Handshake
from duologue.server.inbox import Inbox
from duologue.server.limits import StreamLimits
from duologue.server.outbox import Outbox
from duologue.server.translate import Translator
from duologue.session import CallRequest, TurnTaking
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION, Audio
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["Stream", "call_request"]

log = logging.getLogger(__name__)

LOADING_POLL: Final = 0.05
"""Seconds between two looks at whether the models are loaded."""


class Stream:
    """One client's connection, from the moment it is accepted to its end.

    One task, which runs it. It sleeps while the session lives: the client's frames are handled where they are read, the
    session's events and sound are sent where they come about.
    """

    def __init__(self, connection: Connection, limits: StreamLimits, handshake: Handshake | None = None) -> None:
        self._connection = connection
        self._limits = limits
        self._handshake = handshake or Handshake()
        self._outbox = Outbox(connection.write, self._slow, progress_timeout=limits.progress_timeout)
        self._inbox = Inbox(connection, self._outbox, limits, self.stop)
        self._first: asyncio.Future[str | bytes | None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._lost = False
        self._closing: Closing | None = None
        self._opened: Session | None = None
        self._session: Session | None = None
        """The same, once it has begun."""
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
            self._inbox.close()
            self._outbox.discard()
            if self._opened is not None and self._session is None:
                await self._opened.abandon()

    # What the connection tells.

    def received(self, message: str | bytes) -> None:
        """Take the first message, or hand one on."""
        if self._first.done():
            self._inbox.put(message)
        elif self._closing is None:
            self._first.set_result(message)
            self._connection.pause_reading()

    def overhead(self) -> None:
        """Count a frame that is no message."""
        self._inbox.charge_overhead()

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
        self._inbox.close()
        self._over.set()
        if not self._first.done():
            self._first.set_result(None)

    def _slow(self, error: SlowClientError) -> None:
        self.stop(Closing(close_code(error), error.code, error))

    # Its life.

    async def _serve(self, find_backend: Callable[[], Backend]) -> None:
        try:
            backend = await self._when_loaded(find_backend)
            start = await self._start()
            if start is not None:
                await self._converse(backend, start)
        except DuologueError as error:
            self.stop(Closing(close_code(error), error.code, error))
        except Exception as error:
            self.stop(failure(error))

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
        sink = AudioOutput(start.audio_out, self._outbox)
        session = await backend.open_session(call_request(start, self._handshake), sink)
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

        session.watch(tell, lambda reason: self.stop(ending(reason)))
        self._opened = session
        async with session:
            self._connection.establish()
            self._outbox.put(_started(session, start))
            self._outbox.open()
            started = True
            if start.meter_s is not None:
                session.meter(start.meter_s)
            for event in early:
                tell(event)
            self._session = session
            self._inbox.open(session, start, sink)
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


def call_request(start: wire.Start, handshake: Handshake) -> CallRequest:
    """What the client asks for, as a request of no protocol. Raises ConfigError for what its token does not allow."""
    asked = start.turn_taking
    return CallRequest(
        agent=_bound("agent", start.agent, handshake),
        language=_bound("language", start.language, handshake),
        voice=_bound("voice", start.voice, handshake),
        turns=start.turns,
        turn_taking=TurnTaking(asked.action_delay_s, asked.timeout_s, asked.barge_in, asked.eagerness),
        greeting=start.greeting,
        audio_in=_format(start.audio_in),
        audio_out=_format(start.audio_out),
        client=handshake.client,
        headers=handshake.headers,
        query=handshake.query,
        claims=handshake.claims,
        metadata=start.metadata,
    )


def _bound(name: str, asked: str | None, handshake: Handshake) -> str | None:
    """What the client asked for, within what its token is bound to."""
    only = handshake.bound.get(name)
    if only is not None and asked not in (None, only):
        raise ConfigError(f"The token does not allow the {name} that was asked for.", hint=f"Ask for no {name}.")
    return asked if only is None else only


def _format(audio: Audio) -> AudioFormat:
    return AudioFormat(audio.encoding, audio.rate)


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
