"""Voices that are services, each against its vendor's protocol: one suite of behaviors, one row a voice."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import elevenlabs_server
import openai_speech
import pytest
from elevenlabs_server import ElevenLabsServer
from openai_speech import OpenAISpeechServer
from voice_faults import RETRY_AFTER, Fault

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.session import ErrorRaised, SessionConfig
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import understand
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech
from duologue.tts.elevenlabs import ElevenLabsVoice
from duologue.tts.openai import OpenAIVoice

pytestmark = pytest.mark.anyio

TEXT = "The first thing is this one here. The second is gone."
DEADLINE = 20.0
"""Seconds of real time that anything may take."""
SHORT = 1.0
"""The timeouts of a voice whose stand-in says nothing."""


class Server(Protocol):
    """What the suite asks of a stand-in."""

    url: str
    problems: list[str]
    connections: int
    open: int
    faults: deque[Fault]

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: Any) -> None: ...


@dataclass(frozen=True)
class Row:
    """One voice."""

    name: str
    server: Callable[[Iterable[Fault]], Server]
    voice: Callable[..., TextToSpeech]
    """Makes the voice from the URL of a server and the options that all voices have."""
    key: str
    streams: int = 1
    """Streams that share a connection at once."""

    def __str__(self) -> str:
        return self.name


ROWS = [
    Row(
        "openai",
        OpenAISpeechServer,
        lambda url, **options: OpenAIVoice("kokoro", **{"voice": "af_heart", "base_url": url, **options}),
        openai_speech.KEY,
    ),
    Row(
        "elevenlabs",
        ElevenLabsServer,
        lambda url, **options: ElevenLabsVoice(**{"voice": "voice_1", "base_url": url, **options}),
        elevenlabs_server.KEY,
        streams=5,
    ),
]

rows = pytest.mark.parametrize("row", ROWS, ids=str)


@asynccontextmanager
async def served(row: Row, *faults: Fault, **options: Any) -> AsyncIterator[tuple[Server, Any]]:
    """A stand-in and a voice that is connected to it; in the end neither may hold anything, nor a rule be broken."""
    async with asyncio.timeout(DEADLINE), AsyncExitStack() as stack:
        server = await stack.enter_async_context(row.server(faults))
        voice = row.voice(server.url, **{"api_key": row.key, **options})
        try:
            yield server, voice
        finally:
            await voice.aclose()
        while server.open:
            await asyncio.sleep(0.001)
        assert server.problems == []


async def pieces(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


def given(voice: TextToSpeech, text: str) -> Any:
    """Text as the voice takes it."""
    return pieces(*(f"{word} " for word in text.split())) if voice.capabilities.streams_text else text


async def collect(voice: TextToSpeech, text: str = TEXT) -> list[SpeechItem]:
    return [item async for item in voice.stream(given(voice, text))]


def said(voice: TextToSpeech, items: Iterable[SpeechItem]) -> str:
    return understand(b"".join(item.pcm for item in items if isinstance(item, AudioChunk)), voice.rate)


# --- what each voice does ---


@rows
async def test_it_speaks_the_text(row: Row) -> None:
    async with served(row) as (_, voice):
        items = await collect(voice)
        assert said(voice, items) == TEXT
        assert all(len(item.pcm) % 2 == 0 for item in items if isinstance(item, AudioChunk))
        assert any(isinstance(item, TextSpan) for item in items) == voice.capabilities.aligned
        assert (voice.usage.streams, voice.usage.audio_bytes) == (1, len(b"".join(audio(items))))
        assert voice.usage.characters >= len(TEXT)


def audio(items: Iterable[SpeechItem]) -> list[bytes]:
    return [item.pcm for item in items if isinstance(item, AudioChunk)]


@rows
async def test_pieces_that_end_anywhere_make_whole_samples(row: Row) -> None:
    async with served(row, "slow") as (_, voice):
        items = await collect(voice)
        assert said(voice, items) == TEXT
        assert {len(pcm) % 2 for pcm in audio(items)} == {0}


@rows
async def test_text_without_words_is_not_sent(row: Row) -> None:
    async with served(row) as (server, voice):
        assert [item async for item in voice.stream(" \n")] == []
        assert server.connections == 0


@rows
async def test_a_connection_serves_one_stream_after_another(row: Row) -> None:
    async with served(row) as (server, voice):
        await voice.warm()
        for _ in range(3):
            assert said(voice, await collect(voice)) == TEXT
        assert server.connections == 1


@rows
async def test_many_streams_at_once_share_few_connections(row: Row) -> None:
    async with served(row, max_connections=3) as (server, voice):
        texts = [f"This is number {n} of them." for n in range(12)]
        spoken = await asyncio.gather(*(collect(voice, text) for text in texts))
        assert [said(voice, items) for items in spoken] == texts
        assert server.connections <= 3


# --- cancel ---


@rows
async def test_closing_a_stream_stops_it_and_leaves_room_for_the_next(row: Row) -> None:
    async with served(row, max_connections=1) as (_, voice):
        for _ in range(7):
            async with aclosing(voice.stream(given(voice, TEXT * 20))) as items:
                assert isinstance(await anext(items), AudioChunk | TextSpan)
        assert said(voice, await collect(voice)) == TEXT


@rows
@pytest.mark.parametrize("fault", ["no_handshake", "stall_first"])
async def test_a_stream_may_be_cancelled_while_it_waits(row: Row, fault: Fault) -> None:
    async with served(row, fault) as (server, voice):
        task = asyncio.create_task(collect(voice))
        while server.faults:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said(voice, await collect(voice)) == TEXT


@rows
async def test_the_voice_may_be_closed_while_it_dials(row: Row) -> None:
    async with served(row, "no_handshake", **TIMES) as (server, voice):
        task = asyncio.create_task(collect(voice))
        while not server.connections:
            await asyncio.sleep(0.001)
        await voice.aclose()
        with pytest.raises(DuologueError):
            await task
        assert said(voice, await collect(voice)) == TEXT


# --- faults ---

FAULTS: dict[Fault, type[DuologueError]] = {
    "hang_up": ProviderUnavailableError,
    "no_handshake": DeadlineError,
    "unauthorized": AuthenticationError,
    "quota": QuotaExceededError,
    "rate_limited": RateLimitedError,
    "bad_request": ProviderError,
    "unavailable": ProviderUnavailableError,
    "stall_first": DeadlineError,
    "stall": DeadlineError,
    "half_open": DeadlineError,
    "drop": ProviderUnavailableError,
    "garbage": ProviderError,
    "wrong_format": ProviderError,
}
STALLS: list[Fault] = ["stall"] * 10
TIMES = {"connect_timeout": SHORT, "first_audio_timeout": SHORT, "stall_timeout": SHORT}


@rows
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_one_error_of_the_tree_and_the_next_stream_is_well(row: Row, fault: Fault) -> None:
    async with served(row, fault, **TIMES) as (_, voice):
        with pytest.raises(FAULTS[fault]) as caught:
            await collect(voice)
        error = caught.value
        assert error.provider == voice.name
        assert type(error) is FAULTS[fault] or fault == "garbage"
        assert error.retryable == issubclass(
            FAULTS[fault], DeadlineError | RateLimitedError | ProviderUnavailableError
        ) or (fault == "garbage")
        assert error.retry_after == (RETRY_AFTER if fault == "rate_limited" else None)
        chain = f"{error} {error.__cause__}"
        assert row.key not in chain, "the key is in an error"
        assert "first thing" not in chain, "what was to be said is in an error"
        assert said(voice, await collect(voice)) == TEXT


@rows
async def test_a_service_that_is_not_there_is_unavailable(row: Row, unused_port: int) -> None:
    voice = row.voice(f"http://127.0.0.1:{unused_port}/v1", api_key=row.key)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ProviderUnavailableError):
            await collect(voice)
        with pytest.raises(ProviderUnavailableError):
            await voice.warm()
        await voice.aclose()


@rows
async def test_a_wrong_key_is_found_when_the_voice_is_warmed(row: Row) -> None:
    async with served(row, api_key="wrong") as (_, voice):
        with pytest.raises(AuthenticationError):
            await voice.warm()


@rows
async def test_a_busy_pool_is_waited_for_no_longer_than_the_deadline(row: Row) -> None:
    async with served(row, *STALLS[: row.streams], max_connections=1, connect_timeout=SHORT) as (_, voice):
        async with AsyncExitStack() as stack:
            for _ in range(row.streams):
                items = await stack.enter_async_context(aclosing(voice.stream(given(voice, TEXT))))
                await anext(items)
            with pytest.raises(DeadlineError, match="max_connections"):
                await collect(voice)
        assert said(voice, await collect(voice)) == TEXT


# --- settings ---


@rows
@pytest.mark.parametrize(
    ("option", "value"), [("voice", ""), ("base_url", "ftp://x"), ("stall_timeout", 0), ("tune", 1), ("rate", 1)]
)
def test_a_wrong_setting_is_named(row: Row, option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        row.voice("http://127.0.0.1:1/v1", **{"api_key": row.key, option: value})


@rows
async def test_the_key_comes_from_a_file(row: Row, tmp_path: Any) -> None:
    (tmp_path / "key").write_text(f"{row.key}\n")
    async with served(row, api_key=None, api_key_file=tmp_path / "key") as (_, voice):
        assert said(voice, await collect(voice)) == TEXT
    with pytest.raises(ConfigError, match="cannot be read"):
        row.voice("http://127.0.0.1:1/v1", api_key_file=tmp_path / "none")


@rows
async def test_the_key_comes_from_a_variable(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", row.key)
    async with served(row, api_key=None, api_key_env="MY_KEY") as (_, voice):
        assert said(voice, await collect(voice)) == TEXT
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY"):
        row.voice("http://127.0.0.1:1/v1", api_key_env="MY_KEY")


# --- in a call ---


@rows
async def test_a_call_is_spoken_with_it(row: Row) -> None:
    async with served(row) as (_, voice), VirtualCall(ScriptedAgent(TEXT), tts=voice) as call:
        await call.say("Hello.")
        assert call.heard == [TEXT]
        assert call.sounded.replace(" ", "") == TEXT.replace(" ", "")
        assert call.of(ErrorRaised) == []


@rows
async def test_a_call_survives_a_fault_that_passes(row: Row) -> None:
    async with served(row, "unavailable") as (_, voice):
        config = SessionConfig(max_retries=2)
        async with VirtualCall(ScriptedAgent(TEXT), tts=voice, config=config) as call:
            await call.say("Hello.")
            assert call.heard == [TEXT]


@rows
async def test_nothing_is_left_of_a_voice(row: Row) -> None:
    tasks = asyncio.all_tasks()
    async with served(row, "drop", **TIMES) as (_, voice):
        with pytest.raises(ProviderUnavailableError):
            await collect(voice)
        await collect(voice)
    gc.collect()
    assert asyncio.all_tasks() == tasks
