"""Streams of recognizers over a WebSocket: what does not depend on the vendor."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, ClassVar, Final

from duologue.audio.format import RATE
from duologue.errors import DeadlineError, DuologueError
from duologue.stt import Final as FinalTranscript
from duologue.stt import RecognitionEvent
from duologue.stt.service import RecognizerUsage, SocketSettings
from duologue.stt.streaming import AudioQueue, PositionMap
from duologue.stt.websocket.connection import Connection

__all__ = ["AskedStream", "SocketStream"]

MAX_QUEUED_S: Final = 60.0
"""Seconds of audio that may wait: what is pushed again after a fault, 30 s, and what comes while it is sent."""
MAX_ASKED: Final = 64
ROUNDING: Final = RATE // 10
"""Samples by which a service's times may fall short of the audio that it was sent."""


class SocketStream(ABC):
    """One open stream. `dial` opens its connection."""

    vendor: ClassVar[str]
    """Begins the names of its tasks."""
    keep_alive: ClassVar[str | None] = None
    """The message that keeps a silent stream open, if there is one..."""
    keep_alive_interval: float = 60.0
    """...and the seconds between two."""
    message_samples: ClassVar[int] = 0
    """The least audio in a message, unless finals are asked for: each message costs a call of the system."""

    def __init__(
        self,
        name: str,
        settings: SocketSettings,
        usage: RecognizerUsage,
        dial: Callable[[], Coroutine[Any, Any, Connection]],
    ) -> None:
        self.name = name
        self._settings = settings
        self.usage = usage
        self._dial = dial
        self._audio = AudioQueue(name, MAX_QUEUED_S, least=self.message_samples)
        self.push: Callable[[bytes, int], None] = self._audio.push
        self.finalize: Callable[[int], None] = self._audio.finalize
        self._clock = PositionMap()
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[Connection] | None = None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        connection = await self._open()
        if connection is None:
            return
        sending = asyncio.create_task(self._send(connection), name=f"{self.vendor}-send")
        try:
            async with aclosing(connection.messages()) as frames:
                async for frame in frames:
                    for event in self._unanswered() if frame is None else self._read(frame):
                        yield event
        except DuologueError:
            if not self._closed:
                raise
        finally:
            sending.cancel()
            self._connection = None
            self._forget()
            await connection.aclose()

    async def aclose(self) -> None:
        """Close the stream, or stop dialing."""
        self._closed = True
        self._audio.close()
        self._forget()
        if self._dialing is not None:
            self._dialing.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _open(self) -> Connection | None:
        """Connect; None if the stream is closed meanwhile."""
        if self._closed:
            return None
        self._dialing = asyncio.ensure_future(self._dial())
        try:
            connection = await self._dialing
        except asyncio.CancelledError:
            if self._stopped_by_aclose():
                return None
            await self._drop(self._dialing)
            raise
        finally:
            self._dialing = None
        if self._audio.is_closed:
            await connection.aclose()
            return None
        self._connection = connection
        connection.watch(f"{self.vendor}-watch", self.keep_alive, self.keep_alive_interval)
        self.usage.streams += 1
        return connection

    async def _drop(self, dialing: asyncio.Task[Connection] | None) -> None:
        """Close a connection that was established just as the task that waited for it was cancelled."""
        if dialing is not None and dialing.done() and not dialing.cancelled() and dialing.exception() is None:
            await dialing.result().aclose()

    def _stopped_by_aclose(self) -> bool:
        """Whether `aclose` cancelled dialing, and not the task that waits for the stream."""
        return self._closed and self._dialing is not None and self._dialing.cancelled()

    async def _send(self, connection: Connection) -> None:
        async for pcm, position in self._audio:
            if pcm:
                await self._send_audio(connection, pcm, position)
            else:
                await self._request_final(connection, position)

    async def _send_audio(self, connection: Connection, pcm: bytes, position: int) -> None:
        """Send a piece of audio that begins at `position`."""
        self._count(len(pcm) // 2, position)
        await connection.send(pcm)

    def _count(self, samples: int, position: int) -> None:
        self._clock.sent(samples, position)
        self.usage.streamed_s += samples / RATE

    @abstractmethod
    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        """Return what a frame says. Raises the error of the tree for one that is no message, or reports a failure."""

    async def _request_final(self, connection: Connection, position: int) -> None:  # noqa: B027
        """Ask for finals up to `position`, where the protocol has a message for it."""

    def _unanswered(self) -> list[RecognitionEvent]:
        """What stands for an answer that did not come."""
        return []

    def _forget(self) -> None:  # noqa: B027
        """Stop waiting for answers."""


class AskedStream(SocketStream):
    """A stream whose service is asked for finals. It need not answer if nothing is left to transcribe."""

    request: ClassVar[str]
    """The message that asks for finals."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._covered = 0
        """The position up to which finals have come."""
        self._heard = 0
        """The position up to which the service has listened."""
        self._has_words = False
        """Whether words have come that are not final."""
        self._asked: deque[int] = deque(maxlen=MAX_ASKED)
        """Positions up to which finals were asked for, and have not been answered."""
        self._answer_due: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    async def _request_final(self, connection: Connection, position: int) -> None:
        self._stop_waiting()
        self._asked.append(position)
        loop = asyncio.get_running_loop()
        self._answer_due = loop.call_later(self._settings.finalize_timeout, self._miss_answer, connection)
        await connection.send(self.request)

    def _miss_answer(self, connection: Connection) -> None:
        self._asking = asyncio.create_task(self._ask_again(connection), name=f"{self.vendor}-finalize")

    async def _ask_again(self, connection: Connection) -> None:
        """Take a connection that lives for the answer, if no words are owed."""
        late = f"{self.name} gave no final within {self._settings.finalize_timeout:g} s."
        if self._has_words or not await connection.answers_ping():
            connection.fail(DeadlineError(late, provider=self.name))
            return
        connection.interrupt()

    def _answered(self, end: int) -> int:
        """Take the requests that an answer up to `end` stands for; returns the position of the last of them.

        It is the answer to the oldest, and to all that it reaches: some are never answered.
        """
        position = self._asked.popleft() if self._asked else 0
        while self._asked and self._asked[0] <= end + ROUNDING:
            position = self._asked.popleft()
        if not self._asked:
            self._stop_waiting()
        return position

    def _unanswered(self) -> list[RecognitionEvent]:
        asked = max(self._asked, default=0)
        self._forget()
        if asked <= self._covered or self._has_words:
            return []
        start, self._covered = self._covered, asked
        return [FinalTranscript("", start, asked)]

    def _forget(self) -> None:
        self._asked.clear()
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._answer_due is not None:
            self._answer_due.cancel()
            self._answer_due = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
