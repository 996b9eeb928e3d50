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

from duologue.conversation import events
from duologue.errors import ConfigError, ProviderError, ProviderUnavailableError, QuotaExceededError
from duologue.settings.providers import tts_provider
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import understand, word_timings
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, SpeechItem, TextSpan
from duologue.tts.elevenlabs import ElevenLabsVoice
from duologue.tts.elevenlabs_stream import CLAUSE_PAUSE, SENTENCE_PAUSE

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


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100])
async def test_each_word_has_its_place_in_the_audio(rate: int) -> None:
    async with served(rate=rate) as (_, voice):
        items = [item async for item in voice.stream(written(tokens(LONG)))]
        words = [word for span in spans(items) for word in span.words]
        expected = word_timings(LONG)
        assert [word.text for word in words] == LONG.split()
        for word, exact in zip(words, expected, strict=True):
            assert (word.start, word.end) == pytest.approx((exact.start, exact.end), abs=0.01)
        speech = await voice.synthesize(LONG)
        assert speech.timings == "exact"
        assert understand(speech.pcm, rate) == LONG


@pytest.mark.parametrize("seconds", [0.4, 1.5, 2.5, 4.0])
async def test_history_has_the_words_that_sounded_before_an_interruption(seconds: float) -> None:
    async with served() as (_, voice), VirtualCall(ScriptedAgent(tokens(LONG)), tts=voice) as call:
        await call.speak("Hello.")
        while not call.session._output.playout.started:
            await call.silence(0.02)
        await call.silence(seconds)
        call.session.interrupt()
        heard = call.one(events.AgentHeard)
        assert heard.interrupted
        sounded = call.sounded
        assert LONG.startswith(heard.text)
        assert heard.text
        # A word that was cut off sounds in part, and is not heard.
        cut = sounded.removeprefix(heard.text).split()
        assert sounded.startswith(heard.text)
        assert len(cut) <= 1
        assert cut != [LONG.split()[len(heard.text.split())]]
        await call.settle()
        assert call.heard == [heard.text]


async def test_without_alignment_history_has_whole_clauses() -> None:
    async with served(alignment=False) as (_, voice):
        assert not voice.capabilities.aligned
        items = [item async for item in voice.stream(LONG)]
        assert spans(items) == []


# --- text while it is written ---


async def test_the_first_clause_is_spoken_while_the_rest_is_written() -> None:
    more = asyncio.Event()
    async with served() as (server, voice):
        async with aclosing(voice.stream(written(tokens("Well, let me see now. It"), more, " is free."))) as items:  # type: ignore[type-var]  # it is a generator
            pcm = b""
            while understand(pcm, voice.rate) != "Well, let me see now.":
                item = await anext(items)
                pcm += item.pcm if isinstance(item, AudioChunk) else b""
            more.set()
            rest = [item async for item in items]
        assert [span.text for span in spans(rest)][-1].endswith("free.")
        assert server.texts == [["Well, let me see now. ", "It is free. "]]


@pytest.mark.parametrize("text", ["That is a good question.", "Sure, I can do that,"])
async def test_a_clause_is_spoken_when_the_writer_pauses_after_it(text: str) -> None:
    more = asyncio.Event()
    async with served() as (_, voice):
        async with aclosing(voice.stream(written(tokens(text), more, " And this."))) as items:  # type: ignore[type-var]  # it is a generator
            assert isinstance(await anext(items), TextSpan)
            more.set()
            said = [item async for item in items]
        assert spans(said)[-1].text.endswith("this.")
    assert SENTENCE_PAUSE <= 0.05 < CLAUSE_PAUSE


async def test_a_number_is_not_cut_where_the_writer_pauses() -> None:
    more = asyncio.Event()
    async with served() as (server, voice):
        stream = asyncio.create_task(_collect(voice, written(["It costs about", " $5,"], more, "000 in all.")))
        while not server.texts:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.5 * CLAUSE_PAUSE)
        more.set()
        await stream
        assert server.texts == [["It costs about $5,000 in all. "]]


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


async def test_an_error_of_the_writer_is_raised_as_it_is() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "One moment. "
        raise KeyError("the agent's own")

    async with served() as (_, voice):
        with pytest.raises(KeyError):
            await _collect(voice, broken())


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


async def test_warm_opens_one_connection_that_the_first_stream_uses() -> None:
    async with served() as (server, voice):
        await voice.warm()
        await voice.warm()
        await _collect(voice, LONG)
        assert server.connections == 1


async def test_a_redirect_does_not_take_the_key_elsewhere() -> None:
    async with ElevenLabsServer() as other, served() as (server, voice):
        server.redirect = other.url
        with pytest.raises(ProviderError, match="302"):
            await voice.warm()
        assert other.connections == 0


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
