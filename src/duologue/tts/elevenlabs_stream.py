"""One stream of speech of ElevenLabs: text is handed over clause by clause, and what comes back is made into items."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterable
from typing import Any, Final

from duologue.errors import ProviderError, ProviderUnavailableError
from duologue.tts import AudioChunk, SpeechItem, TextSpan, WordTiming
from duologue.tts.clauses import ClauseSplitter
from duologue.tts.elevenlabs_settings import ElevenLabsSettings
from duologue.tts.elevenlabs_socket import Context
from duologue.tts.service import MAX_AUDIO_SECONDS, MAX_AUDIO_SECONDS_PER_CHAR, VoiceUsage, compressed_form

__all__ = ["CLAUSE_PAUSE", "SENTENCE_PAUSE", "AudioReader", "TextWriter"]

MAX_UNREAD_BYTES: Final = 2 * 1024 * 1024
"""Encoded audio that is unread when no more text is sent: 30 s at 24 kHz."""
SENTENCE_PAUSE: Final = 0.03
"""Seconds without text after which what ends like a sentence is spoken..."""
CLAUSE_PAUSE: Final = 0.15
"""...and what ends like a clause."""


class TextWriter:
    """Hands a text to a context, one clause at a time."""

    def __init__(self, settings: ElevenLabsSettings, usage: VoiceUsage, context: Context) -> None:
        self.words: deque[str] = deque()
        """Words that were sent and did not come back as audio."""
        self.chars = 0
        """Characters that were sent."""
        self._settings = settings
        self._usage = usage
        self._context = context
        self._splitter = ClauseSplitter()
        self._tail = ""
        self._pause: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._drains: set[asyncio.Task[None]] = set()

    async def run(self, text: str | AsyncIterable[str]) -> None:
        """Send all of `text`, and close the context."""
        context = self._context
        try:
            self._begin()
            if isinstance(text, str):
                self._send([text.strip()])
            else:
                async for piece in text:
                    self._cancel_pause()
                    self._send(self._splitter.push(piece))
                    self._tail = (self._tail + piece)[-8:]
                    self._pause = self._loop.call_later(SENTENCE_PAUSE, self._after_sentence)
                    await context.connection.drain()
                    await context.room(MAX_UNREAD_BYTES)
                self._cancel_pause()
                self._send(self._splitter.flush())
            context.close()
            await context.connection.drain()
        except Exception as error:
            context.fail(error)
        finally:
            self.stop()

    def stop(self) -> None:
        """Send nothing more by itself."""
        self._cancel_pause()
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None

    def _begin(self) -> None:
        s = self._settings
        names = ("stability", "similarity_boost", "style", "use_speaker_boost", "speed")
        given = {name: getattr(s, name) for name in names if getattr(s, name) is not None}
        self._context.send(text=" ", **({"voice_settings": given} if given else {}))
        self._keep_alive = self._loop.call_later(s.keep_alive, self._stay)

    def _send(self, clauses: list[str]) -> None:
        for clause in clauses:
            self.words.extend(clause.split())
            self.chars += len(clause) + 1
            self._usage.characters += len(clause) + 1
            # Without the flush the service waits for more text before it speaks.
            self._context.send(text=f"{clause} ", flush=True)

    def _after_sentence(self) -> None:
        self._send(self._splitter.settle())
        self._drain()
        self._pause = self._loop.call_later(CLAUSE_PAUSE - SENTENCE_PAUSE, self._after_clause)

    def _after_clause(self) -> None:
        self._pause = None
        tail = self._tail.rstrip()
        # A comma after a figure may be part of a number.
        if tail.endswith((",", ";", ":", "—")) and tail[-2:-1].isalpha():
            self._send(self._splitter.flush())
            self._drain()

    def _cancel_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _stay(self) -> None:
        self._context.send(text="")
        self._drain()
        self._keep_alive = self._loop.call_later(self._settings.keep_alive, self._stay)

    def _drain(self) -> None:
        task = asyncio.create_task(self._context.connection.drain())
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)


class AudioReader:
    """Makes items of what the service sends."""

    def __init__(self, name: str, settings: ElevenLabsSettings, usage: VoiceUsage, words: deque[str]) -> None:
        self._name = name
        self._settings = settings
        self._usage = usage
        self._words = words
        self._bytes = 0
        """Whole samples so far, in bytes."""
        self._half = b""
        self._word = ""
        """A word whose end has not come."""
        self._start = self._end = 0.0
        """Where it sounds."""

    @property
    def _seconds(self) -> float:
        return self._bytes / 2 / self._settings.rate

    def read(self, message: dict[str, Any], chars: int) -> list[SpeechItem]:
        """Return the items of one message: its text, and then its audio."""
        items: list[SpeechItem] = []
        if self._settings.alignment and (span := self._span(self._timed(message))):
            items.append(span)
        pcm = self._half + self._decoded(message["audio"])
        if not self._bytes and (form := compressed_form(pcm)):
            raise ProviderError(f"{self._name} answered with {form!r} and not with raw PCM.", provider=self._name)
        whole = len(pcm) & ~1
        self._half = pcm[whole:]
        if whole:
            self._bytes += whole
            self._usage.audio_bytes += whole
            items.append(AudioChunk(pcm[:whole]))
        if self._seconds > MAX_AUDIO_SECONDS + MAX_AUDIO_SECONDS_PER_CHAR * chars:
            raise ProviderError(f"{self._name} gave too much audio for its text.", provider=self._name)
        return items

    def end(self) -> TextSpan | None:
        """Return the text that is left when all audio came."""
        if self._half:
            raise ProviderUnavailableError(f"{self._name} ended in the middle of a sample.", provider=self._name)
        if self._words and not self._bytes:
            raise ProviderUnavailableError(f"{self._name} gave no audio.", provider=self._name)
        if not (self._settings.alignment and self._words):
            return None
        return TextSpan(" ".join(self._words), min(self._end, self._seconds), self._seconds)

    def _decoded(self, audio: Any) -> bytes:
        try:
            return base64.b64decode(audio, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise ProviderError(f"{self._name} sent audio that is not base64.", provider=self._name) from None

    def _timed(self, message: dict[str, Any]) -> list[tuple[str, float, float]]:
        """Return each character with its start and end in the stream; nothing if the service gave none that make sense.

        Times are counted from the beginning of the audio in the same message.
        """
        alignment = message.get("alignment") or message.get("normalizedAlignment")
        if not isinstance(alignment, dict):
            return []
        chars, starts, lengths = (alignment.get(key) for key in ("chars", "charStartTimesMs", "charDurationsMs"))
        if not (isinstance(chars, list) and isinstance(starts, list) and isinstance(lengths, list)):
            return []
        if not len(chars) == len(starts) == len(lengths):
            return []
        at = self._seconds
        timed = []
        for char, start, length in zip(chars, starts, lengths, strict=True):
            if not (isinstance(char, str) and isinstance(start, int | float) and isinstance(length, int | float)):
                return []
            timed.append((char, at + start / 1000, at + (start + length) / 1000))
        return timed

    def _span(self, timed: list[tuple[str, float, float]]) -> TextSpan | None:
        """Return the words that end in a message."""
        words: list[WordTiming] = []
        for text, start, end in timed:
            for char in text:
                if char.isspace():
                    self._close_word(words)
                    continue
                if not self._word:
                    self._start = start
                self._word += char
                self._end = end
        # The last word of what was sent has no space after it yet.
        if self._words and self._word == self._words[0]:
            self._close_word(words)
        if not words:
            return None
        return TextSpan(" ".join(word.text for word in words), words[0].start, words[-1].end, tuple(words))

    def _close_word(self, words: list[WordTiming]) -> None:
        if self._word:
            words.append(WordTiming(self._word, self._start, self._end))
            self._word = ""
            if self._words:
                self._words.popleft()
