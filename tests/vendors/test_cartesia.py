"""What is particular to Cartesia: contexts that expire, cancelling, and whether the stand-in satisfies its own SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from cartesia import AsyncCartesia
from cartesia_server import KEY, CartesiaServer
from test_streamed_text import LONG, collect, said, spans, written
from voice_faults import Fault

from duologue.errors import ConfigError, DuologueError, ProviderError, QuotaExceededError, RateLimitedError
from duologue.settings.providers import tts_provider
from duologue.testing.spoken import understand
from duologue.tts.cartesia import CartesiaVoice

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(*faults: Fault, **options: Any) -> AsyncIterator[tuple[CartesiaServer, CartesiaVoice]]:
    async with asyncio.timeout(20.0), CartesiaServer(faults) as server:
        voice = CartesiaVoice(voice="voice_1", base_url=server.url, api_key=KEY, **options)
        try:
            yield server, voice
        finally:
            await voice.aclose()
        assert server.problems == []


async def test_a_text_that_pauses_goes_on_in_another_context() -> None:
    more = asyncio.Event()
    async with served(idle_end=0.05) as (server, voice):
        server.expiry = 0.3
        stream = asyncio.create_task(collect(voice, written(["One moment, please. "], more, "Here it is.")))
        while not any(not generation.more for generation in server.generations):
            await asyncio.sleep(0.01)
        more.set()
        items = await stream
        words = [word for span in spans(items) for word in span.words]
        assert [word.text for word in words] == ["One", "moment,", "please.", "Here", "it", "is."]
        assert words[3].start == pytest.approx(words[2].end, abs=0.01)
        assert len(server.contexts) == 2


async def test_a_context_that_expired_by_itself_is_no_error() -> None:
    more = asyncio.Event()
    async with served() as (server, voice):
        server.expiry = 0.01
        stream = asyncio.create_task(collect(voice, written(["One moment, please. "], more, "Here it is.")))
        while not server.problems:  # the stand-in says what Cartesia says: the context is gone
            await asyncio.sleep(0.01)
        server.problems.clear()
        server.expiry = 1.0
        more.set()
        assert " ".join(span.text for span in spans(await stream)) == "One moment, please. Here it is."


async def test_an_interruption_cancels_the_context() -> None:
    async with served() as (server, voice):
        for text in (written(["One moment, please. "], asyncio.Event()), LONG):
            async with aclosing(voice.stream(text)) as items:  # type: ignore[type-var]  # it is a generator
                await anext(items)
        while len(server.cancelled) < 2:
            await asyncio.sleep(0.001)
        assert server.cancelled == server.contexts
        assert server.connections == 1


async def test_the_settings_are_in_each_request() -> None:
    options: dict[str, Any] = {"language": "en", "speed": 1.1, "volume": 0.9, "emotion": "calm", "rate": 16_000}
    async with served(alignment=False, **options) as (server, voice):
        assert not voice.capabilities.aligned
        assert spans(await collect(voice, LONG)) == []
        request = server.generations[0]
        assert (request.model_id, request.voice.id, request.language) == ("sonic-3.5", "voice_1", "en")
        assert request.generation_config is not None
        assert request.generation_config.model_dump() == {"speed": 1.1, "volume": 0.9, "emotion": "calm"}
        assert (request.output_format.sample_rate, request.max_buffer_delay_ms) == (16_000, 0)
        assert not request.add_timestamps


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"status_code": 429, "error_code": "concurrency_limited", "title": "t", "message": KEY}, RateLimitedError),
        ({"status_code": 402, "error_code": None, "title": "t", "message": KEY}, QuotaExceededError),
        ({"status_code": 400, "error_code": "voice_not_found", "title": "t", "message": KEY}, ProviderError),
    ],
)
async def test_an_error_in_mid_stream_is_mapped(error: dict[str, Any], kind: type[DuologueError]) -> None:
    async with served() as (server, voice):
        server.refusal = error
        with pytest.raises(kind) as caught:
            await collect(voice, LONG)
        assert type(caught.value) is kind
        assert KEY not in str(caught.value)
        assert said(voice, await collect(voice, LONG)) == LONG
        assert server.connections == 1


def test_what_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTESIA_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="CARTESIA_API_KEY"):
        CartesiaVoice(voice="voice_1")


def test_it_is_registered_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTESIA_API_KEY", KEY)
    voice = tts_provider("cartesia/voice-id")
    assert isinstance(voice, CartesiaVoice)
    assert (voice.name, voice.settings.voice) == ("cartesia/sonic-3.5", "voice-id")
    assert KEY not in f"{voice!r} {voice.settings!r}"


async def test_cartesias_own_sdk_accepts_the_stand_in() -> None:
    async with asyncio.timeout(20.0), CartesiaServer() as server:
        client = AsyncCartesia(api_key=KEY, websocket_base_url=server.url, base_url="http://127.0.0.1:9")
        async with client.tts.websocket_connect() as connection:
            context = connection.context(
                model_id="sonic-3.5",
                voice={"id": "voice_1"},
                output_format={"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000},
                add_timestamps=True,
            )
            await context.push("Good day. ")
            await context.push("How are you?")
            await context.no_more_inputs()
            pcm, words = b"", []
            async for event in context.receive():
                if event.type == "chunk":
                    pcm += event.audio or b""
                elif event.type == "timestamps" and event.word_timestamps is not None:
                    words += event.word_timestamps.words
        await client.close()
        assert understand(pcm) == "Good day. How are you?"
        assert words == ["Good", "day.", "How", "are", "you?"]
        assert server.problems == []
