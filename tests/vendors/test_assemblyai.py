"""What is particular to AssemblyAI, and whether the stand-in satisfies the vendor's own SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from assemblyai.streaming import v3
from assemblyai_server import KEY, AssemblyAIServer, parameters
from recognizer_server import Fault
from test_recognizers import FOREVER, TEXT, opinions, say, until_final

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    InvalidAudioError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    UnsupportedLanguageError,
)
from duologue.settings.providers import stt_provider
from duologue.stt import Final, Partial
from duologue.stt.assemblyai import AssemblyAISpeechToText
from duologue.testing.spoken import speak

pytestmark = pytest.mark.anyio

RATE = 16_000


@asynccontextmanager
async def served(
    *faults: Fault, errors: tuple[tuple[int, str], ...] = (), **options: Any
) -> AsyncIterator[tuple[AssemblyAIServer, AssemblyAISpeechToText]]:
    async with asyncio.timeout(20), AssemblyAIServer(faults, errors=errors) as server:
        yield server, AssemblyAISpeechToText(**{"api_key": KEY, "base_url": server.url, **options})
        assert server.problems == []


async def test_a_confidence_comes_with_each_turn_and_before_its_end() -> None:
    async with served() as (_, stt):
        stream = stt.stream()
        events = await until_final(stream, say(stream, TEXT, silence=0.3))
        await stream.aclose()
        assert {probability for probability, _ in opinions(events)} == {0.05, 0.85}
        assert not any(eager for _, eager in opinions(events))
        assert isinstance(events[-1], Final)
        assert (events[-1].text, events[-1].confidence) == (TEXT, None)
        assert [event.text for event in events if isinstance(event, Partial)][-1] == "a table for four please"


async def test_a_model_without_plain_turns_gives_its_final_at_once() -> None:
    async with served(model="universal-3-5-pro", keyterm=["gnocchi"]) as (server, stt):
        stream = stt.stream(language="de")
        events = await until_final(stream, say(stream, TEXT))
        await stream.aclose()
        assert [event.text for event in events if isinstance(event, Final)] == [TEXT]
        asked = parameters(server)
        assert (asked["speech_model"], asked["language_codes"], asked["keyterms_prompt"]) == (
            "universal-3-5-pro",
            ["de"],
            ["gnocchi"],
        )
        assert "format_turns" not in asked


async def test_the_settings_are_in_the_query() -> None:
    options: dict[str, Any] = {
        "end_of_turn_confidence_threshold": 0.5,
        "min_turn_silence_ms": 160,
        "max_turn_silence_ms": 2400,
    }
    async with served(format_turns=False, **options) as (server, stt):
        stream = stt.stream()
        events = await until_final(stream, say(stream, TEXT))
        await stream.aclose()
        assert events[-1] == next(event for event in events if isinstance(event, Final))
        assert parameters(server) == {
            "sample_rate": "16000",
            "encoding": "pcm_s16le",
            "speech_model": "universal-streaming-english",
            "format_turns": "false",
            "end_of_turn_confidence_threshold": "0.5",
            "min_turn_silence": "160",
            "max_turn_silence": "2400",
        }


@pytest.mark.parametrize("samples", [1, 799, 16_001, 50_000])
async def test_messages_of_audio_have_the_length_that_is_allowed(samples: int) -> None:
    async with served(finalize_timeout=0.1) as (server, stt):
        stream = stt.stream()
        stream.push(bytes(2 * samples), 0)
        stream.finalize(samples)
        events = await until_final(stream, samples)
        await stream.aclose()
        assert events == [Final("", 0, samples)]
        assert sum(size for _, size in server.sent) // 2 >= samples


async def test_audio_that_waited_is_sent_no_faster_than_allowed() -> None:
    async with served(max_burst=0.5, max_pace=5.0) as (server, stt):
        stream = stt.stream()
        await until_final(stream, say(stream, TEXT, silence=0.3))
        await stream.aclose()
        began, sent = server.sent[0][0], 0
        for at, size in server.sent:
            sent += size // 2
            assert sent / RATE <= 0.5 + 5.0 * (at - began) + 0.1


async def test_an_endpoint_that_has_no_answer_is_a_fault_if_words_are_owed() -> None:
    async with served("no_answer", finalize_timeout=0.1) as (_, stt):
        stream = stt.stream()
        pcm = speak(TEXT)
        stream.push(pcm, 0)
        stream.finalize(len(pcm) // 2)
        with pytest.raises(DeadlineError, match="no final"):
            await until_final(stream, FOREVER)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1008, "Unauthorized Connection: Missing Authorization header", AuthenticationError),
        (1008, "Unauthorized connection: Too many concurrent sessions", RateLimitedError),
        (3009, "Unauthorized Connection: Too many concurrent sessions", RateLimitedError),
        (1008, "Insufficient account balance", QuotaExceededError),
        (3006, "Invalid Message Type: Hello", ProviderError),
        (3007, "Audio Transmission Rate Exceeded: Received 9 sec. audio in 1 sec", InvalidAudioError),
        (3008, "Session Expired: Maximum session duration exceeded", ProviderUnavailableError),
    ],
)
async def test_an_error_of_the_stream_is_mapped(code: int, reason: str, kind: type[DuologueError]) -> None:
    async with served(errors=((code, reason),)) as (_, stt):
        with pytest.raises(kind) as caught:
            await until_final(stt.stream(), FOREVER)
        assert type(caught.value) is kind
        assert reason not in str(caught.value)


def test_it_is_made_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSEMBLYAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="ASSEMBLYAI_API_KEY"):
        stt_provider("assemblyai")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    stt = stt_provider("assemblyai/universal-streaming-multilingual", cost=0.2)
    assert isinstance(stt, AssemblyAISpeechToText)
    assert (stt.name, stt.capabilities.cost) == ("assemblyai/universal-streaming-multilingual", 0.2)
    assert stt.capabilities.languages == frozenset()
    with pytest.raises(UnsupportedLanguageError):
        AssemblyAISpeechToText(api_key=KEY).stream(language="de")
    with pytest.raises(ConfigError, match="base_url"):
        AssemblyAISpeechToText(api_key=KEY, base_url="ftp://x")


async def test_assemblyais_own_sdk_accepts_the_stand_in() -> None:
    async with asyncio.timeout(20), AssemblyAIServer() as server:
        options = v3.StreamingClientOptions(api_key=KEY, api_host=server.url.replace("http", "ws"))
        client = v3.AsyncStreamingClient(options)
        turns: list[Any] = []
        ended = asyncio.Event()
        client.on(v3.StreamingEvents.Turn, lambda _, turn: turns.append(turn))
        client.on(v3.StreamingEvents.Termination, lambda *_: ended.set())
        asked: dict[str, Any] = {"sample_rate": RATE, "encoding": v3.Encoding.pcm_s16le, "format_turns": True}
        model = v3.SpeechModel.universal_streaming_english
        await client.connect(v3.StreamingParameters(speech_model=model, **asked))
        pcm = speak(TEXT) + bytes(RATE)
        await client.stream([pcm[at : at + 3200] for at in range(0, len(pcm), 3200) if len(pcm) - at >= 1600])
        await client.disconnect(terminate=True)
        await ended.wait()
        assert [turn.transcript for turn in turns if turn.turn_is_formatted] == [TEXT]
        assert server.problems == []
