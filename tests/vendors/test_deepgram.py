"""What is particular to Deepgram, and whether the stand-in satisfies the vendor's own SDK."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from deepgram_server import KEY, DeepgramRecordings, DeepgramServer
from recognizer_server import RETRY_AFTER, Fault
from test_recognizers import FOREVER, TEXT, opinions, say, until_final

from command_line import CommandLine
from duologue.audio.wav import write_wav
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
from duologue.stt.deepgram import DeepgramSettings, DeepgramSpeechToText
from duologue.stt.deepgram.messages import Results, parse
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

RATE = 16_000
FLUX = "flux-general-en"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)


def recognizer(server: Any, **options: Any) -> DeepgramSpeechToText:
    return DeepgramSpeechToText(**{"api_key": KEY, "base_url": server.url, **options})


# --- settings ---


def test_the_key_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        DeepgramSpeechToText()
    monkeypatch.setenv("DEEPGRAM_API_KEY", f" {KEY}\n")
    assert DeepgramSpeechToText()._headers == {"Authorization": f"Token {KEY}"}
    path = tmp_path / "key"
    path.write_text("dg-other\n")
    assert DeepgramSpeechToText(api_key_file=str(path))._headers == {"Authorization": "Token dg-other"}
    path.write_text("two words")
    with pytest.raises(ConfigError) as caught:
        DeepgramSpeechToText(api_key_file=str(path))
    assert "two words" not in str(caught.value)
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        DeepgramSpeechToText(api_key_file=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modle": "nova-3"}, "modle"),
        ({"model": ""}, "model"),
        ({"model": "nova-3&callback=http://x"}, "model"),
        ({"endpointing": 5}, "endpointing"),
        ({"endpointing": True}, "endpointing"),
        ({"utterance_end_ms": 500}, "utterance_end_ms"),
        ({"eot_threshold": 0.5, "eager_eot_threshold": 0.6}, "must not exceed"),
        ({"keep_alive_interval": 10}, "keep_alive_interval"),
        ({"stall_timeout": 0}, "stall_timeout"),
        ({"base_url": "api.deepgram.com"}, "base_url"),
        ({"base_url": "https://key:secret@host"}, "base_url"),
        ({"keyterm": [""]}, "keyterm"),
        ({"api_key_file": 5}, "api_key_file"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DeepgramSpeechToText(api_key=KEY, **options)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_it_is_made_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert stt_provider("deepgram").name == "deepgram/nova-3"
    nova: Any = stt_provider("deepgram/nova-3", utterance_end_ms=1000)
    flux: Any = stt_provider(f"deepgram/{FLUX}")
    assert (nova.capabilities.finalizes, nova.capabilities.end_of_turn, nova.capabilities.cost) == (True, True, 0.288)
    assert (flux.capabilities.finalizes, flux.capabilities.end_of_turn, flux.capabilities.cost) == (False, True, None)
    with pytest.raises(ConfigError, match="nova_3"):
        stt_provider("deepgram/nova-3", nova_3=True)
    with pytest.raises(UnsupportedLanguageError):
        flux.stream(language="de")
    assert stt_provider("deepgram/nova-9", cost=0.1).capabilities.cost == 0.1  # type: ignore[union-attr]  # a service


async def test_the_settings_are_in_the_query() -> None:
    async with DeepgramServer() as server:
        nova = recognizer(
            server, language="en", keyterm=["Sal's", "Fra & Co"], smart_format=True, numerals=True, tag="t",
            endpointing=300, utterance_end_ms=1000, mip_opt_out=True, profanity_filter=True,
        )  # fmt: skip
        flux = recognizer(server, model="flux-general-multi", eot_threshold=0.8, eot_timeout_ms=3000, language="de")
        for stream in (nova.stream(language="es"), flux.stream()):
            stream.push(bytes(8000), 0)
            await anext(aiter(stream))
            await stream.aclose()
        assert [sorted(query) for query in server.queries] == [
            [
                ("channels", "1"), ("encoding", "linear16"), ("endpointing", "300"), ("interim_results", "true"),
                ("keyterm", "Fra & Co"), ("keyterm", "Sal's"), ("language", "es"), ("mip_opt_out", "true"),
                ("model", "nova-3"), ("numerals", "true"), ("profanity_filter", "true"), ("punctuate", "true"),
                ("sample_rate", "16000"), ("smart_format", "true"), ("tag", "t"), ("utterance_end_ms", "1000"),
            ],
            [
                ("eager_eot_threshold", "0.5"), ("encoding", "linear16"), ("eot_threshold", "0.8"),
                ("eot_timeout_ms", "3000"), ("language_hint", "de"), ("model", "flux-general-multi"),
                ("sample_rate", "16000"),
            ],
        ]  # fmt: skip
        assert server.problems == []


# --- Nova ---


async def test_a_silent_stream_is_kept_open() -> None:
    async with DeepgramServer(idle_timeout=0.5) as server, asyncio.timeout(20):
        stream = recognizer(server, keep_alive_interval=0.1).stream()
        reading = asyncio.create_task(until_final(stream, FOREVER))
        while server.received.count("KeepAlive") < 12:
            await asyncio.sleep(0.01)
        end = say(stream, TEXT)
        events = await reading
        assert [event.text for event in events if isinstance(event, Final)] == [TEXT]
        assert end > 0
        await stream.aclose()
        assert server.problems == []


async def test_without_keep_alive_deepgram_closes_and_the_error_may_pass() -> None:
    async with DeepgramServer(idle_timeout=0.1) as server, asyncio.timeout(20):
        with pytest.raises(ProviderUnavailableError, match="NET-0001"):
            await until_final(recognizer(server).stream(), FOREVER)


async def test_finalize_that_has_no_answer_ends_in_an_empty_final() -> None:
    async with DeepgramServer(["no_answer"]) as server, asyncio.timeout(20):
        stream = recognizer(server, finalize_timeout=0.1).stream()
        stream.push(bytes(2 * RATE), 3 * RATE)
        stream.finalize(4 * RATE)
        events = await until_final(stream, 4 * RATE)
        (final,) = [event for event in events if isinstance(event, Final)]
        assert (final.text, final.end) == ("", 4 * RATE)
        await stream.aclose()


async def test_finalize_that_has_no_answer_is_a_fault_if_words_are_owed() -> None:
    async with DeepgramServer(["no_answer"]) as server, asyncio.timeout(20):
        stream = recognizer(server, finalize_timeout=0.1).stream()
        end = say(stream, TEXT)
        with pytest.raises(DeadlineError, match="no final"):
            await until_final(stream, end)
        await stream.aclose()


async def test_the_end_of_an_utterance_counts_as_an_opinion() -> None:
    async with DeepgramServer() as server, asyncio.timeout(20):
        stream = recognizer(server, utterance_end_ms=1000, utterance_end_probability=0.7).stream()
        stream.push(speak(TEXT) + bytes(3 * RATE), 0)
        stream.push(bytes(2 * RATE), len(speak(TEXT)) // 2 + 3 * RATE // 2)
        events = []
        async for event in stream:
            events.append(event)
            if opinions(events):
                break
        await stream.aclose()
        assert opinions(events) == [(0.7, False)]
        assert [event.text for event in events if isinstance(event, Final)] == [TEXT]


def test_a_confidence_above_one_is_a_rounding_error() -> None:
    alternative = {"transcript": "One.", "confidence": 1.0000001, "words": []}
    result = {"type": "Results", "start": 0, "duration": 1, "channel": {"alternatives": [alternative]}}
    message = parse("deepgram", json.dumps(result))
    assert isinstance(message, Results)
    assert message.channel.alternatives[0].confidence == 1.0


# --- Flux ---


async def test_flux_says_what_it_thinks_of_the_turn() -> None:
    async with DeepgramServer() as server, asyncio.timeout(20):
        stream = recognizer(server, model=FLUX).stream()
        pause, at = bytes(2 * int(0.3 * RATE)), 0
        for text in (speak("Table for"), pause, speak("four."), bytes(3 * RATE)):
            for start in range(0, len(text), 1024):
                stream.push(text[start : start + 1024], at)
                at += len(text[start : start + 1024]) // 2
        events = await until_final(stream, FOREVER)
        await stream.aclose()
        assert opinions(events) == [(0.6, True), (0.2, False), (0.6, True), (0.85, False)]
        shown = [event for event in events if isinstance(event, Partial) and event.text]
        assert {event.start for event in shown} == {shown[0].start}
        assert [event.text for event in events if isinstance(event, Final)] == ["Table for four."]
        assert server.received == ["CloseStream"]


async def test_an_eager_end_of_turn_prepares_the_reply() -> None:
    async with DeepgramServer() as server, asyncio.timeout(20):
        agent = ScriptedAgent("For when?")
        async with VirtualCall(agent, stt=recognizer(server, model=FLUX)) as call:
            await call.say(TEXT)
            assert [turn.user_text for turn in call.turns] == [TEXT]
            assert call.heard == ["For when?"]


# --- recordings ---


async def test_a_recording_is_one_request() -> None:
    async with DeepgramRecordings() as server, asyncio.timeout(20):
        flux = recognizer(server, model=FLUX)
        done = await flux.transcribe(speak(TEXT))
        texts = await flux.transcribe_batch([speak("One."), b"", speak("Two.")], language="en")
        await flux.aclose()
        assert (done.text, round(done.audio_s, 2)) == (TEXT, round(len(speak(TEXT)) / 2 / RATE, 2))
        assert [transcript.text for transcript in texts] == ["One.", "", "Two."]
        assert dict(server.queries[0])["model"] == "nova-3"
        assert flux.usage.requests == 3
        assert flux.cost == pytest.approx(flux.usage.requested_s / 3600 * 0.462)
        assert server.problems == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("hang_up", ProviderUnavailableError),
        ("unauthorized", AuthenticationError),
        ("quota", QuotaExceededError),
        ("rate_limited", RateLimitedError),
        ("bad_request", ProviderError),
        ("bad_audio", InvalidAudioError),
        ("unavailable", ProviderUnavailableError),
        ("redirect", ProviderError),
        ("stall", DeadlineError),
        ("drop", ProviderUnavailableError),
        ("garbage", ProviderUnavailableError),
    ],
)
async def test_each_fault_of_a_request_is_one_error_of_the_tree(fault: Fault, kind: type[DuologueError]) -> None:
    async with DeepgramRecordings([fault]) as server, asyncio.timeout(20):
        stt = recognizer(server, request_timeout=0.2 if fault == "stall" else 10.0)
        with pytest.raises(DuologueError) as caught:
            await stt.transcribe(speak(TEXT))
        await stt.aclose()
        assert type(caught.value) is kind
        assert caught.value.provider == stt.name
        assert caught.value.retry_after == (RETRY_AFTER if fault in ("rate_limited", "unavailable") else None)
        assert stt.usage.requests == 0


# --- duologue doctor --live ---


def test_the_check_says_what_is_wrong(duologue: CommandLine) -> None:
    outcome = duologue("doctor", "--live", "deepgram", "--live", "nobody", "--json")
    assert outcome.code == 1
    keyless, unknown = outcome.json["checks"]
    assert (keyless["ok"], unknown["ok"]) == (False, False)
    assert "DEEPGRAM_API_KEY" in keyless["fix"]
    assert "deepgram" in unknown["fix"]
    shown = duologue("doctor", "--live", "nobody")
    assert shown.out.endswith("Something is wrong.\n")


# --- the vendor's own SDK ---


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it uses the legacy client of websockets
async def test_deepgrams_own_sdk_accepts_the_stand_in(caplog: pytest.LogCaptureFixture) -> None:
    sdk: Any = pytest.importorskip("deepgram", reason="deepgram-sdk is not installed")
    environment: Any = pytest.importorskip("deepgram.environment")
    caplog.set_level(logging.WARNING)
    async with (
        DeepgramServer() as server,
        DeepgramRecordings() as recordings,
        httpx.AsyncClient() as http,  # the SDK's own is never closed
        asyncio.timeout(20),
    ):
        where = environment.DeepgramClientEnvironment(
            base=recordings.url, production=server.url.replace("http", "ws"), agent="ws://x", agent_rest="http://x"
        )
        client = sdk.AsyncDeepgramClient(api_key=KEY, environment=where, httpx_client=http)
        options = {"encoding": "linear16", "sample_rate": "16000"}
        async with client.listen.v1.connect(model="nova-3", interim_results="true", **options) as nova:
            await nova.send_media(speak(TEXT))
            await nova.send_finalize()
            while not (message := await nova.recv()).is_final:
                assert message.type == "Results"
            assert message.channel.alternatives[0].transcript == TEXT
            await nova.send_close_stream()
            assert (await nova.recv()).type == "Metadata"
        async with client.listen.v2.connect(model=FLUX, eager_eot_threshold="0.5", **options) as flux:
            assert (await flux.recv()).type == "Connected"
            await flux.send_media(speak(TEXT))
            await flux.send_media(bytes(2 * RATE))
            while (turn := await flux.recv()).event != "EndOfTurn":
                assert turn.type == "TurnInfo"
            assert (turn.transcript, turn.trigger) == (TEXT, "model")
        wav = BytesIO()
        write_wav(wav, speak(TEXT), RATE)
        answer = await client.listen.v1.media.transcribe_file(request=wav.getvalue(), model="nova-3")
        assert answer.results.channels[0].alternatives[0].transcript == TEXT
        assert "Skipping unknown" not in caplog.text
        assert (server.problems, recordings.problems) == ([], [])


# --- the page ---


def test_the_page_has_every_setting_and_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "providers" / "deepgram.md").read_text("utf-8")
    table = page.partition("## Settings")[2].partition("## Errors")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE)
    names = [name for cell, _ in rows for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(DeepgramSettings.model_fields)
    for cell, default in rows:
        (name, *others) = re.findall(r"`(\w+)`", cell)
        if not others and re.fullmatch(r"[\d.]+|`(True|False)`", default):
            assert float(getattr(DeepgramSettings.model_validate({}), name)) == float(eval(default.strip("`")))
