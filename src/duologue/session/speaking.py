"""Has a voice speak the text in the queue of one response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from duologue.agent import FunctionCall
from duologue.agent.faults import is_fault
from duologue.errors import ConfigError, ProviderError
from duologue.resilience.retry import RETRIES
from duologue.session.agent_writer import AgentWriter, closable, without_frames
from duologue.session.failures import provider_failed
from duologue.session.provider_use import VoiceUse
from duologue.session.responder import ResponseItem, ResponseRequest, SaySpoken, SpokenAudio, SpokenText
from duologue.session.retry import pause_before_retry
from duologue.session.speech_reader import SpeechReader
from duologue.session.text_queue import Piece, TextFeed, TextQueue
from duologue.telemetry.names import TEXT_TO_SPEECH
from duologue.telemetry.usage import count_retry
from duologue.tts import AudioChunk, SpeechItem, TextToSpeech, TtsCapabilities
from duologue.tts.placement import SECONDS_PER_CHAR, Placement, TextPlacer

__all__ = ["SpokenResponse", "VoiceState"]

SPECULATION_DEADLINE: Final = 0.25
"""Seconds that the first clause of a response may take whose turn is not decided."""
SPEAKING: Final = 0.4
"""Seconds before it is to sound at which a later clause is wanted: speaking it takes a while, also under load."""


class VoiceState:
    """A voice, and what a session has learned of it."""

    def __init__(self, tts: TextToSpeech) -> None:
        if not isinstance(getattr(tts, "capabilities", None), TtsCapabilities):
            raise ConfigError(f"{tts.name} declares no TtsCapabilities.", hint="Derive it from TextToSpeech.")
        if tts.capabilities.rates and tts.rate not in tts.capabilities.rates:
            rates = ", ".join(map(str, tts.capabilities.rates))
            raise ConfigError(f"{tts.name} speaks at {tts.rate} Hz, and its capabilities list {rates} Hz.")
        self.tts = tts
        self.in_clauses: bool = not tts.capabilities.streams_text
        """It is given one clause at a time."""
        self._seconds_per_char = SECONDS_PER_CHAR
        """Its pace, as measured last."""
        self._has_reported = False
        """A fault of its spans was reported; one in every stream is reported once a call."""

    def placer(self) -> TextPlacer:
        """Return what places the text of one stream."""
        aligned = self.tts.capabilities.aligned
        return TextPlacer(self.tts.name, aligned=aligned, seconds_per_char=self._seconds_per_char)

    def report(self, request: ResponseRequest, placer: TextPlacer) -> None:
        """Report what the voice said about its text that cannot be true, and keep its pace."""
        self._seconds_per_char = placer.seconds_per_char
        if placer.fault is not None:
            request.output.failed(placer.fault, request.turn.id, repeated=self._has_reported)
            self._has_reported = True


class SpokenResponse:
    """The voice's part of one response."""

    def __init__(
        self, voice: VoiceState, request: ResponseRequest, queue: TextQueue, writer: AgentWriter | None
    ) -> None:
        self._voice = voice
        self._tts = voice.tts
        self._request = request
        self._queue = queue
        self._writer = writer
        self._is_spoken = False
        """The last stream took all of the text that belongs together."""
        self._streams = 0
        self._at = 0.0
        """Seconds of audio in the streams before."""

    async def items(self) -> AsyncGenerator[ResponseItem, None]:
        """Speak the text in the queue."""
        request, output = self._request, self._request.output
        committed = request.committed
        is_first = True
        while (piece := await self._queue.peek()) is not None:
            if isinstance(piece, FunctionCall):
                await committed.wait()
                self._queue.pop()
                yield piece
                continue
            if not is_first:
                await committed.wait()
                await output.room()
            elif output.busy:
                await committed.wait()  # nothing is spoken in vain
            if piece.say is None and self._writer is not None:
                output.speech_requested(request.generation)
            items = self._recorded(piece) if piece.audio else self._spoken(piece, self._deadline(is_first))
            async with aclosing(items):
                async for item in items:
                    yield item
            is_first = False
            if piece.say is not None and (piece.ends_say if self._voice.in_clauses else self._is_spoken):
                yield SaySpoken(piece.say)

    async def _recorded(self, piece: Piece) -> AsyncGenerator[ResponseItem, None]:
        """Play a recording, a second at a time, so that no more of it waits than of speech."""
        self._queue.pop()
        rate, audio, start = self._tts.rate, piece.audio, self._at
        self._at = start + len(audio) / 2 / rate
        self._streams += 1
        yield SpokenText(Placement(0, piece.text, start, self._at), piece.say, piece.interruptible)
        for at in range(0, len(audio), 2 * rate):
            if at:
                await self._request.output.room()
            part = audio[at : at + 2 * rate]
            if piece.say is not None and self._writer is not None:
                self._writer.extend(len(part) / 2 / rate)
            yield SpokenAudio(part, piece.say)

    def _deadline(self, is_first: bool) -> float | None:
        """When a stream's audio is wanted: at once if it is waited for, else when what is ready has been played."""
        if not is_first:
            return time.monotonic() + max(0.0, self._request.output.ready - SPEAKING)
        return None if self._request.committed.is_set() else time.monotonic() + SPECULATION_DEADLINE

    async def _spoken(self, piece: Piece, deadline: float | None) -> AsyncGenerator[ResponseItem, None]:
        """Speak one clause, or one stretch of text that is being written.

        A failure that passes is tried again as long as nothing of it was spoken.
        """
        c, now = self._request.config, asyncio.get_running_loop().time
        feed = self._feed(piece)
        if feed is None:
            self._queue.pop()
        until, attempt = now() + c.speech_timeout, 0
        RETRIES.note_call()
        try:
            while True:
                gave_audio = False
                try:
                    async with aclosing(self._stream(piece, feed, deadline)) as items:
                        async for item in items:
                            gave_audio = gave_audio or isinstance(item, SpokenAudio)
                            yield item
                    self._check_taken(feed)
                    return
                except BaseException as cause:
                    if not is_fault(cause):
                        raise
                    error = provider_failed(self._tts.name, cause)
                pause = pause_before_retry(attempt, error)
                gives_up = attempt == c.max_retries or now() + pause >= until
                if gave_audio or not error.retryable or gives_up or not RETRIES.spend():
                    raise error
                without_frames(error)
                count_retry(self._tts.name, TEXT_TO_SPEECH)
                await asyncio.sleep(pause)
                attempt += 1
        finally:
            if feed is not None:
                feed.close()

    def _check_taken(self, feed: TextFeed | None) -> None:
        """A stream has ended: what the voice did not take of its text is for the next."""
        if feed is None:
            return
        self._is_spoken = feed.ended
        if not feed.handed:
            name = self._tts.name
            raise ProviderError(f"{name} ended its stream and took no text.", provider=name)

    def _feed(self, piece: Piece) -> TextFeed | None:
        if self._voice.in_clauses:
            return None
        return TextFeed(self._queue, piece, self._request.committed.is_set, self._gate)

    async def _gate(self) -> None:
        await self._request.committed.wait()
        await self._request.output.room()

    async def _stream(
        self, piece: Piece, feed: TextFeed | None, deadline: float | None
    ) -> AsyncGenerator[ResponseItem, None]:
        """One attempt."""
        tts, c = self._tts, self._request.config
        placer = self._voice.placer()
        self._streams += 1
        use = VoiceUse(tts)
        items = closable(tts.stream(piece.text if feed is None else feed, seed=c.seed, deadline=deadline))
        try:
            async with aclosing(items):
                reader = SpeechReader(tts, items, c.speech_timeout, len(piece.text) if feed is None else 0)
                if feed is None:
                    placer.add_clause(piece.text)
                else:
                    _connect(feed, reader, placer)
                while (item := await reader.next()) is not None:
                    use.take(item)
                    for spoken in self._items_of(item, piece, placer, feed):
                        yield spoken
                placer.end_text()
                for place in placer.end():
                    yield self._text(place, piece)
                use.result = "done"
        except (GeneratorExit, asyncio.CancelledError):
            use.result = "cancelled"
            raise
        finally:
            use.count(len(piece.text) if feed is None else sum(map(len, feed.handed)))
        self._at += placer.audio
        self._voice.report(self._request, placer)

    def _items_of(
        self, item: SpeechItem, piece: Piece, placer: TextPlacer, feed: TextFeed | None
    ) -> list[ResponseItem]:
        if not isinstance(item, AudioChunk):
            return [self._text(place, piece) for place in placer.add_span(item)]
        seconds = len(item.pcm) / 2 / self._tts.rate
        if piece.say is not None and self._writer is not None:
            self._writer.extend(seconds)
        if feed is not None:
            feed.spoke()
        # Text first: what sounds is then known when its playout is reported.
        texts = [self._text(place, piece) for place in placer.add_audio(seconds)]
        return [*texts, SpokenAudio(bytes(item.pcm), piece.say)]

    def _text(self, place: Placement, piece: Piece) -> SpokenText:
        return SpokenText(place.moved(self._streams, self._at), piece.say, piece.interruptible)


def _connect(feed: TextFeed, reader: SpeechReader, placer: TextPlacer) -> None:
    """Have a reader and a placer know what the voice is given."""

    def note(text: str) -> None:
        reader.add_text(text)
        placer.add_text(text)

    for text in feed.handed:  # in an attempt before this one
        note(text)
    feed.on_text = note
    reader.follow(feed)
