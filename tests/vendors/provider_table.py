"""Every provider that calls a service, one row each: the suites of behaviors run over these two tables.

A new provider joins with a stand-in for its service, and a row here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import assemblyai_server
import cartesia_server
import deepgram_server
import deepgram_speech
import elevenlabs_server
import openai_speech
import openai_transcription
import pytest
from assemblyai_server import AssemblyAIServer
from cartesia_server import CartesiaServer
from deepgram_server import DeepgramServer
from deepgram_speech import DeepgramSpeechServer
from elevenlabs_server import ElevenLabsServer
from openai_speech import OpenAISpeechServer
from openai_transcription import OpenAITranscriptionServer

from duologue.stt.assemblyai import AssemblyAISpeechToText
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.deepgram import DeepgramSpeechToText
from duologue.stt.openai_realtime import OpenAIRealtimeSpeechToText
from duologue.tts import TextToSpeech
from duologue.tts.cartesia import CartesiaVoice
from duologue.tts.deepgram import DeepgramVoice
from duologue.tts.elevenlabs import ElevenLabsVoice
from duologue.tts.openai import OpenAIVoice

__all__ = ["RECOGNIZERS", "VOICES", "Recognizer", "Voice", "recognizers", "voices"]


class StandIn(Protocol):
    """What the suites ask of every stand-in. Its faults are for the first connections or requests, one each."""

    url: str
    problems: list[str]
    """What clients did that the vendor's reference does not allow."""
    open: int
    """Connections that are open now."""
    traces: list[str | None]
    """The header `traceparent` of each request or handshake."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: Any) -> None: ...


class RecognizerStandIn(StandIn, Protocol):
    received: list[str]
    """Types of the messages that came."""
    dialed: asyncio.Event
    misbehaves: asyncio.Event


class VoiceStandIn(StandIn, Protocol):
    connections: int
    """Connections that were made."""
    faults: deque[Any]
    """Faults that are still to come."""


@dataclass(frozen=True)
class Recognizer:
    """A recognizer that streams."""

    name: str
    """As it is registered, with a model."""
    server: Callable[[Iterable[Any]], RecognizerStandIn]
    make: Callable[..., StreamingSpeechToText]
    """Makes it from the URL of a server and the options that all recognizers have."""
    key: str
    goodbye: str
    """The message with which a stream is closed; empty if there is none."""
    keeps_ready: bool = True
    """Connections can be kept ready for calls to come."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Voice:
    """A voice."""

    name: str
    """As it is registered."""
    server: Callable[[Iterable[Any]], VoiceStandIn]
    make: Callable[..., TextToSpeech]
    """Makes it from the URL of a server and the options that all voices have."""
    key: str
    streams: int = 1
    """Streams that share a connection at once."""
    streams_text: bool = False
    """It takes text while it is written."""
    is_aligned: bool = False
    """It says when each word sounds."""

    def __str__(self) -> str:
        return self.name


def _deepgram(model: str) -> Recognizer:
    return Recognizer(
        f"deepgram/{model}",
        DeepgramServer,
        lambda url, **options: DeepgramSpeechToText(**{"model": model, "base_url": url, **options}),
        deepgram_server.KEY,
        goodbye="CloseStream",
        keeps_ready=model.startswith("nova"),
    )


RECOGNIZERS = [
    _deepgram("nova-3"),
    _deepgram("flux-general-en"),
    Recognizer(
        "assemblyai",
        AssemblyAIServer,
        # Virtual time is faster than real time.
        lambda url, **options: AssemblyAISpeechToText(**{"base_url": url, "max_pace": 1000.0, **options}),
        assemblyai_server.KEY,
        goodbye="Terminate",
    ),
    Recognizer(
        "openai-realtime/gpt-live-transcribe",
        OpenAITranscriptionServer,
        # What stalls is noticed by the answer that does not come: nothing comes in silence either.
        lambda url, **options: OpenAIRealtimeSpeechToText(
            **{"base_url": f"{url}/v1", "finalize_timeout": options.get("stall_timeout", 10.0), **options}
        ),
        openai_transcription.KEY,
        goodbye="",
    ),
]

VOICES = [
    Voice(
        "openai",
        OpenAISpeechServer,
        lambda url, **options: OpenAIVoice("kokoro", **{"voice": "af_heart", "base_url": url, **options}),
        openai_speech.KEY,
    ),
    Voice(
        "elevenlabs",
        ElevenLabsServer,
        lambda url, **options: ElevenLabsVoice(**{"voice": "voice_1", "base_url": url, **options}),
        elevenlabs_server.KEY,
        streams=5,
        streams_text=True,
        is_aligned=True,
    ),
    Voice(
        "cartesia",
        CartesiaServer,
        lambda url, **options: CartesiaVoice(
            **{"voice": "voice_1", "base_url": url, "streams_per_connection": 3, **options}
        ),
        cartesia_server.KEY,
        streams=3,
        streams_text=True,
        is_aligned=True,
    ),
    Voice(
        "deepgram",
        DeepgramSpeechServer,
        lambda url, **options: DeepgramVoice(**{"base_url": url, **options}),
        deepgram_speech.KEY,
        streams_text=True,
    ),
]

recognizers = pytest.mark.parametrize("row", RECOGNIZERS, ids=str)
voices = pytest.mark.parametrize("row", VOICES, ids=str)
