"""Voices of LiveKit Agents: any package `livekit-plugins-*` that has one, as a provider.

Source: `livekit.agents.tts` of livekit-agents 1.8.9.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import Field

from duologue.errors import ConfigError, DeadlineError, ProviderError
from duologue.livekit import PluginHost, connect_options, load_plugin, plugin_error, split_options
from duologue.services import validated
from duologue.tts import SpeechItem, TextToSpeech, TtsCapabilities
from duologue.tts.service import ServiceSettings, VoiceUsage
from duologue.tts.websocket import Reply, Timed
from duologue.tts.websocket.reader import AudioReader

__all__ = ["LiveKitVoice", "LiveKitVoiceSettings"]


class LiveKitVoiceSettings(ServiceSettings):
    """Settings of the bridge. All other options are the plugin's own. Times are in seconds."""

    connect_timeout: float = Field(10.0, gt=0, le=60)
    """For a connection to be made; some plugins allow as much between two messages."""


class LiveKitVoice(TextToSpeech):
    """A voice of a LiveKit plugin. All sessions share it; at most `max_connections` streams are open at once.

    Args:
        plugin: The part of the package's name after `livekit-plugins-`, as `cartesia`; with a class, as
            `deepgram.TTSv2`; or an object of the plugin.
        model: The plugin's option `model`.
        options: Fields of LiveKitVoiceSettings, and arguments of the plugin's class.

    Raises:
        NotInstalledError: livekit-agents or the plugin is missing.
        ConfigError: The plugin does not take an option, or needs another, or its audio is not mono.
    """

    def __init__(self, plugin: Any = "", *, model: str | None = None, **options: Any) -> None:
        ours, theirs = split_options(LiveKitVoiceSettings.model_fields, options)
        is_named = isinstance(plugin, str)
        label = plugin if is_named else type(plugin).__module__.removeprefix("livekit.plugins.").partition(".")[0]
        self.name: str = f"livekit:{label}" + (f"/{model}" if model else "")
        self.settings: LiveKitVoiceSettings = validated(LiveKitVoiceSettings, self.name, ours)
        if not is_named and (theirs or model or self.settings.api_key_file):
            raise ConfigError("Options of the plugin were given, and an object that has been made.")
        if model:
            theirs["model"] = model
        make = load_plugin("TTS", plugin, theirs, self.settings.api_key_file) if is_named else lambda: plugin
        self._host = PluginHost(self.name, make)
        made = self._host.plugin
        if made.num_channels != 1:
            raise ConfigError(f"{self.name} has {made.num_channels} channels, and must have one.")
        self.rate: int = made.sample_rate
        self.capabilities: TtsCapabilities = TtsCapabilities(
            streams_text=made.capabilities.streaming,
            aligned=made.capabilities.streaming and made.capabilities.aligned_transcript,
            rates=(self.rate,),
            languages=self.settings.languages,
            typical_latency=self.settings.typical_latency,
            cost=self.settings.cost,
        )
        self.usage: VoiceUsage = VoiceUsage()
        self._places = asyncio.Semaphore(self.settings.max_connections)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`, which the plugin cuts into sentences itself. There is no seed."""
        pieces = _pieces(text)
        first = await anext(pieces, "")
        if not first:
            return
        async with self._place():
            await self._host.open()
            speech = _Speech(self, self._host, first, pieces)
            try:
                self.usage.streams += 1
                async for items in speech.read():
                    for item in items:
                        yield item
            finally:
                await speech.close()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold one of `max_connections` places."""
        limit = self.settings.connect_timeout
        try:
            async with asyncio.timeout(limit):
                await self._places.acquire()
        except TimeoutError:
            raise DeadlineError(
                f"{self.name} had all {self.settings.max_connections} streams in use for {limit:g} s.",
                provider=self.name,
                hint="Raise max_connections, if your plan allows for more streams at once.",
            ) from None
        try:
            yield
        finally:
            self._places.release()

    async def warm(self) -> None:
        """Have the plugin open what it opens ahead."""
        await self._host.open()
        self._host.run(self._host.plugin.prewarm)

    async def aclose(self) -> None:
        """Close the plugin. A later stream begins anew."""
        await self._host.aclose()


class _Speech:
    """One stream of the plugin, and the text that is written into it."""

    def __init__(self, voice: LiveKitVoice, host: PluginHost, first: str, rest: AsyncIterator[str]) -> None:
        self._voice = voice
        self._host = host
        self._first = first
        self._rest = rest
        self._words: deque[str] = deque()
        self._chars = 0
        self._stream: Any = None
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Any] | None = None

    async def read(self) -> AsyncIterator[list[SpeechItem]]:
        """Yield the items of each frame of audio. Raises the error of the tree, or what the text raised."""
        voice, plugin = self._voice, self._host.plugin
        s, can = voice.settings, voice.capabilities
        limits = connect_options(s.connect_timeout)
        if can.streams_text:
            self._stream = self._host.run(lambda: plugin.stream(conn_options=limits))
            self._writing = asyncio.create_task(self._write(), name=f"{voice.name} text")
        else:
            text = "".join([self._first, *[piece async for piece in self._rest]])
            self._note(text)
            self._stream = self._host.run(lambda: plugin.synthesize(text, conn_options=limits))
        reader = AudioReader(voice.name, voice.rate, voice.usage, self._words, aligned=can.aligned)
        timeout = s.first_audio_timeout
        while (frame := await self._next(timeout)) is not None:
            timeout = s.stall_timeout
            if frame.sample_rate != voice.rate or frame.num_channels != 1:
                raise ProviderError(
                    f"{voice.name} gave audio that is not mono at {voice.rate} Hz.", provider=voice.name
                )
            yield reader.read(Reply(audio=frame.data.tobytes(), timed=_timed(frame)), self._chars)
        if (rest := reader.end()) is not None:
            yield [rest]

    async def _next(self, timeout: float) -> Any:
        """The next frame; None after the last. The plugin has `timeout` seconds for it once it has all of the text."""
        self._reading = asyncio.ensure_future(anext(self._stream, None))
        if self._writing is not None:
            await asyncio.wait({self._reading, self._writing}, return_when=asyncio.FIRST_COMPLETED)
            if self._writing.done():
                self._writing.result()
        await asyncio.wait({self._reading}, timeout=timeout)
        if not self._reading.done():
            late = f"{self._voice.name} gave no audio for {timeout:g} s."
            raise DeadlineError(late, provider=self._voice.name)
        try:
            event = self._reading.result()
        except Exception as error:
            raise plugin_error(self._voice.name, error) from None
        return None if event is None else event.frame

    async def _write(self) -> None:
        piece, tail = self._first, ""
        while piece:
            # The last word may go on in the next piece.
            words = (tail + piece).split()
            tail = words.pop() if words and not piece[-1:].isspace() else ""
            self._words.extend(words)
            self._count(piece)
            self._stream.push_text(piece)
            piece = await anext(self._rest, "")
        if tail:
            self._words.append(tail)
        self._stream.end_input()

    def _note(self, text: str) -> None:
        self._words.extend(text.split())
        self._count(text)

    def _count(self, text: str) -> None:
        self._chars += len(text)
        self._voice.usage.characters += len(text)

    async def close(self) -> None:
        """Stop the plugin's work, within a fraction of a second."""
        for task in (self._writing, self._reading):
            if task is not None and not task.cancel() and not task.cancelled():
                task.exception()  # the other one's was raised
        if self._stream is not None:
            await self._host.close(self._stream)


async def _pieces(text: str | AsyncIterable[str]) -> AsyncIterator[str]:
    """Yield the pieces of a text, from the first one that is not blank."""
    if isinstance(text, str):
        if text.strip():
            yield text
        return
    has_begun = False
    async for piece in text:
        has_begun = has_begun or not (not piece or piece.isspace())
        if has_begun and piece:
            yield piece


def _timed(frame: Any) -> tuple[Timed, ...]:
    """Words that begin to be spoken in this frame or later, in seconds of the stream."""
    from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

    timed = []
    for word in frame.userdata.get(USERDATA_TIMED_TRANSCRIPT) or ():
        if isinstance(word.start_time, int | float):
            end = word.end_time if isinstance(word.end_time, int | float) else word.start_time
            timed.append((f"{word} ", float(word.start_time), float(end)))
    return tuple(timed)
