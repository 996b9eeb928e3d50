"""Recognition behind `/v1/audio/transcriptions`, whole and streamed; OpenAI's own SDK accepts the stand-in."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai_speech import KEY, OpenAISpeechServer
from voice_faults import RETRY_AFTER, Fault

from duologue.audio.wav import write_wav
from duologue.cli.live_check import check_live
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
)
from duologue.session import ErrorRaised
from duologue.settings import providers
from duologue.settings.providers import stt_provider
from duologue.stt.openai import OpenAISpeechToText
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

TEXT = "A table for four, please."
SHORT = {"connect_timeout": 0.2, "request_timeout": 0.2, "stall_timeout": 0.2}
modes = pytest.mark.parametrize("streamed", [False, True])


@asynccontextmanager
async def served(*faults: Fault, **options: Any) -> AsyncIterator[tuple[OpenAISpeechServer, OpenAISpeechToText]]:
    async with asyncio.timeout(20), OpenAISpeechServer(faults) as server:
        stt = OpenAISpeechToText("m", **{"base_url": server.url, "api_key": KEY, **options})
        try:
            yield server, stt
        finally:
            await stt.aclose()
        assert server.problems == []


async def test_a_key_is_read_again_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("wrong-key")
    async with asyncio.timeout(20), OpenAISpeechServer(()) as server:
        stt = OpenAISpeechToText("m", base_url=server.url, api_key_file=file)
        with pytest.raises(AuthenticationError):
            await stt.transcribe(speak(TEXT))
        file.write_text(KEY)
        assert stt.reload_key()
        assert (await stt.transcribe(speak(TEXT))).text == TEXT
        await stt.aclose()
        assert not OpenAISpeechToText("m", base_url=server.url, api_key_file=file, api_key=KEY).reload_key()


@modes
async def test_an_utterance_is_one_request(streamed: bool) -> None:
    async with served(streamed=streamed, prompt="gnocchi") as (server, stt):
        transcript = await stt.transcribe(speak(TEXT), language="en")
        assert (transcript.text, transcript.language) == (TEXT, "en")
        assert (await stt.transcribe(b"")).text == ""
        assert [t.text for t in await stt.transcribe_batch([speak("One."), speak("Two.")])] == ["One.", "Two."]
        assert stt.usage.requests == 3
        assert server.bodies[0] == {
            "model": "m",
            "response_format": "json",
            "language": "en",
            "prompt": "gnocchi",
            **({"stream": "true"} if streamed else {}),
        }
        with pytest.raises(InvalidAudioError):
            await stt.transcribe(b"\x00")


@modes
async def test_a_call_is_held_through_it(streamed: bool) -> None:
    agent = ScriptedAgent("For when?", "Done.")
    async with served(streamed=streamed) as (_, stt), VirtualCall(agent, stt=stt) as call:
        await call.say(TEXT)
        await call.say("At eight.")
        assert [turn.user_text for turn in call.turns] == [TEXT, "At eight."]
        assert call.of(ErrorRaised) == []


@modes
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("hang_up", ProviderUnavailableError),
        ("no_handshake", DeadlineError),
        ("unauthorized", AuthenticationError),
        ("quota", QuotaExceededError),
        ("rate_limited", RateLimitedError),
        ("bad_request", ProviderError),
        ("unavailable", ProviderUnavailableError),
        ("stall_first", DeadlineError),
        ("garbage", ProviderUnavailableError),
    ],
)
async def test_each_fault_is_one_error_of_the_tree(streamed: bool, fault: Fault, kind: type[DuologueError]) -> None:
    waits = SHORT if kind is DeadlineError else {}
    async with served(fault, streamed=streamed, **waits) as (_, stt):
        with pytest.raises(DuologueError) as caught:
            await stt.transcribe(speak(TEXT))
        assert type(caught.value) is kind
        assert caught.value.provider == stt.name
        assert caught.value.retry_after == (RETRY_AFTER if fault == "rate_limited" else None)
        assert KEY not in f"{caught.value} {stt!r} {stt.settings!r}"
        await stt.aclose()  # a client of its own for what is to succeed, with all the time that the machine takes
        stt.settings = stt.settings.model_copy(update=dict.fromkeys(SHORT, 20.0))
        assert (await stt.transcribe(speak(TEXT))).text == TEXT


@pytest.mark.parametrize(("fault", "kind"), [("stall", DeadlineError), ("drop", ProviderUnavailableError)])
async def test_a_transcript_that_breaks_off_is_an_error(fault: Fault, kind: type[DuologueError]) -> None:
    waits = {"stall_timeout": 0.2} if kind is DeadlineError else {}
    async with served(fault, streamed=True, **waits) as (_, stt):
        with pytest.raises(kind):
            await stt.transcribe(speak(TEXT))


async def test_a_user_with_a_key_can_check_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as (server, stt):
        make = lambda name: OpenAISpeechToText("m", base_url=server.url, api_key=KEY)  # noqa: E731
        monkeypatch.setattr(providers, "stt_provider", make)
        said, _ = await asyncio.to_thread(check_live, "openai/m")
        assert "2 s of silence" in said
        await stt.warm()
        wrong = OpenAISpeechToText("m", base_url=server.url, api_key="wrong")
        with pytest.raises(AuthenticationError):
            await wrong.warm()
        await wrong.aclose()


def test_the_key_is_not_sent_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAISpeechToText("m")._headers == {"Authorization": f"Bearer {KEY}"}
    assert OpenAISpeechToText("m", base_url="http://127.0.0.1:8000/v1")._headers == {}
    monkeypatch.delenv("OPENAI_API_KEY")
    for name, said in (("openai", "needs a model"), ("openai/m", "OPENAI_API_KEY")):
        with pytest.raises(ConfigError, match=said):
            stt_provider(name)
    with pytest.raises(ConfigError, match="base_url"):
        stt_provider("openai/m", base_url="127.0.0.1:8000")


async def test_openais_own_sdk_accepts_the_stand_in() -> None:
    wav = io.BytesIO()
    write_wav(wav, speak(TEXT), 16_000)
    async with OpenAISpeechServer() as server, openai.AsyncOpenAI(api_key=KEY, base_url=server.url) as client:
        file = ("audio.wav", wav.getvalue(), "audio/wav")
        whole = await client.audio.transcriptions.create(model="m", file=file, response_format="json")
        events = await client.audio.transcriptions.create(model="m", file=file, stream=True)
        last = [event async for event in events][-1]
        assert (whole.text, last.type, getattr(last, "text", "")) == (TEXT, "transcript.text.done", TEXT)
        assert server.problems == []
