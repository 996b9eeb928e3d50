"""A recognition stream over a stream of a LiveKit plugin, which need not answer when it is asked for finals."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from pydantic import Field

from duologue.audio.format import RATE
from duologue.errors import DeadlineError, DuologueError, OverloadedError, ProviderError, ProviderUnavailableError
from duologue.livekit import PluginHost, plugin_error
from duologue.stt import Final as FinalTranscript
from duologue.stt import Partial, RecognitionEvent, Word
from duologue.stt.service import RecognizerUsage, ServiceSettings
from duologue.stt.streaming import AudioQueue, PositionMap

__all__ = ["LiveKitRecognizerSettings", "LiveKitStream"]

MAX_QUEUED_S: Final = 60.0
"""Seconds of audio that may wait: what is pushed again after a fault, 30 s, and what comes while it is sent."""
MAX_FRAMES: Final = 4000
"""Frames that the plugin may leave unread."""
MAX_EVENTS: Final = 1000
"""Events of the plugin that may wait."""
MAX_ASKED: Final = 64
REACH: Final = RATE // 2
"""Samples between the end of the last word and the request for it: a final that ends so near is the answer."""
CLOSED: Final = object()
NEAR: Final = RATE
"""Samples before a request: a final that ended there may have come before it, and have all words."""


class LiveKitRecognizerSettings(ServiceSettings):
    """Settings of the bridge. All other options are the plugin's own. Times are in seconds."""

    finalize_timeout: float = Field(1.0, gt=0, le=10)
    """For the plugin's answer to a request for finals. Then the words so far count as final."""
    quiet_timeout: float = Field(0.3, gt=0, le=10)
    """For words that may follow a final which came before they were asked for."""


class LiveKitStream:
    """One stream. `open_stream` opens the plugin's; it is closed when the iteration over this one ends.

    Plugins say nothing if there are no words, and some cannot be asked for finals. A request is answered by the next
    final; without one, by the words so far, or by an empty final. Silence from a plugin that has said nothing for
    `stall_timeout` does not count as an answer: the connection may be half open.
    """

    def __init__(
        self,
        name: str,
        settings: LiveKitRecognizerSettings,
        usage: RecognizerUsage,
        host: PluginHost,
        open_stream: Callable[[], Any],
    ) -> None:
        self.name = name
        self.usage = usage
        self._settings = settings
        self._host = host
        self._open_stream = open_stream
        self._audio = AudioQueue(name, MAX_QUEUED_S)
        self.push: Callable[[bytes, int], None] = self._audio.push
        self.finalize: Callable[[int], None] = self._audio.finalize
        self._clock = PositionMap()
        self._sent = self._covered = 0
        """Positions up to which audio was sent, and up to which finals have come."""
        self._inbox: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._stream: Any = None
        self._closed = False
        self._asked: deque[int] = deque(maxlen=MAX_ASKED)
        self._asked_at = self._opened_at = self._heard_at = 0.0
        self._has_heard = False
        self._is_speech = False
        """The plugin hears speech whose final has not come."""
        self._words_so_far = ""
        self._promoted: list[str] = []
        """Words that were given as final before the plugin said so."""
        self._due: float | None = None
        self._waiting: asyncio.Timeout | None = None

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        if not self._closed:
            await self._host.open()
        if self._closed:
            return
        stream = self._stream = self._host.run(self._open_stream)
        self._opened_at = self._heard_at = self._now()
        receiving = asyncio.create_task(self._receive(stream), name=f"{self.name} receive")
        sending = asyncio.create_task(self._send(stream, receiving), name=f"{self.name} send")
        self.usage.streams += 1
        try:
            while (event := await self._next()) is not CLOSED:
                for said in self._missed() if event is None else self._read(event):
                    yield said
                self._schedule()
        finally:
            sending.cancel()
            receiving.cancel()
            await self._close()

    async def aclose(self) -> None:
        """Close the stream, and the plugin's."""
        self._closed = True
        self._audio.close()
        self._arrived.set()
        await self._close()

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await self._host.close(stream)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- to the plugin and from it ---

    async def _send(self, stream: Any, receiving: asyncio.Task[None]) -> None:
        from livekit import rtc

        try:
            async for pcm, position in self._audio:
                if not pcm:
                    self._ask(position)
                    stream.flush()
                    continue
                samples = len(pcm) // 2
                self._clock.sent(samples, position)
                self._sent = position + samples
                self.usage.streamed_s += samples / RATE
                stream.push_frame(
                    rtc.AudioFrame(data=pcm, sample_rate=RATE, num_channels=1, samples_per_channel=samples)
                )
                if stream._input_ch.qsize() > MAX_FRAMES:
                    raise OverloadedError(f"{self.name} does not take its audio.", provider=self.name)
        except Exception as error:
            # A stream that has ended takes no audio, and `_receive` knows why it has.
            await asyncio.wait({receiving}, timeout=self._settings.connect_timeout)
            self._deliver(plugin_error(self.name, error))

    async def _receive(self, stream: Any) -> None:
        try:
            async for event in stream:
                self._deliver(event)
                if len(self._inbox) > MAX_EVENTS:
                    raise ProviderError(f"{self.name} says more than can be taken.", provider=self.name)
            raise ProviderUnavailableError(f"{self.name} ended its stream.", provider=self.name)
        except Exception as error:
            self._deliver(plugin_error(self.name, error))

    def _deliver(self, what: Any) -> None:
        self._inbox.append(what)
        self._arrived.set()

    async def _next(self) -> Any:
        """The next event of the plugin; None if an answer is overdue, CLOSED after `aclose`."""
        while not self._inbox and not self._closed:
            try:
                async with asyncio.timeout_at(self._due) as self._waiting:
                    await self._arrived.wait()
            except TimeoutError:
                return None
            finally:
                self._waiting = None
            self._arrived.clear()
        return CLOSED if self._closed else self._inbox.popleft()

    # --- requests for finals ---

    def _ask(self, position: int) -> None:
        self._asked.append(position)
        self._asked_at = self._now()
        self._schedule()

    def _schedule(self) -> None:
        """Set the time at which what is asked for counts as not answered."""
        s, due = self._settings, None
        if self._asked:
            is_covered = not self._is_speech and self._covered >= max(self._asked[-1] - NEAR, 1)
            due = self._asked_at + (s.quiet_timeout if is_covered else s.finalize_timeout)
            if not self._has_heard:
                due = max(due, self._opened_at + s.connect_timeout)  # it may still be dialing
        self._due = due
        if self._waiting is not None:
            self._waiting.reschedule(due)

    def _missed(self) -> list[RecognitionEvent]:
        """What stands for an answer that did not come."""
        if not self._asked:
            return []
        asked, text = max(self._asked), self._words_so_far
        if not text and self._now() - self._heard_at >= self._settings.stall_timeout:
            raise DeadlineError(
                f"{self.name} has said nothing for {self._settings.stall_timeout:g} s.", provider=self.name
            )
        self._asked.clear()
        self._is_speech, self._words_so_far = False, ""
        if asked <= self._covered and not text:
            return []
        if text:
            self._promoted += _keys(text)
        start, self._covered = self._covered, max(asked, self._covered)
        return [FinalTranscript(text, min(start, self._covered), self._covered)]

    # --- what the plugin says ---

    def _read(self, event: Any) -> list[RecognitionEvent]:
        if isinstance(event, DuologueError):
            raise event
        kind = str(event.type.value)
        if kind == "recognition_usage":  # some count what was sent, which shows nothing of the connection
            return []
        self._has_heard, self._heard_at = True, self._now()
        data = event.alternatives[0] if event.alternatives else None
        if kind == "end_of_speech" or data is None:
            self._is_speech = kind == "start_of_speech"
            return []
        if kind == "final_transcript":
            return self._final(data)
        text = self._rest(data.text)
        self._is_speech, self._words_so_far = True, text
        start, end = self._span(data)
        return [Partial(text, start, end)] if text else []

    def _final(self, data: Any) -> list[RecognitionEvent]:
        text, (start, end) = self._rest(data.text), self._span(data)
        was_promoted = bool(self._promoted)
        self._promoted.clear()
        self._is_speech, self._words_so_far = False, ""
        if was_promoted and not text:
            return []
        answered = 0
        while self._asked and (not _has_times(data) or self._asked[0] <= end + REACH):
            answered = self._asked.popleft()
        end = max(end, answered)
        self._covered = max(self._covered, end)
        words = self._words(data, start, end) if text == data.text.strip() else ()
        return [FinalTranscript(text, start, end, words, data.confidence or None)]

    def _rest(self, text: str) -> str:
        """The text without words that were given as final before."""
        words = text.split()
        count = len(self._promoted)
        if count and [key for word in words[:count] for key in _keys(word)] == self._promoted:
            words = words[count:]
        return " ".join(words)

    def _span(self, data: Any) -> tuple[int, int]:
        start, end = self._covered, self._sent
        if _has_times(data):
            start, end = self._clock.position(data.start_time), self._clock.end(data.end_time)
        start = min(max(start, self._covered), max(self._sent, self._covered))
        return start, min(max(start, end), max(self._sent, start))

    def _words(self, data: Any, first: int, last: int) -> tuple[Word, ...]:
        words = []
        for word in data.words or ():
            if not isinstance(word.start_time, int | float) or not isinstance(word.end_time, int | float):
                return ()
            start = min(max(self._clock.position(word.start_time), first), last)
            end = min(max(start, self._clock.end(word.end_time)), last)
            sure = word.confidence if isinstance(word.confidence, int | float) else None
            words.append(Word(str(word).strip(), start, end, sure))
        return tuple(words)


def _has_times(data: Any) -> bool:
    return bool(data.end_time > 0 and data.end_time >= data.start_time)


def _keys(text: str) -> list[str]:
    """Words as they are compared: without capitals and punctuation, one for each."""
    return ["".join(char for char in word.lower() if char.isalnum()) or word for word in text.split()]
