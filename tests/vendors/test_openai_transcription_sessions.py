"""What is particular to OpenAI's transcription sessions, and whether the stand-in satisfies OpenAI's own SDK."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai.types.realtime import RealtimeTranscriptionSessionCreateRequest
from openai_transcription import EVENTS, KEY, OpenAITranscriptionServer
from recognizer_server import Fault
from test_recognizers import FOREVER, TEXT, say, until_final

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
)
from duologue.settings.providers import stt_provider
from duologue.stt import Final, Partial
from duologue.stt.openai import OpenAISpeechToText
from duologue.stt.openai_realtime import OpenAIRealtimeSpeechToText
from duologue.stt.openai_realtime.stream import close_error
from duologue.testing.spoken import speak

pytestmark = pytest.mark.anyio

RATE = 16_000


@asynccontextmanager
async def served(
    *faults: Fault, is_late: bool = False, fails_with: str = "", **options: Any
) -> AsyncIterator[tuple[OpenAITranscriptionServer, OpenAIRealtimeSpeechToText]]:
    async with (
        asyncio.timeout(20),
        OpenAITranscriptionServer(faults, is_late=is_late, fails_with=fails_with) as server,
    ):
        yield server, OpenAIRealtimeSpeechToText(**{"api_key": KEY, "base_url": f"{server.url}/v1", **options})
        assert server.problems == []


async def test_words_come_while_the_user_speaks_and_the_final_replaces_them() -> None:
    async with served() as (server, stt):
        stream = stt.stream()
        end = say(stream, TEXT)
        events = await until_final(stream, end)
        await stream.aclose()
        partials = [event.text for event in events if isinstance(event, Partial)]
        words = TEXT.split()
        assert partials == [" ".join(words[: n + 1]) for n in range(len(words))]
        assert events[-1] == Final(TEXT, 0, end)
        assert server.received == ["input_audio_buffer.commit"]


async def test_a_model_that_listens_to_whole_segments_gives_words_after_the_commit() -> None:
    async with served(model="gpt-transcribe") as (server, stt):
        stream = stt.stream()
        end = say(stream, TEXT)
        events = aiter(stream)
        assert isinstance(await anext(events), Partial)
        assert server.received == ["input_audio_buffer.commit"]
        while not isinstance(event := await anext(events), Final):
            pass
        assert event == Final(TEXT, 0, end)
        await stream.aclose()


async def test_finals_keep_the_order_of_speech_though_transcripts_do_not() -> None:
    async with served(is_late=True) as (_, stt):
        stream = stt.stream()
        middle = say(stream, "One.")
        end = say(stream, "Two.", middle)
        events = await until_final(stream, FOREVER, count=2)
        await stream.aclose()
        finals = [event for event in events if isinstance(event, Final)]
        assert [(final.text, final.end) for final in finals] == [("One.", middle), ("Two.", end)]
        assert finals[0].end <= finals[1].start


async def test_long_silence_is_not_sent_and_not_asked_about() -> None:
    async with served() as (server, stt):
        stream = stt.stream()
        silence = 20 * RATE
        stream.push(bytes(2 * silence), 0)
        stream.finalize(silence)
        end = say(stream, "Two.", silence)
        events = await until_final(stream, end)
        await stream.aclose()
        finals = [event for event in events if isinstance(event, Final)]
        assert finals[0] == Final("", silence, silence)
        assert (finals[1].text, finals[1].end) == ("Two.", end)
        assert silence - RATE <= finals[1].start <= silence
        assert len(server.heard_s) == 1
        assert server.heard_s[0] < 3.0
        assert stt.usage.streamed_s < 3.0


@pytest.mark.parametrize("samples", [1, 799, 1_600, 50_000])
async def test_a_commit_has_the_length_that_is_demanded(samples: int) -> None:
    async with served() as (server, stt):
        stream = stt.stream()
        stream.push(b"\0\x40" * samples, 0)
        stream.finalize(samples)
        events = await until_final(stream, samples)
        await stream.aclose()
        assert events[-1] == Final("", 0, samples)
        (seconds,) = server.heard_s
        assert seconds >= max(0.1, samples / RATE - 0.003)


async def test_speech_without_a_pause_is_committed_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.stt.openai_realtime.stream.MAX_SEGMENT_S", 1.0)
    async with served() as (server, stt):
        stream = stt.stream()
        end = say(stream, " ".join(["one"] * 12), silence=0.2)
        events = await until_final(stream, end, count=1000)
        await stream.aclose()
        finals = [event for event in events if isinstance(event, Final)]
        assert len(finals) == len(server.heard_s) >= 3
        assert all(a.end <= b.start for a, b in pairwise(finals))
        assert max(server.heard_s) < 1.2


async def test_audio_in_which_no_words_are_found_is_silent() -> None:
    async with served(fails_with="audio_unintelligible") as (_, stt):
        stream = stt.stream()
        end = say(stream, "One.")
        events = await until_final(stream, end)
        await stream.aclose()
        assert events[-1] == Final("", 0, end)


async def test_a_segment_that_fails_is_a_fault_of_the_stream() -> None:
    async with served(fails_with="insufficient_quota") as (_, stt):
        stream = stt.stream()
        say(stream, TEXT)
        with pytest.raises(QuotaExceededError):
            await until_final(stream, FOREVER)


async def test_a_commit_that_has_no_answer_is_a_fault() -> None:
    async with served("no_answer", finalize_timeout=0.2) as (_, stt):
        stream = stt.stream()
        say(stream, TEXT)
        with pytest.raises(DeadlineError, match=r"no final within 0\.2 s"):
            await until_final(stream, FOREVER)


async def test_a_session_that_is_refused_is_a_fault_though_nothing_is_said() -> None:
    async with asyncio.timeout(20), OpenAITranscriptionServer() as server:
        stt = OpenAIRealtimeSpeechToText(api_key=KEY, base_url=f"{server.url}/v1", model="gpt-unknown")
        with pytest.raises(ProviderError):
            await stt.transcribe(bytes(2 * RATE))
        assert len(server.problems) == 1


async def test_the_settings_are_in_the_session() -> None:
    options: dict[str, Any] = {
        "model": "gpt-live-transcribe",
        "language": "en",
        "keyterm": ["gnocchi"],
        "prompt": "A restaurant.",
        "delay": "low",
        "noise_reduction": "far_field",
    }
    async with served(**options) as (server, stt):
        stream = stt.stream(language="de")
        await until_final(stream, say(stream, TEXT))
        await stream.aclose()
        (session,) = server.configured
        RealtimeTranscriptionSessionCreateRequest.model_validate(session)
        assert session == {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {
                        "model": "gpt-live-transcribe",
                        "language": "de",
                        "keywords": ["gnocchi"],
                        "prompt": "A restaurant.",
                        "delay": "low",
                    },
                    "turn_detection": None,
                    "noise_reduction": {"type": "far_field"},
                }
            },
        }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "ftp://x"}, "base_url"),
        ({"model": "gpt-realtime-whisper", "keyterm": ["gnocchi"]}, "keyterm is not taken by gpt-realtime-whisper"),
        ({"model": "gpt-realtime-whisper", "prompt": "x"}, "prompt is not taken"),
        ({"model": "gpt-transcribe", "delay": "low"}, "delay is not taken"),
        ({"delay": "long"}, "delay"),
        ({"words": 1}, "words"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        OpenAIRealtimeSpeechToText(api_key=KEY, **options)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (3000, "invalid_request_error.invalid_api_key", AuthenticationError),
        (3000, "invalid_request_error.something_else", ProviderError),
        (1001, "Your session hit the maximum duration of 60 minutes.", ProviderUnavailableError),
        (1011, "", ProviderUnavailableError),
    ],
)
def test_a_close_is_mapped(code: int, reason: str, kind: type[DuologueError]) -> None:
    assert type(close_error("openai-realtime/m", code, reason)) is kind


def test_it_is_made_by_name_and_its_key_goes_to_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        stt_provider("openai-realtime")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    stt = stt_provider("openai-realtime/gpt-realtime-whisper", cost=1.02)
    assert isinstance(stt, OpenAIRealtimeSpeechToText)
    assert (stt.name, stt.capabilities.cost) == ("openai-realtime/gpt-realtime-whisper", 1.02)
    assert stt._headers == {"Authorization": f"Bearer {KEY}"}
    assert OpenAIRealtimeSpeechToText(base_url="http://127.0.0.1:9/v1")._headers == {}


def test_a_model_of_sessions_that_is_asked_for_by_request_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="openai-realtime/gpt-live-transcribe"):
        OpenAISpeechToText("gpt-live-transcribe", api_key=KEY)


async def test_openais_own_sdk_accepts_the_stand_in() -> None:
    async with asyncio.timeout(20), OpenAITranscriptionServer() as server:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.url}/v1")
        session = OpenAIRealtimeSpeechToText(api_key=KEY).settings.session("en")
        async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
            await connection.session.update(session=session)  # type: ignore[arg-type]  # built for the wire
            pcm = speak(TEXT, 24_000) + bytes(24_000)
            for at in range(0, len(pcm), 4800):
                piece = base64.b64encode(pcm[at : at + 4800]).decode()
                await connection.input_audio_buffer.append(audio=piece)
            await connection.input_audio_buffer.commit()
            types: list[str] = []
            async for event in connection:
                types.append(event.type)
                if event.type == "conversation.item.input_audio_transcription.completed":
                    assert event.transcript == TEXT
                    break
        await client.close()
        assert types[:2] == ["session.created", "session.updated"]
        assert types.count(EVENTS + "delta") == len(TEXT.split())
        assert server.problems == []
