"""What a service sends of one stream of speech, made into items."""

from __future__ import annotations

import base64
import binascii
from collections import deque

from duologue.errors import ProviderError, ProviderUnavailableError
from duologue.tts import AudioChunk, SpeechItem, TextSpan
from duologue.tts.service import MAX_AUDIO_SECONDS, MAX_AUDIO_SECONDS_PER_CHAR, VoiceUsage, compressed_form
from duologue.tts.websocket.wire import Reply
from duologue.tts.websocket.words import WordTimer

__all__ = ["AudioReader"]


class AudioReader:
    """Makes items of replies. `words` are those that were sent and have no time yet; `aligned`: replies have times."""

    def __init__(self, name: str, rate: int, usage: VoiceUsage, words: deque[str], *, aligned: bool) -> None:
        self._name = name
        self._rate = rate
        self._usage = usage
        self._words = words
        self._timer = WordTimer(words) if aligned else None
        self._bytes = 0
        """Whole samples so far, in bytes."""
        self._half = b""
        self._began = 0.0
        """Where the context begins, in seconds of the stream."""

    @property
    def _seconds(self) -> float:
        return self._bytes / 2 / self._rate

    def begin_context(self) -> None:
        """Note that what follows is of another context."""
        self._check_whole()
        self._began = self._seconds

    def read(self, reply: Reply, chars: int) -> list[SpeechItem]:
        """Return the items of one reply, its words first. `chars`: how many characters have been sent."""
        items: list[SpeechItem] = []
        if self._timer is not None and reply.timed:
            at = self._seconds if reply.from_here else self._began
            words = self._timer.push((text, at + start, at + end) for text, start, end in reply.timed)
            if words:
                text = " ".join(word.text for word in words)
                items.append(TextSpan(text, words[0].start, words[-1].end, tuple(words)))
        pcm = self._half + self._decoded(reply.audio)
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
        self._check_whole()
        if self._words and not self._bytes:
            raise ProviderUnavailableError(f"{self._name} gave no audio.", provider=self._name)
        if self._timer is None or not self._words:
            return None
        return TextSpan(" ".join(self._words), min(self._timer.end, self._seconds), self._seconds)

    def _check_whole(self) -> None:
        if self._half:
            raise ProviderUnavailableError(f"{self._name} ended in the middle of a sample.", provider=self._name)

    def _decoded(self, audio: str | bytes) -> bytes:
        if isinstance(audio, bytes):
            return audio
        try:
            return base64.b64decode(audio, validate=True)
        except (ValueError, binascii.Error):
            raise ProviderError(f"{self._name} sent audio that is not base64.", provider=self._name) from None
