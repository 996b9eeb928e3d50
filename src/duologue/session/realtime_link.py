"""Keeps a session's connection to a speech-to-speech model, and sorts its events by response."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

from duologue.agent.faults import is_fault
from duologue.conversation.history import Message
from duologue.engine.accounting import owned_by
from duologue.errors import DeadlineError, DuologueError, ProviderError, with_cause
from duologue.realtime import (
    RealtimeConnection,
    RealtimeDone,
    RealtimeEvent,
    RealtimeFailed,
    RealtimeModel,
    RealtimeResponseEvent,
    RealtimeTurnEnded,
)
from duologue.session.cancellation import drop_cancel_traceback

__all__ = ["ModelResponse", "RealtimeLink"]

CONNECT_TIMEOUT_S: Final = 10.0
CLOSING: Final = 1.0
"""Seconds that the connection has to close."""
AT_ONCE: Final = 64
"""Events read in a row before other calls get the loop, if a model never waits."""
MAX_WAITING: Final = 4096
"""Events of one response that may wait to be read."""
MAX_EARLY_BYTES: Final = 960_000
"""The user's audio that may wait for the connection: 30 s; then the oldest is dropped."""


class ModelResponse:
    """One response of the model: its events, until they are read."""

    def __init__(self, name: str, generation: int, connection: RealtimeConnection, *, is_answer: bool) -> None:
        self.id = name
        self.connection = connection
        """The connection that the response belongs to."""
        self.generation = generation
        """The generation of the session's reply."""
        self.is_answer = is_answer
        """False for a text that the model was asked to say."""
        self.seconds: float = 0.0
        """Seconds of its audio so far."""
        self.has_begun: bool = False
        """An event was read."""
        self.is_complete: bool = False
        """Its last event has come, and it has not failed."""
        self._events: deque[RealtimeResponseEvent] = deque()
        self._error: DuologueError | None = None
        self._changed = asyncio.Event()

    def put(self, event: RealtimeResponseEvent) -> bool:
        """Add an event; return False if too many wait."""
        if len(self._events) >= MAX_WAITING:
            return False
        self._events.append(event)
        self.is_complete = self.is_complete or isinstance(event, RealtimeDone)
        self._changed.set()
        return True

    def fail(self, error: DuologueError) -> None:
        """End with an error, after the events that wait; the first counts."""
        self._error = self._error or error
        self._changed.set()

    async def next(self, name: str, timeout: float) -> RealtimeResponseEvent | None:
        """Return the next event, or None at the end. Raises DeadlineError after `timeout` seconds without one."""
        try:
            async with asyncio.timeout(timeout):
                while not self._events:
                    if self._error is not None:
                        raise self._error
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise DeadlineError(f"{name} gave nothing for {timeout:g} s.", provider=name) from None
        self.has_begun = True
        event = self._events.popleft()
        if isinstance(event, RealtimeFailed):
            raise event.error
        return None if isinstance(event, RealtimeDone) else event


class RealtimeLink:
    """One connection at a time, opened when it is needed, and read by one task."""

    def __init__(self, model: RealtimeModel, language: str | None) -> None:
        self.connection: RealtimeConnection | None = None
        """None while it is not open."""
        self.responses: dict[str, ModelResponse] = {}
        """Responses that are not over, by id."""
        self.late_events: int = 0
        """Events of responses that were over or cancelled: a model sends some before it gets the message."""
        self.on_turn_ended: Callable[[float], None] | None = None
        """Told the probability with which the model takes the user's turn for over."""
        self.dropped_bytes: int = 0
        """The user's audio that was dropped because the connection was not open yet."""
        self.has_lost_audio: bool = False
        """A lost connection had got audio of the user that was not answered."""
        self._model = model
        self._language = language
        self._history: tuple[Message, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._was_opened = False
        self._opened = asyncio.Event()
        self._error: DuologueError | None = None
        """Why the connection is closed."""
        self._fault: DuologueError | None = None
        """An error without a response to report it, until the next one does."""
        self._early: deque[bytes] = deque()
        self._early_bytes = 0

    def push(self, pcm: bytes) -> None:
        """Send the user's audio, as soon as the connection is open."""
        if self.connection is not None:
            try:
                self.connection.push(pcm)
                return
            except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
                if not is_fault(cause):
                    raise
                self._lose(self._failed(cause, "hear"))
        self._early.append(pcm)
        self._early_bytes += len(pcm)
        while self._early_bytes > MAX_EARLY_BYTES:
            dropped = len(self._early.popleft())
            self._early_bytes -= dropped
            self.dropped_bytes += dropped
        if not self._was_opened:
            self.open()

    def call(self, method: Literal["respond", "tool_result", "truncate", "cancel"], *args: Any, **named: Any) -> None:
        """Call a method of the connection, if there is one.

        An exception means that the connection is lost, and the next response opens another. Raises ProviderError then.
        """
        if self.connection is None:
            return
        try:
            getattr(self.connection, method)(*args, **named)
            if method == "respond":
                self.has_lost_audio = False
        except BaseException as cause:
            if not is_fault(cause):
                raise
            error = self._failed(cause, "take the result of a tool" if method == "tool_result" else method)
            self._lose(error)
            self._fault = None  # the caller reports it
            raise error from error.__cause__

    def take_fault(self) -> DuologueError | None:
        """Return the error since the last response, once."""
        fault, self._fault = self._fault, None
        return fault

    def open(self, session: str = "", history: tuple[Message, ...] = ()) -> None:
        """Begin to connect unless that was done. A new connection in place of a lost one gets the history.

        Without a session the connection belongs to that of the code that runs.
        """
        if self._task is not None:
            return
        self._history = history
        self._was_opened = True
        self._opened, self._error = asyncio.Event(), None
        context = owned_by(session) if session else None
        self._task = asyncio.create_task(self._run(self._opened), name="realtime", context=context)
        self._task.add_done_callback(drop_cancel_traceback)

    async def connected(self, session: str, history: tuple[Message, ...]) -> RealtimeConnection:
        """Return the open connection. Raises ProviderError if it cannot be opened."""
        self.open(session, history)
        name = self._model.name
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._opened.wait()
        except TimeoutError:
            self._stop()
            raise DeadlineError(f"{name} did not connect within {CONNECT_TIMEOUT_S:g} s.", provider=name) from None
        if self.connection is None:
            raise self._error or ProviderError(f"{name} is not connected.", provider=name)
        return self.connection

    async def aclose(self) -> None:
        """Close the connection. Raises the error of one that does not close, or was lost unnoticed."""
        task = self._stop()
        self.responses.clear()
        self._early.clear()
        if task is not None:
            await asyncio.wait([task], timeout=2 * CLOSING)
        if (fault := self.take_fault()) is not None:
            raise fault

    def _stop(self) -> asyncio.Task[None] | None:
        task, self._task, self.connection = self._task, None, None
        if task is not None:
            task.cancel()
        return task

    async def _run(self, opened: asyncio.Event) -> None:
        connection: RealtimeConnection | None = None
        name = self._model.name
        error = ProviderError(f"{name} closed the connection.", provider=name)
        try:
            connection = await self._model.connect(language=self._language, history=self._history)
            if not self.has_lost_audio:  # otherwise the turn is given as text, and would be answered twice
                for pcm in self._early:
                    connection.push(pcm)
            self._early.clear()
            self._early_bytes = 0
            self.connection = connection
            opened.set()
            read = 0
            async for event in connection:
                self._dispatch(event)
                read += 1
                if read % AT_ONCE == 0:
                    await asyncio.sleep(0)
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            error = self._failed(cause)
        finally:
            if self._task is asyncio.current_task():  # otherwise it was stopped, and there may be another
                self._lose(error)
            opened.set()
            if connection is not None:
                await self._close(connection)

    def _lose(self, error: DuologueError) -> None:
        """Drop the connection; the next response connects again."""
        task = self._task
        self.has_lost_audio = self.has_lost_audio or self.connection is not None
        if task is not asyncio.current_task():
            self._stop()
        self._task, self.connection, self._error = None, None, error
        waiting = [response for response in self.responses.values() if not response.is_complete]
        if not waiting:
            self._fault = error
        for response in waiting:
            response.fail(error)

    async def _close(self, connection: RealtimeConnection) -> None:
        name = self._model.name
        try:
            async with asyncio.timeout(CLOSING):
                await connection.aclose()
        except TimeoutError:
            self._fault = ProviderError(f"{name} did not close its connection within {CLOSING:g} s.", provider=name)
        except BaseException as cause:
            if not is_fault(cause):
                raise
            self._fault = self._failed(cause, "close")

    def _failed(self, cause: BaseException, what: str = "") -> ProviderError:
        if isinstance(cause, ProviderError):
            return cause
        name, doing = self._model.name, f" to {what}" if what else ""
        return with_cause(ProviderError(f"{name} failed{doing}: {type(cause).__name__}.", provider=name), cause)

    def _dispatch(self, event: RealtimeEvent) -> None:
        name = self._model.name
        if not isinstance(event, RealtimeEvent):
            raise ProviderError(f"{name} gave {type(event).__name__}, which is no event.", provider=name)
        if isinstance(event, RealtimeTurnEnded):
            self._turn_ended(event.probability)
            return
        response = self.responses.get(event.response)
        if response is None:
            self.late_events += 1
        elif not response.put(event):
            response.fail(ProviderError(f"{name} gave more than {MAX_WAITING} events at once.", provider=name))

    def _turn_ended(self, probability: float) -> None:
        name = self._model.name
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise ProviderError(f"{name} gave {probability!r} as the probability that a turn is over.", provider=name)
        if self.on_turn_ended is None or not self._model.capabilities.decides_turns:
            self.late_events += 1
        else:
            self.on_turn_ended(probability)
