"""Counts what a session asks of its recognizer and its voice."""

from __future__ import annotations

import time

from duologue.audio.format import RATE
from duologue.stt import SpeechToText
from duologue.telemetry.context import CONTEXTS
from duologue.telemetry.names import SPEECH_TO_TEXT, TEXT_TO_SPEECH
from duologue.telemetry.usage import ProviderUse, Served, count_use, watch_service
from duologue.tts import AudioChunk, SpeechItem, TextToSpeech

__all__ = ["VoiceUse", "count_stream", "count_transcription"]


def count_transcription(stt: SpeechToText, result: str, took: float, pcm: bytes, served: Served) -> None:
    """Count one request to transcribe 16 kHz PCM16, `took` seconds long."""
    stt = served.provider or stt
    audio = len(pcm) / 2 / RATE
    answered = took if result == "done" else None
    count_use(ProviderUse(stt.name, SPEECH_TO_TEXT, result, answered, audio, cost=_price(stt, audio)))


def count_stream(stt: SpeechToText, audio: float, session: str) -> None:
    """Count `audio` seconds that a stream has heard in a call that ends."""
    if (counted := CONTEXTS.counted(session)) is not None:
        count_use(ProviderUse(stt.name, SPEECH_TO_TEXT, audio=audio, cost=_price(stt, audio)), *counted)


def _price(stt: SpeechToText, audio: float) -> float | None:
    price = stt.capabilities.cost
    return None if price is None else audio / 3600 * price


class VoiceUse:
    """One stream of a voice, from its request to its end."""

    def __init__(self, tts: TextToSpeech) -> None:
        self.result = "failed"
        self._tts = tts
        self._served = watch_service()
        self._began = time.perf_counter()
        self._first: float | None = None
        self._samples = 0

    def take(self, item: SpeechItem) -> None:
        """Note what the voice gave."""
        if isinstance(item, AudioChunk):
            self._samples += len(item.pcm) // 2
            if self._first is None:
                self._first = time.perf_counter() - self._began

    def count(self, characters: int) -> None:
        """The stream has ended; it was given so many characters."""
        tts = self._served.provider or self._tts
        price = tts.capabilities.cost
        cost = None if price is None else characters / 1000 * price
        audio = self._samples / self._tts.rate
        count_use(ProviderUse(tts.name, TEXT_TO_SPEECH, self.result, self._first, audio, characters, cost=cost))
