"""What is particular to ElevenLabs: text while it is written, exact words, and contexts that share connections."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from elevenlabs_server import KEY, MAX_CONTEXTS, ElevenLabsServer, VoiceSettings
from voice_faults import Fault

from duologue.errors import ConfigError, ProviderError, ProviderUnavailableError, QuotaExceededError
from duologue.settings.providers import tts_provider
from duologue.tts import SpeechItem, TextSpan
from duologue.tts.elevenlabs import ElevenLabsVoice

pytestmark = pytest.mark.anyio

DEADLINE = 20.0
LONG = "The first thing is this one here, I think. The second thing is that one there, so far. The third is gone."


@asynccontextmanager
async def served(*faults: Fault, **options: Any) -> AsyncIterator[tuple[ElevenLabsServer, ElevenLabsVoice]]:
    async with asyncio.timeout(DEADLINE), ElevenLabsServer(faults) as server:
        voice = ElevenLabsVoice(voice="voice_1", base_url=server.url, api_key=KEY, **options)
        try:
            yield server, voice
        finally:
            await voice.aclose()
        assert server.problems == []


def tokens(text: str) -> list[str]:
    """Pieces as a language model gives them: words with the space before them."""
    return re.findall(r"\s?\S+", text)


async def written(pieces: Iterable[str], then: asyncio.Event | None = None, rest: str = "") -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
    if then is not None:
        await then.wait()
        yield rest


def spans(items: Iterable[SpeechItem]) -> list[TextSpan]:
    return [item for item in items if isinstance(item, TextSpan)]


# --- words ---


async def test_without_alignment_history_has_whole_clauses() -> None:
    async with served(alignment=False) as (_, voice):
        assert not voice.capabilities.aligned
        items = [item async for item in voice.stream(LONG)]
        assert spans(items) == []


# --- text while it is written ---


async def _collect(voice: ElevenLabsVoice, text: Any) -> list[SpeechItem]:
    return [item async for item in voice.stream(text)]


async def test_a_stream_that_waits_for_text_is_kept_alive() -> None:
    more = asyncio.Event()
    async with served(keep_alive=0.02) as (server, voice):
        stream = asyncio.create_task(_collect(voice, written(["One moment. "], more, "Here it is.")))
        while server.kept_alive < 3:
            await asyncio.sleep(0.01)
        more.set()
        assert spans(await stream)[-1].text.endswith("is.")


# --- connections ---


async def test_five_streams_share_a_connection() -> None:
    async with served() as (server, voice):
        server.releases = asyncio.Event()
        streams = asyncio.gather(*(_collect(voice, f"This is number {n}.") for n in range(20)))
        while len(server.texts) < 20:
            await asyncio.sleep(0.01)
        server.releases.set()
        await streams
        assert server.connections == math.ceil(20 / MAX_CONTEXTS)
        assert server.most == MAX_CONTEXTS


async def test_a_context_takes_its_place_until_the_service_has_closed_it() -> None:
    async with served() as (server, voice):
        server.releases = asyncio.Event()
        for _ in range(12):
            async with aclosing(voice.stream(LONG)) as items:  # type: ignore[type-var]  # it is a generator
                await anext(items)
        assert (server.connections, server.most) == (3, MAX_CONTEXTS)
        server.releases.set()
        assert spans(await _collect(voice, LONG))[-1].text.endswith("gone.")
        assert server.connections == 3


@pytest.mark.parametrize("has_context", [True, False])
async def test_an_error_in_mid_stream_is_mapped(has_context: bool) -> None:
    async with served() as (server, voice):
        error = {"message": f"{KEY} is used up.", "error": "quota_exceeded", "code": 1008}
        server.refusal = {**error, "contextId": "context-1"} if has_context else error
        with pytest.raises(QuotaExceededError) as caught:
            await _collect(voice, LONG)
        assert KEY not in str(caught.value)
        await _collect(voice, LONG)
        assert server.connections == (1 if has_context else 2)


async def test_a_stream_that_the_service_ends_is_not_taken_as_complete() -> None:
    async with served() as (server, voice):
        server.refusal = {"isFinal": True, "contextId": "context-1"}
        with pytest.raises(ProviderUnavailableError, match="before the text did"):
            await _collect(voice, written(["One moment. "], asyncio.Event()))


async def test_audio_that_is_not_base64_is_an_error() -> None:
    async with served() as (server, voice):
        server.refusal = {"audio": "???", "contextId": "context-1"}
        with pytest.raises(ProviderError, match="base64"):
            await _collect(voice, LONG)


async def test_streams_and_warming_stay_within_the_limit_of_connections() -> None:
    async with served(max_connections=1) as (server, voice):
        await asyncio.gather(voice.warm(), *(_collect(voice, f"This is number {n}.") for n in range(12)), voice.warm())
        assert server.connections == 1
        assert len(server.texts) == 12


# --- settings ---


async def test_voice_settings_are_sent_when_a_stream_begins() -> None:
    async with served(stability=0.5, speed=1.1, language="en") as (server, voice):
        await _collect(voice, LONG)
        assert server.settings == [VoiceSettings.model_validate({"stability": 0.5, "speed": 1.1})]


def test_what_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="ELEVENLABS_API_KEY"):
        ElevenLabsVoice(voice="voice_1")
    with pytest.raises(ConfigError, match="eleven_v3"):
        ElevenLabsVoice("eleven_v3", voice="voice_1", api_key=KEY)
    with pytest.raises(ConfigError, match="keep_alive"):
        ElevenLabsVoice(voice="voice_1", api_key=KEY, keep_alive=20.0)


def test_it_is_registered_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    voice = tts_provider("elevenlabs/eleven_flash_v2_5", voice="voice_1")
    assert isinstance(voice, ElevenLabsVoice)
    assert (voice.name, voice.rate) == ("elevenlabs/eleven_flash_v2_5", 24_000)
    assert KEY not in f"{voice!r} {voice.settings!r}"
    named = tts_provider("elevenlabs/JBFqnCBsd6RMkjVDRZzb")
    assert isinstance(named, ElevenLabsVoice)
    assert (named.name, named.settings.voice) == ("elevenlabs/eleven_flash_v2_5", "JBFqnCBsd6RMkjVDRZzb")
