"""Deepgram: recognition while the user speaks (Nova, and Flux, which judges the end of turns), and of recordings.

Protocol, as of November 2026: https://developers.deepgram.com/reference/speech-to-text/listen-streaming and listen-flux
(AsyncAPI), /docs/finalize, /docs/audio-keep-alive, /docs/flux/state, /docs/errors, and the types of deepgram-sdk 7.17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from duologue.audio.format import RATE
from duologue.services import ReloadsKey, read_key, validated
from duologue.stt import SttCapabilities, Transcript
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.deepgram.messages import CLOSE_STREAM, KEEP_ALIVE
from duologue.stt.deepgram.recorded import RecordedTranscription
from duologue.stt.deepgram.settings import DeepgramSettings, is_flux
from duologue.stt.deepgram.stream import FluxStream, NovaStream, close_error
from duologue.stt.service import RecognizerUsage
from duologue.stt.websocket import Connection, SocketStream, StreamPool, dial

__all__ = ["DeepgramSettings", "DeepgramSpeechToText"]

ENGLISH_MODELS = ("flux-general-en",)


class DeepgramSpeechToText(ReloadsKey, StreamingSpeechToText):
    """The Deepgram recognizer. One serves all sessions of a process.

    Args:
        api_key: The key; by default that of `api_key_file`, or of the environment variable `DEEPGRAM_API_KEY`.
        options: Fields of DeepgramSettings, such as `model`, `language` and `keyterm`.

    Raises:
        ConfigError: An option is unknown or wrong, or there is no key.
    """

    def __init__(self, *, api_key: str | None = None, **options: Any) -> None:
        settings = validated(DeepgramSettings, "deepgram", options)
        self.settings: DeepgramSettings = settings
        self.name: str = f"deepgram/{settings.model}"
        flux = is_flux(settings.model)
        self.capabilities: SttCapabilities = SttCapabilities(
            streaming=True,
            finalizes=not flux,
            word_times=not flux,
            end_of_turn=flux or settings.utterance_end_ms is not None,
            languages=frozenset({"en"}) if settings.model in ENGLISH_MODELS else frozenset(),
            rates=(8_000, 16_000, 24_000, 44_100, 48_000),
            typical_latency=settings.typical_latency,
            cost=settings.price,
        )
        self.usage: RecognizerUsage = RecognizerUsage()
        self._headers = {"Authorization": f"Token {api_key or read_key(settings.api_key_file, 'DEEPGRAM_API_KEY')}"}
        self._keep_key(self._headers, "Authorization", "Token {}", None if api_key else settings.api_key_file)
        self._streams = StreamPool(self.name, settings, self._dial, self._keep_open)
        self._recorded = RecordedTranscription(self.name, settings, self._headers)

    @property
    def cost(self) -> float | None:
        """US dollars that the usage so far costs, by the prices of the settings; None if a price is unknown."""
        hours = (
            (self.usage.streamed_s, self.settings.price),
            (self.usage.requested_s, self.settings.prerecorded_price),
        )
        used = [(seconds, price) for seconds, price in hours if seconds]
        if any(price is None for _, price in used):
            return None
        return sum(seconds / 3600 * (price or 0.0) for seconds, price in used)

    def stream(self, *, language: str | None = None) -> SocketStream:
        """Open a stream: `/v2/listen` for a Flux model, else `/v1/listen`."""
        self.check_language(language)
        kind = FluxStream if is_flux(self.settings.model) else NovaStream
        return kind(self.name, self.settings, self.usage, partial(self._streams.connect, self._url(language)))

    async def warm(self) -> None:
        """Open the connections that are kept ready, which checks the key; none unless `warm_connections` is set."""
        await self._streams.warm(self._url(None))

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe a recording in one request, with `prerecorded_model`."""
        self.check_language(language)
        seconds = len(pcm) / 2 / RATE
        spoken = language or self.settings.language
        if not pcm:
            return Transcript("", language=spoken or "en")
        text = await self._recorded.transcribe(pcm, spoken)
        self.usage.requests += 1
        self.usage.requested_s += seconds
        return Transcript(text, audio_s=seconds, language=spoken or "en")

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several recordings at once, `max_requests` at a time."""
        limit = asyncio.Semaphore(self.settings.max_requests)

        async def one(pcm: bytes) -> Transcript:
            async with limit:
                return await self.transcribe(pcm, language=language)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(pcm)) for pcm in pcms]
        return [task.result() for task in tasks]

    async def aclose(self) -> None:
        """Close the connections of requests, and those that are kept ready. Streams are closed by their sessions."""
        await self._recorded.aclose()
        await self._streams.aclose()

    def _url(self, language: str | None) -> str:
        return f"{self.settings.stream_url()}?{urlencode(self.settings.stream_parameters(language))}"

    async def _dial(self, url: str) -> Connection:
        return await dial(self.name, url, self._headers, self.settings, goodbye=CLOSE_STREAM, close_error=close_error)

    def _keep_open(self, connection: Connection) -> None:
        """Have a connection that serves no stream yet send what keeps it open."""
        if self.settings.warm_connections:
            connection.watch("deepgram-watch", KEEP_ALIVE, self.settings.keep_alive_interval)
