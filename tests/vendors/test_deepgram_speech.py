"""What is particular to Deepgram's voices: flushes, and whether the stand-in satisfies the vendor's own SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text
from deepgram_speech import FLUSHES, KEY, DeepgramSpeechServer
from test_streamed_text import LONG, collect, said, spans, written

from duologue.errors import ConfigError, RateLimitedError
from duologue.settings.providers import tts_provider
from duologue.testing.spoken import understand
from duologue.tts.deepgram import DeepgramVoice

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[DeepgramSpeechServer, DeepgramVoice]]:
    async with asyncio.timeout(20.0), DeepgramSpeechServer() as server:
        voice = DeepgramVoice(base_url=server.url, api_key=KEY, **options)
        try:
            yield server, voice
        finally:
            await voice.aclose()
        assert server.problems == []


async def test_each_clause_is_flushed_and_an_interruption_clears_what_is_left() -> None:
    async with served() as (server, voice):
        assert said(voice, await collect(voice, LONG)) == LONG
        assert server.received == ["Speak", "Flush"]
        async with aclosing(voice.stream(written(["One moment, please. "], asyncio.Event()))) as items:  # type: ignore[type-var]  # it is a generator
            await anext(items)
        while "Clear" not in server.received:
            await asyncio.sleep(0.001)
        assert said(voice, await collect(voice, LONG)) == LONG
        assert server.connections == 1


async def test_text_that_ends_after_everything_was_spoken_needs_no_flush_more() -> None:
    more = asyncio.Event()
    async with served() as (server, voice):
        items = []
        async for item in voice.stream(written(["One moment, please. "], more)):
            items.append(item)
            await asyncio.sleep(0.05)
            more.set()
        assert said(voice, items) == "One moment, please."
        assert spans(items) == []
        assert server.received == ["Speak", "Flush"]


async def test_a_connection_is_flushed_no_more_often_than_deepgram_allows() -> None:
    async with served(max_connections=2) as (server, voice):
        sentences = [f"This is number {n}. " for n in range(18)]
        for _ in range(2):
            items = await collect(voice, written([*sentences, "So far."]))
            assert said(voice, items) == "".join(sentences) + "So far."
        assert server.received.count("Flush") <= FLUSHES
        assert server.received.count("Speak") == 38


async def test_a_warning_about_flushes_asks_for_fewer() -> None:
    async with served() as (server, voice):
        server.warning = {"description": "Too many.", "code": "EXCESSIVE_FLUSH"}
        with pytest.raises(RateLimitedError):
            await collect(voice, LONG)


async def test_the_settings_are_in_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(model="aura-2-helena-en", rate=16_000, mip_opt_out=True, tag="t") as (server, voice):
        await voice.warm()
        assert server.queries == [
            {
                "model": "aura-2-helena-en",
                "encoding": "linear16",
                "sample_rate": "16000",
                "mip_opt_out": "true",
                "tag": "t",
            }
        ]
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        tts_provider("deepgram")
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    named = tts_provider("deepgram/aura-2-helena-en")
    assert (named.name, named.rate) == ("deepgram/aura-2-helena-en", 24_000)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it uses the legacy client of websockets
async def test_deepgrams_own_sdk_accepts_the_stand_in() -> None:
    async with asyncio.timeout(20.0), DeepgramSpeechServer() as server:
        environment = DeepgramClientEnvironment(
            base="http://127.0.0.1:9", production=server.url, agent=server.url, agent_rest="http://127.0.0.1:9"
        )
        client = AsyncDeepgramClient(api_key=KEY, environment=environment)
        pcm = b""
        async with client.speak.v1.connect(
            model="aura-2-thalia-en", encoding="linear16", sample_rate="16000"
        ) as socket:
            await socket.send_text(SpeakV1Text(type="Speak", text="Good day."))
            await socket.send_flush()
            async for message in socket:
                if isinstance(message, bytes):
                    pcm += message
                elif message.type == "Flushed":
                    break
            await socket.send_close()
        assert understand(pcm) == "Good day."
        assert server.problems == []
