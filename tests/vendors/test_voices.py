"""Voices that are services, each against its vendor's protocol: one suite of behaviors, one row each.

The rows are in provider_table.py. A stand-in has the faults of `voice_faults.Fault`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from provider_table import VOICES, Voice, voices
from voice_faults import RETRY_AFTER, Fault

from duologue.cli.live_check import check_live
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
from duologue.settings import providers
from duologue.settings.providers import provider_names
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import understand
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech

pytestmark = pytest.mark.anyio

TEXT = "The first thing is this one here. The second is gone."
DEADLINE = 20.0
"""Seconds of real time that anything may take."""
SHORT = 0.4
"""The timeouts of a voice whose stand-in says nothing."""


@asynccontextmanager
async def served(row: Voice, *faults: Fault, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A stand-in and a voice that is connected to it; in the end neither may hold anything, nor a rule be broken."""
    async with asyncio.timeout(DEADLINE), AsyncExitStack() as stack:
        server = await stack.enter_async_context(row.server(faults))
        voice = row.make(server.url, **{"api_key": row.key, **options})
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


def test_every_voice_that_is_a_service_has_a_row() -> None:
    assert {row.name for row in VOICES} == {*provider_names("tts")} - {"hibari", "kokoro", "livekit"}


@voices
@pytest.mark.parametrize("port", ["99999", "0", "-1", "x"])
def test_an_address_with_a_port_that_cannot_be_is_refused_at_once(row: Voice, port: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        row.make(f"http://127.0.0.1:{port}", api_key=row.key)


# --- what each voice does ---


@voices
async def test_it_speaks_the_text(row: Voice) -> None:
    async with served(row) as (_, voice):
        items = await collect(voice)
        assert said(voice, items) == TEXT
        assert all(len(item.pcm) % 2 == 0 for item in items if isinstance(item, AudioChunk))
        assert any(isinstance(item, TextSpan) for item in items) == voice.capabilities.aligned
        assert (voice.usage.streams, voice.usage.audio_bytes) == (1, len(b"".join(audio(items))))
        assert voice.usage.characters >= len(TEXT)


def audio(items: Iterable[SpeechItem]) -> list[bytes]:
    return [item.pcm for item in items if isinstance(item, AudioChunk)]


@voices
async def test_pieces_that_end_anywhere_make_whole_samples(row: Voice) -> None:
    async with served(row, "slow") as (_, voice):
        items = await collect(voice)
        assert said(voice, items) == TEXT
        assert {len(pcm) % 2 for pcm in audio(items)} == {0}


@voices
async def test_text_without_words_is_not_sent(row: Voice) -> None:
    async with served(row) as (server, voice):
        assert [item async for item in voice.stream(" \n")] == []
        assert server.connections == 0


@voices
async def test_a_connection_serves_one_stream_after_another(row: Voice) -> None:
    async with served(row) as (server, voice):
        await voice.warm()
        for _ in range(3):
            assert said(voice, await collect(voice)) == TEXT
        assert server.connections == 1


@voices
async def test_many_streams_at_once_share_few_connections(row: Voice) -> None:
    async with served(row, max_connections=3) as (server, voice):
        texts = [f"This is number {n} of them." for n in range(12)]
        spoken = await asyncio.gather(*(collect(voice, text) for text in texts))
        assert [said(voice, items) for items in spoken] == texts
        assert server.connections <= 3


# --- cancel ---


@voices
async def test_closing_a_stream_stops_it_and_leaves_room_for_the_next(row: Voice) -> None:
    async with served(row, max_connections=1) as (_, voice):
        for _ in range(7):
            async with aclosing(voice.stream(given(voice, TEXT * 20))) as items:
                assert isinstance(await anext(items), AudioChunk | TextSpan)
        assert said(voice, await collect(voice)) == TEXT


@voices
@pytest.mark.parametrize("fault", ["no_handshake", "stall_first"])
async def test_a_stream_may_be_cancelled_while_it_waits(row: Voice, fault: Fault) -> None:
    async with served(row, fault) as (server, voice):
        task = asyncio.create_task(collect(voice))
        while server.faults:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert said(voice, await collect(voice)) == TEXT


@voices
async def test_the_voice_may_be_closed_while_it_dials(row: Voice) -> None:
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


WAITS: dict[Fault, tuple[str, ...]] = {
    "no_handshake": ("connect_timeout",),
    "stall_first": ("first_audio_timeout",),
    "stall": ("stall_timeout",),
    "half_open": ("first_audio_timeout", "stall_timeout"),
}
"""What is short, so that a fault is noticed soon: nothing else, on a machine that may be busy."""


@voices
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_one_error_of_the_tree_and_the_next_stream_is_well(row: Voice, fault: Fault) -> None:
    async with served(row, fault, **dict.fromkeys(WAITS.get(fault, ()), SHORT)) as (_, voice):
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
        voice.settings = voice.settings.model_copy(update=dict.fromkeys(TIMES, DEADLINE))
        assert said(voice, await collect(voice)) == TEXT


@voices
async def test_a_service_that_is_not_there_is_unavailable(row: Voice, unused_port: int) -> None:
    voice = row.make(f"http://127.0.0.1:{unused_port}/v1", api_key=row.key)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ProviderUnavailableError):
            await collect(voice)
        with pytest.raises(ProviderUnavailableError):
            await voice.warm()
        await voice.aclose()


@voices
async def test_a_wrong_key_is_found_when_the_voice_is_warmed(row: Voice) -> None:
    async with served(row, api_key="wrong") as (_, voice):
        with pytest.raises(AuthenticationError):
            await voice.warm()


@voices
async def test_a_key_is_read_again_from_its_file(row: Voice, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("wrong-key")
    async with row.server(()) as server, asyncio.timeout(DEADLINE):
        voice: Any = row.make(server.url, api_key_file=file)
        with pytest.raises(AuthenticationError):
            await voice.warm()
        file.write_text(row.key)
        assert voice.reload_key()
        await voice.warm()
        await voice.aclose()
        own: Any = row.make(server.url, api_key_file=file, api_key=row.key)
        assert not own.reload_key()


@voices
async def test_a_busy_pool_is_waited_for_no_longer_than_the_deadline(row: Voice) -> None:
    async with served(row, *STALLS[: row.streams], max_connections=1, connect_timeout=SHORT) as (_, voice):
        async with AsyncExitStack() as stack:
            for _ in range(row.streams):
                items = await stack.enter_async_context(aclosing(voice.stream(given(voice, TEXT))))
                await anext(items)
            with pytest.raises(DeadlineError, match="max_connections"):
                await collect(voice)
        assert said(voice, await collect(voice)) == TEXT


@voices
async def test_a_user_with_a_key_can_check_it(row: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    async with row.server(["", "unauthorized", "hang_up"]) as server, asyncio.timeout(DEADLINE):
        monkeypatch.setattr(providers, "tts_provider", lambda name: row.make(server.url, api_key=row.key))
        said, seconds = await asyncio.to_thread(check_live, f"tts:{row.name}")
        assert said.startswith("spoke ")
        assert 0 < seconds < DEADLINE
        for kind in (AuthenticationError, ProviderUnavailableError):
            with pytest.raises(kind):
                await asyncio.to_thread(check_live, f"tts:{row.name}")
        assert server.problems == []


# --- settings ---


@voices
@pytest.mark.parametrize(
    ("option", "value"), [("voice", ""), ("base_url", "ftp://x"), ("stall_timeout", 0), ("tune", 1), ("rate", 1)]
)
def test_a_wrong_setting_is_named(row: Voice, option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        row.make("http://127.0.0.1:1/v1", **{"api_key": row.key, option: value})


@voices
async def test_the_key_comes_from_a_file(row: Voice, tmp_path: Any) -> None:
    (tmp_path / "key").write_text(f"{row.key}\n")
    async with served(row, api_key=None, api_key_file=tmp_path / "key") as (_, voice):
        assert said(voice, await collect(voice)) == TEXT
    with pytest.raises(ConfigError, match="cannot be read"):
        row.make("http://127.0.0.1:1/v1", api_key_file=tmp_path / "none")


@voices
async def test_the_key_comes_from_a_variable(row: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", row.key)
    async with served(row, api_key=None, api_key_env="MY_KEY") as (_, voice):
        assert said(voice, await collect(voice)) == TEXT
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY"):
        row.make("http://127.0.0.1:1/v1", api_key_env="MY_KEY")


# --- in a call ---


@voices
async def test_a_call_is_spoken_with_it(row: Voice) -> None:
    async with served(row) as (_, voice), VirtualCall(ScriptedAgent(TEXT), tts=voice) as call:
        await call.say("Hello.")
        assert call.heard == [TEXT]
        assert call.sounded.replace(" ", "") == TEXT.replace(" ", "")
        assert call.of(ErrorRaised) == []


@voices
async def test_a_call_survives_a_fault_that_passes(row: Voice) -> None:
    async with served(row, "unavailable") as (_, voice):
        config = SessionConfig(max_retries=2)
        async with VirtualCall(ScriptedAgent(TEXT), tts=voice, config=config) as call:
            await call.say("Hello.")
            assert call.heard == [TEXT]


@voices
async def test_nothing_is_left_of_a_voice(row: Voice) -> None:
    tasks = asyncio.all_tasks()
    async with served(row, "drop") as (_, voice):
        with pytest.raises(ProviderUnavailableError):
            await collect(voice)
        await collect(voice)
    gc.collect()
    assert asyncio.all_tasks() == tasks
