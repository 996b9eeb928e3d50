"""Recognizers of LiveKit Agents: any package `livekit-plugins-*` that has one, as a provider.

Source: `livekit.agents.stt` of livekit-agents 1.8.9.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from duologue.audio.format import RATE
from duologue.errors import ConfigError, DeadlineError
from duologue.livekit import PluginHost, connect_options, load_plugin, plugin_error, split_options
from duologue.services import validated
from duologue.stt import RecognitionStream, SttCapabilities, Transcript
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.buffered import BufferedStream
from duologue.stt.livekit_stream import LiveKitRecognizerSettings, LiveKitStream
from duologue.stt.service import RecognizerUsage

__all__ = ["LiveKitRecognizerSettings", "LiveKitSpeechToText"]


class LiveKitSpeechToText(StreamingSpeechToText):
    """A recognizer of a LiveKit plugin. One serves all sessions of a process.

    Args:
        plugin: The part of the package's name after `livekit-plugins-`, as `deepgram`; with a class, as
            `deepgram.STTv2`; or an object of the plugin.
        model: The plugin's option `model`.
        options: Fields of LiveKitRecognizerSettings, and arguments of the plugin's class.

    Raises:
        NotInstalledError: livekit-agents or the plugin is missing.
        ConfigError: The plugin does not take an option, or needs another.
    """

    def __init__(self, plugin: Any = "", *, model: str | None = None, **options: Any) -> None:
        ours, theirs = split_options(LiveKitRecognizerSettings.model_fields, options)
        is_named = isinstance(plugin, str)
        label = plugin if is_named else type(plugin).__module__.removeprefix("livekit.plugins.").partition(".")[0]
        self.name: str = f"livekit:{label}" + (f"/{model}" if model else "")
        self.settings: LiveKitRecognizerSettings = validated(LiveKitRecognizerSettings, self.name, ours)
        if not is_named and (theirs or model or self.settings.api_key_file):
            raise ConfigError("Options of the plugin were given, and an object that has been made.")
        if model:
            theirs["model"] = model
        make = load_plugin("STT", plugin, theirs, self.settings.api_key_file) if is_named else lambda: plugin
        self._host = PluginHost(self.name, make)
        can = self._host.plugin.capabilities
        self.capabilities: SttCapabilities = SttCapabilities(
            streaming=can.streaming,
            partials=can.streaming and can.interim_results,
            word_times=can.streaming and can.aligned_transcript == "word",
            typical_latency=self.settings.typical_latency,
            cost=self.settings.cost,
        )
        self.usage: RecognizerUsage = RecognizerUsage()

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream."""
        if not self.capabilities.streaming:
            return BufferedStream(self, language=language)
        return LiveKitStream(self.name, self.settings, self.usage, self._host, self._opener(language))

    def _opener(self, language: str | None) -> Callable[[], Any]:
        spoken = {"language": language} if language else {}
        limits = connect_options(self.settings.connect_timeout)
        return lambda: self._host.plugin.stream(**spoken, conn_options=limits)

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance: through a stream of its own, if the plugin streams."""
        if self.capabilities.streaming:
            return await super().transcribe(pcm, language=language, deadline=deadline)
        from livekit import rtc

        await self._host.open()
        s, samples = self.settings, len(pcm) // 2
        frame = rtc.AudioFrame(data=pcm, sample_rate=RATE, num_channels=1, samples_per_channel=samples)
        spoken = {"language": language} if language else {}
        limits = connect_options(s.connect_timeout)
        recognize = partial(self._host.plugin.recognize, [frame], **spoken, conn_options=limits)
        try:
            async with asyncio.timeout(s.connect_timeout + s.stall_timeout):
                event = await self._host.run(lambda: asyncio.ensure_future(recognize()))
        except TimeoutError:
            late = f"{self.name} gave no words within {s.connect_timeout + s.stall_timeout:g} s."
            raise DeadlineError(late, provider=self.name) from None
        except Exception as error:
            raise plugin_error(self.name, error) from None
        self.usage.requests += 1
        self.usage.requested_s += samples / RATE
        text = event.alternatives[0].text.strip() if event.alternatives else ""
        return Transcript(text, audio_s=samples / RATE, language=language or "en")

    async def warm(self) -> None:
        """Have the plugin prepare what it prepares ahead."""
        await self._host.open()
        self._host.run(self._host.plugin.prewarm)

    async def aclose(self) -> None:
        """Close the plugin. A later stream begins anew."""
        await self._host.aclose()
