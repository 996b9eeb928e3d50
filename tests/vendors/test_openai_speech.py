"""What is particular to voices behind `/v1/audio/speech`, and whether the stand-in satisfies OpenAI's own SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai_speech import KEY, RATE, OpenAISpeechServer

from duologue.errors import ConfigError
from duologue.settings.providers import tts_provider
from duologue.testing.spoken import understand
from duologue.tts.openai import OpenAIVoice

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


async def test_openais_own_sdk_accepts_the_stand_in() -> None:
    async with OpenAISpeechServer(["", "unauthorized", "rate_limited"]) as server:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
            speech: dict[str, Any] = {"model": "m", "voice": "alloy", "input": "Good day.", "response_format": "pcm"}
            async with client.audio.speech.with_streaming_response.create(**speech) as answer:
                pcm = b"".join([chunk async for chunk in answer.iter_bytes()])
            with pytest.raises(openai.AuthenticationError):
                await client.audio.speech.create(**speech)
            with pytest.raises(openai.RateLimitError) as refused:
                await client.audio.speech.create(**speech)
            assert [model async for model in client.models.list()] == []
        assert understand(pcm, RATE) == "Good day."
        assert refused.value.response.headers["retry-after"] == "7"
        assert server.problems == []


async def test_instructions_and_speed_are_sent() -> None:
    async with OpenAISpeechServer() as server:
        voice = OpenAIVoice("m", voice="v", base_url=server.url, api_key=KEY, instructions="Whisper.", speed=1.5)
        speech = await voice.synthesize("Good day.")
        await voice.aclose()
        assert server.bodies == [
            {
                "model": "m",
                "voice": "v",
                "input": "Good day.",
                "response_format": "pcm",
                "instructions": "Whisper.",
                "speed": 1.5,
            }
        ]
        assert (understand(speech.pcm, speech.rate), speech.timings) == ("Good day.", "estimated")


async def test_a_cut_off_answer_is_not_read_to_its_end() -> None:
    async with OpenAISpeechServer(["stall"]) as server, asyncio.timeout(20):
        voice = OpenAIVoice("m", voice="v", base_url=server.url, api_key=KEY)
        items: Any = voice.stream("Good day.")
        await anext(items)
        await items.aclose()
        while not server.cut_off:
            await asyncio.sleep(0.001)
        await voice.aclose()


def test_openai_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIVoice("m", voice="v")


async def test_openais_key_is_not_sent_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    voice = OpenAIVoice("m", voice="v")
    assert voice._headers["Authorization"] == f"Bearer {KEY}"
    other = OpenAIVoice("m", voice="v", base_url="http://127.0.0.1:8880/v1")
    assert "Authorization" not in other._headers
    assert KEY not in f"{voice!r} {voice.settings!r}"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8880", "http://", "https://user:word@host/v1", "http://host/v1?key=1", "http://a b/v1"]
)
def test_a_wrong_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIVoice("m", voice="v", base_url=url)
    assert "word" not in str(caught.value)


def test_it_is_registered_by_name() -> None:
    voice = tts_provider("openai/kokoro", voice="af_heart", base_url="http://127.0.0.1:8880/v1")
    assert isinstance(voice, OpenAIVoice)
    assert (voice.name, voice.settings.model, voice.rate) == ("openai/kokoro", "kokoro", 24_000)
    incomplete: list[tuple[str, dict[str, str]]] = [("openai", {"voice": "af_heart"}), ("openai/kokoro", {})]
    for name, options in incomplete:
        with pytest.raises(ConfigError, match=r"needs a model and a voice.*tts_provider\("):
            tts_provider(name, **options)
