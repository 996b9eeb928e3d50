"""Recognition streams over Deepgram: Nova over `/v1/listen`, which is asked for finals, and Flux over `/v2/listen`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.errors import DeadlineError, DuologueError, ProviderError, ProviderUnavailableError
from duologue.stt import EndOfTurn, Partial, RecognitionEvent
from duologue.stt import Final as FinalTranscript
from duologue.stt.deepgram.connection import Connection
from duologue.stt.deepgram.messages import FINALIZE, Failure, Results, TurnInfo, UtteranceEnd, parse, words_at
from duologue.stt.deepgram.settings import DeepgramSettings
from duologue.stt.service import RecognizerUsage
from duologue.stt.streaming import AudioQueue, PositionMap

__all__ = ["FluxStream", "NovaStream"]

MAX_QUEUED_S: Final = 60.0
"""Seconds of audio that may wait: what is pushed again after a fault, 30 s, and what comes while it is sent."""


MAX_ASKED: Final = 64
ROUNDING: Final = RATE // 10
"""Samples by which Deepgram's times may fall short of the audio that it was sent."""


class DeepgramStream(ABC):
    """What the streams of both protocols share. `dial` opens a connection."""

    keep_alive = False

    def __init__(
        self,
        name: str,
        settings: DeepgramSettings,
        usage: RecognizerUsage,
        dial: Callable[[], Coroutine[Any, Any, Connection]],
    ) -> None:
        self._name = name
        self._settings = settings
        self._usage = usage
        self._dial = dial
        self._audio = AudioQueue(name, MAX_QUEUED_S)
        self.push, self.finalize = self._audio.push, self._audio.finalize
        self._clock = PositionMap()
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[Connection] | None = None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        connection = await self._open()
        if connection is None:
            return
        sending = asyncio.create_task(self._send(connection), name="deepgram-send")
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
            raise
        finally:
            self._dialing = None
        self._connection = connection
        connection.watch(keep_alive=self.keep_alive)
        self._usage.streams += 1
        return connection

    def _stopped_by_aclose(self) -> bool:
        """Whether dialing was cancelled by `aclose`, and not by whoever waits for the stream."""
        return self._closed and self._dialing is not None and self._dialing.cancelled()

    async def _send(self, connection: Connection) -> None:
        async for pcm, position in self._audio:
            if pcm:
                samples = len(pcm) // 2
                self._clock.sent(samples, position)
                self._usage.streamed_s += samples / RATE
                await connection.send(pcm)
            else:
                await self._request_final(connection, position)

    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        message = parse(self._name, frame)
        if message is None:
            self._usage.unknown_messages += 1
            return []
        if isinstance(message, Failure):
            code = "".join(c for c in (message.code or message.variant) if c.isalnum() or c in "_-")[:60]
            kind = ProviderUnavailableError if "INTERNAL" in code or "NET" in code else ProviderError
            raise kind(f"{self._name} reports an error ({code}).", provider=self._name)
        return self._events(message)

    @abstractmethod
    def _events(self, message: object) -> list[RecognitionEvent]: ...

    async def _request_final(self, connection: Connection, position: int) -> None:  # noqa: B027
        """Ask for finals up to `position`, where the protocol has a message for it."""

    def _unanswered(self) -> list[RecognitionEvent]:
        """What stands for an answer that did not come."""
        return []

    def _forget(self) -> None:  # noqa: B027 - Flux is never asked
        """Stop waiting for answers."""


class NovaStream(DeepgramStream):
    """A stream of `/v1/listen`. `finalize` sends `Finalize`."""

    keep_alive = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._covered = 0
        """The position up to which finals have come."""
        self._heard = 0
        """The position up to which Deepgram has listened."""
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
        await connection.send(FINALIZE)

    def _miss_answer(self, connection: Connection) -> None:
        self._asking = asyncio.create_task(self._ask_again(connection), name="deepgram-finalize")

    async def _ask_again(self, connection: Connection) -> None:
        """Deepgram need not answer if nothing is left to transcribe. Then a connection that lives is the answer."""
        late = f"{self._name} did not answer Finalize within {self._settings.finalize_timeout:g} s."
        if self._has_words or not await connection.answers_ping():
            connection.fail(DeadlineError(late, provider=self._name))
            return
        connection.interrupt()

    def _events(self, message: object) -> list[RecognitionEvent]:
        if isinstance(message, UtteranceEnd) and self._settings.utterance_end_ms is not None:
            return [EndOfTurn(self._settings.utterance_end_probability, self._heard)]
        if not isinstance(message, Results):
            return []
        best = message.channel.alternatives[0]
        start = self._clock.position(message.start)
        end = max(start, self._clock.end(message.start + message.duration))
        self._heard = max(self._heard, end)
        text = best.transcript.strip()
        if not message.is_final:
            self._has_words = bool(text)
            return [Partial(text, start, end)]
        self._has_words = False
        if message.from_finalize:
            end = max(end, self._answered(end))
        self._covered = max(self._covered, end)
        confidence = best.confidence if text else None
        return [FinalTranscript(text, start, end, words_at(best.words, self._clock), confidence)]

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


class FluxStream(DeepgramStream):
    """A stream of `/v2/listen`. Flux tells every quarter of a second how far it has listened, and is never asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turn = -1
        self._start = 0
        """Where the turn begins."""

    def _events(self, message: object) -> list[RecognitionEvent]:
        if not isinstance(message, TurnInfo):
            return []
        end = self._clock.end(message.audio_window_end)
        if message.turn_index != self._turn:
            self._turn = message.turn_index
            self._start = min(self._clock.position(message.audio_window_start), end)
        text, sure = message.transcript.strip(), message.end_of_turn_confidence
        if message.event == "EndOfTurn":
            words = words_at(message.words, self._clock)
            return [EndOfTurn(sure, end), FinalTranscript(text, self._start, end, words)]
        events: list[RecognitionEvent] = [Partial(text, self._start, end)]
        if message.event == "EagerEndOfTurn":
            events.append(EndOfTurn(sure, end, eager=True))
        elif message.event == "TurnResumed":
            events.append(EndOfTurn(sure, end))  # a low confidence counts against the end
        return events
