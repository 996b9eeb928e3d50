"""Plugins of LiveKit as providers: Deepgram's recognizer and Cartesia's voice against stand-ins of their services."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import cartesia_server
import deepgram_server
import elevenlabs_server
import pytest
from cartesia_server import CartesiaServer
from deepgram_server import DeepgramServer
from elevenlabs_server import ElevenLabsServer

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    NotInstalledError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.server.configured import check_tables, options_of
from duologue.session import ErrorRaised
from duologue.settings.load import load_settings
from duologue.settings.providers import check_provider, stt_provider, tts_provider
from duologue.stt import Final, Partial, RecognitionEvent
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak, understand
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, SpeechItem, TextSpan
from environment import environment

environment("livekit")

pytestmark = pytest.mark.anyio

TEXT = "A table for four, please."
SPOKEN = "The first thing is this one here. The second is gone."
RATE = 16_000
DEADLINE = 20.0
"""Seconds of real time that anything may take."""
SHORT = 0.2
"""The timeouts of a plugin whose service says nothing."""


@asynccontextmanager
async def recognizer(*faults: Any, **options: Any) -> AsyncIterator[tuple[DeepgramServer, Any]]:
    """Deepgram, and the plugin's recognizer of it; in the end no connection is open, and no rule was broken."""
    async with asyncio.timeout(DEADLINE), DeepgramServer(faults) as server:
        given = {"api_key": deepgram_server.KEY, "base_url": f"{server.url}/v1/listen", **options}
        stt: Any = stt_provider("livekit:deepgram/nova-3", **given)
        tasks = asyncio.all_tasks()
        yield server, stt
        await stt.aclose()
        while server.open and "half_open" not in faults:
            await asyncio.sleep(0.001)
        # The plugin may send a last KeepAlive after CloseStream.
        assert [problem for problem in server.problems if "KeepAlive" not in problem] == []
        while {task for task in asyncio.all_tasks() - tasks if "livekit" in f"{task.get_name()} {task.get_coro()}"}:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def voiced(*faults: Any, **options: Any) -> AsyncIterator[tuple[CartesiaServer, Any]]:
    """Cartesia, and the plugin's voice of it."""
    async with asyncio.timeout(DEADLINE), CartesiaServer(faults) as server:
        url = server.url.replace("ws://", "http://")
        given = {"api_key": cartesia_server.KEY, "base_url": url, "voice": "voice_1", **options}
        voice: Any = tts_provider("livekit:cartesia", **given)
        yield server, voice
        await voice.aclose()
        while server.open:
            await asyncio.sleep(0.001)
        assert server.problems == []


def say(stream: Any, text: str, at: int = 0, *, silence: float = 0.1) -> int:
    """Push speech and the silence after it, and ask for finals; returns the position after it."""
    pcm = speak(text) + bytes(2 * int(silence * RATE))
    for start in range(0, len(pcm) // 2, 512):
        stream.push(pcm[2 * start : 2 * (start + 512)], at + start)
    end = at + len(pcm) // 2
    stream.finalize(end)
    return end


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, but for what the stand-ins logged."""
    return "\n".join(
        f"{record.getMessage()} {record.exc_text} {record.__dict__}"
        for record in caplog.records
        if not record.name.startswith("websockets.server")
    )


async def until_final(stream: Any, end: int) -> list[RecognitionEvent]:
    events: list[RecognitionEvent] = []
    async with aclosing(aiter(stream)) as reader:
        async for event in reader:
            events.append(event)
            if isinstance(event, Final) and event.end >= end:
                break
    return events


async def pieces(text: str = SPOKEN) -> AsyncIterator[str]:
    for word in text.split():
        yield word[:1]
        yield f"{word[1:]} "


async def collect(voice: Any, text: str = SPOKEN) -> list[SpeechItem]:
    return [item async for item in voice.stream(pieces(text))]


def said(voice: Any, items: list[SpeechItem]) -> str:
    return understand(b"".join(item.pcm for item in items if isinstance(item, AudioChunk)), voice.rate)


def be_patient(voice: Any) -> None:
    """Allow what is to succeed all the time that the machine takes."""
    longer = dict.fromkeys(("connect_timeout", "first_audio_timeout", "stall_timeout"), DEADLINE)
    voice.settings = voice.settings.model_copy(update=longer)


# --- names and options ---


@pytest.mark.parametrize(
    ("name", "options", "kind", "hint"),
    [
        ("livekit", {}, ConfigError, "livekit:NAME"),
        ("livekit:no-such-vendor", {}, NotInstalledError, "pip install livekit-plugins-no-such-vendor"),
        ("livekit:silero", {}, ConfigError, ""),
        ("livekit:deepgram.Nothing", {}, ConfigError, ""),
        ("livekit:../os", {}, ConfigError, "livekit:NAME"),
        ("livekit:deepgram", {"volume": 3}, ConfigError, "endpointing_ms"),
        ("livekit:deepgram", {"finalize_timeout": -1}, ConfigError, "finalize_timeout"),
        ("livekit:deepgram", {}, ConfigError, "Set DEEPGRAM_API_KEY"),
        ("livekit:deepgram", {"api_key": "sk-1", "tags": ["x" * 200]}, ConfigError, "documentation"),
        ("deepgram:livekit", {}, ConfigError, ""),
    ],
)
def test_what_cannot_be_made_is_explained(
    name: str, options: dict[str, Any], kind: type[DuologueError], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    with pytest.raises(kind) as caught:
        check_provider("stt", name, **options)
    assert hint in caught.value.next_step
    assert "sk-1" not in str(caught.value)


def test_a_class_and_a_model_are_named_and_the_key_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("dg-of-a-file\n")
    stt: Any = stt_provider("livekit:deepgram.STTv2/flux-general-en", api_key_file=tmp_path / "key", cost=0.4)
    assert stt.name == "livekit:deepgram.STTv2/flux-general-en"
    assert stt.capabilities.cost == 0.4
    assert type(stt._host.plugin).__name__ == "STTv2"
    assert (stt._host.plugin.model, stt._host.plugin._api_key) == ("flux-general-en", "dg-of-a-file")


async def test_a_plugin_is_loaded_by_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("livekit.plugins.deepgram")]:
        monkeypatch.delitem(sys.modules, module)
    stt: Any = await asyncio.to_thread(stt_provider, "livekit:deepgram", api_key="dg-1")
    assert stt.name == "livekit:deepgram"


def test_settings_name_plugins_and_their_options(tmp_path: Path) -> None:
    (tmp_path / "duologue.toml").write_text(
        """[providers]
stt = "livekit:deepgram/nova-3"
tts = "livekit:cartesia"
vad = "livekit:silero"

[stt."livekit:deepgram"]
endpointing_ms = 50
finalize_timeout = 0.5
api_key_file = "key"

[tts."livekit:cartesia"]
voice = "voice_1"
api_key_file = "key"
"""
    )
    (tmp_path / "key").write_text("of-a-file")
    loaded = load_settings(tmp_path / "duologue.toml", environment={})
    check_tables(loaded)
    options = options_of(loaded)
    stt, tts = options["stt"](), options["tts"]()
    assert (stt._host.plugin._opts.endpointing_ms, stt.settings.finalize_timeout) == (50, 0.5)
    assert (tts.name, tts._host.plugin._opts.voice) == ("livekit:cartesia", "voice_1")
    assert options["vad"]().name == "livekit:silero"


# --- recognition ---


async def test_it_gives_partials_and_finals_where_the_words_are_spoken() -> None:
    async with recognizer() as (server, stt):
        stream, start = stt.stream(), 5 * RATE
        end = say(stream, TEXT, start)
        events = await until_final(stream, end)
        (final,) = [event for event in events if isinstance(event, Final)]
        partials = [event for event in events if isinstance(event, Partial)]
        assert final.text == TEXT
        assert "A table" in {partial.text for partial in partials}
        assert all(start <= partial.start <= partial.end <= end for partial in partials)
        assert [word.text for word in final.words] == TEXT.split()
        assert abs(final.words[0].start - start) < 0.02 * RATE
        assert round(stt.usage.streamed_s, 3) == round((end - start) / RATE, 3)
        await stream.aclose()
        assert "Finalize" in server.received


async def test_a_call_is_held_through_a_plugin() -> None:
    agent = ScriptedAgent(SPOKEN, "Done.")
    async with recognizer() as (_, stt), voiced() as (_, tts), VirtualCall(agent, stt=stt, tts=tts) as call:
        await call.say(TEXT)
        await call.say("At eight.")
        assert [turn.user_text for turn in call.turns] == [TEXT, "At eight."]
        assert call.heard == [SPOKEN, "Done."]
        assert call.of(ErrorRaised) == []


async def test_a_call_goes_on_when_the_connection_breaks() -> None:
    async with recognizer("drop") as (_, stt), VirtualCall(ScriptedAgent("For when?"), stt=stt) as call:
        await call.say(TEXT)
        assert [turn.user_text for turn in call.turns] == [TEXT]
        assert stt.usage.streams == 2


async def test_speech_without_words_has_an_empty_final() -> None:
    async with recognizer(finalize_timeout=0.05, connect_timeout=1.0) as (_, stt):
        stream = stt.stream()
        stream.push(bytes(RATE), 0)
        stream.finalize(RATE // 2)
        assert await until_final(stream, RATE // 2) == [Final("", 0, RATE // 2)]
        await stream.aclose()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("no_handshake", ProviderUnavailableError),
        ("unauthorized", AuthenticationError),
        ("quota", QuotaExceededError),
        ("rate_limited", RateLimitedError),
        ("bad_request", ProviderError),
        ("unavailable", ProviderUnavailableError),
        ("drop", ProviderUnavailableError),
        ("ends", ProviderUnavailableError),
        ("server_error", ProviderUnavailableError),
    ],
)
async def test_each_fault_of_recognition_is_one_error_of_the_tree(
    fault: Any, kind: type[DuologueError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    waits = {"connect_timeout": SHORT} if fault == "no_handshake" else {}
    async with recognizer(fault, **waits) as (_, stt):
        stream = stt.stream()
        end = say(stream, TEXT)
        with pytest.raises(DuologueError) as caught:
            await until_final(stream, 10 * end)
        await stream.aclose()
        assert type(caught.value) is kind
        assert caught.value.provider == stt.name
        assert caught.value.retryable == (kind in (ProviderUnavailableError, RateLimitedError))
        for text in (str(caught.value), logged(caplog)):
            assert deepgram_server.KEY not in text
            assert "table" not in text


async def test_a_service_that_is_not_there_is_unavailable(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    stt: Any = stt_provider("livekit:deepgram", api_key="k", base_url=f"{url}/v1/listen")
    voice: Any = tts_provider("livekit:cartesia", api_key="k", base_url=url)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ProviderUnavailableError):
            await until_final(stt.stream(), 1)
        with pytest.raises(ProviderUnavailableError):
            await collect(voice)
        await stt.aclose()
        await voice.aclose()


async def test_a_connection_that_is_half_open_is_given_up_when_words_are_due() -> None:
    async with recognizer("half_open", stall_timeout=SHORT, connect_timeout=SHORT, finalize_timeout=SHORT) as (
        server,
        stt,
    ):
        stream = stt.stream()
        end = say(stream, TEXT)
        reading = asyncio.create_task(until_final(stream, end))
        await server.misbehaves.wait()
        with pytest.raises(DeadlineError, match="said nothing"):
            await reading
        async with asyncio.timeout(2.0):
            await stream.aclose()
            await stt.aclose()


async def test_it_may_be_closed_at_any_time() -> None:
    async with recognizer() as (server, stt):
        never = stt.stream()
        await never.aclose()
        assert [event async for event in never] == []
        stream = stt.stream()
        reading = asyncio.create_task(until_final(stream, RATE))
        await server.dialed.wait()
        await stream.aclose()
        assert await reading == []
        await stream.aclose()
        await stt.aclose()
        again = stt.stream()  # after it was closed, the provider begins anew
        assert [event.text for event in await until_final(again, say(again, TEXT)) if isinstance(event, Final)] == [
            TEXT
        ]


async def test_one_utterance_is_transcribed() -> None:
    async with recognizer() as (_, stt):
        transcript = await stt.transcribe(speak(TEXT), language="en")
        assert (transcript.text, transcript.language) == (TEXT, "en")


# --- speech ---


async def test_text_is_spoken_as_it_is_written_and_words_have_times() -> None:
    async with voiced() as (server, voice):
        await voice.warm()
        items = await collect(voice)
        assert said(voice, items) == SPOKEN
        spans = [item for item in items if isinstance(item, TextSpan)]
        assert " ".join(span.text for span in spans) == SPOKEN
        words = [word for span in spans for word in span.words]
        assert [word.text for word in words] == SPOKEN.split()
        assert [word.start for word in words] == sorted(word.start for word in words)
        assert len(server.contexts) == 1
        assert voice.usage.characters == len(SPOKEN) + 1
        assert said(voice, await collect(voice)) == SPOKEN
        assert server.connections == 1
        assert [item async for item in voice.stream(" \n")] == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("no_handshake", DeadlineError),
        ("unauthorized", AuthenticationError),
        ("quota", QuotaExceededError),
        ("rate_limited", RateLimitedError),
        ("bad_request", ProviderError),
        ("unavailable", ProviderUnavailableError),
        ("stall_first", DeadlineError),
        ("stall", DeadlineError),
        ("half_open", DeadlineError),
        ("drop", ProviderUnavailableError),
        ("garbage", ProviderUnavailableError),
    ],
)
async def test_each_fault_of_speech_is_one_error_and_the_next_stream_is_well(
    fault: Any, kind: type[DuologueError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    waits = {
        "no_handshake": {"connect_timeout": SHORT},
        "stall_first": {"first_audio_timeout": SHORT},
        "stall": {"stall_timeout": SHORT},
        "half_open": {"stall_timeout": SHORT},
    }
    async with voiced(fault, **waits.get(fault, {})) as (_, voice):
        with pytest.raises(DuologueError) as caught:
            await collect(voice)
        assert type(caught.value) is kind
        assert caught.value.provider == voice.name
        for text in (f"{caught.value} {caught.value.__cause__}", logged(caplog)):
            assert cartesia_server.KEY not in text
            assert "first thing" not in text
        be_patient(voice)
        assert said(voice, await collect(voice)) == SPOKEN


async def test_a_stream_may_be_closed_and_leaves_its_place() -> None:
    async with voiced(max_connections=1) as (_, voice):
        async with aclosing(voice.stream(pieces(SPOKEN * 20))) as items:
            await anext(items)
            voice.settings = voice.settings.model_copy(update={"connect_timeout": SHORT})
            with pytest.raises(DeadlineError, match="max_connections"):
                await collect(voice)
        be_patient(voice)
        assert said(voice, await collect(voice)) == SPOKEN


async def test_elevenlabs_speaks_through_its_plugin() -> None:
    async with asyncio.timeout(DEADLINE), ElevenLabsServer() as server:
        url = server.url.replace("ws://", "http://")
        options = {"base_url": f"{url}/v1", "voice_id": "voice_1", "encoding": "pcm_16000"}
        voice: Any = tts_provider("livekit:elevenlabs", api_key=elevenlabs_server.KEY, **options)
        items = await collect(voice)
        assert said(voice, items) == SPOKEN
        assert " ".join(item.text for item in items if isinstance(item, TextSpan)) == SPOKEN
        await voice.aclose()
        assert server.problems == []


async def test_what_the_text_raises_is_raised() -> None:
    async def breaks() -> AsyncIterator[str]:
        yield "The first thing "
        raise KeyError("agent")

    async with voiced() as (_, voice):
        with pytest.raises(KeyError, match="agent"):
            assert [item async for item in voice.stream(breaks())] == []
