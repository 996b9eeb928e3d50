"""Every request and every handshake carries the trace of the turn for which it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from deepgram_server import KEY as DEEPGRAM_KEY
from deepgram_server import DeepgramRecordings
from openai_speech import KEY as OPENAI_KEY
from openai_speech import OpenAISpeechServer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from provider_table import VOICES, Recognizer, Voice, recognizers, voices
from realtime_server import KEY as REALTIME_KEY
from realtime_server import RealtimeServer

from duologue.agent.llm import LLMAgent
from duologue.engine.accounting import owned_by
from duologue.realtime.service import RealtimeService
from duologue.session import RealtimeResponder
from duologue.stt.deepgram import DeepgramSpeechToText
from duologue.stt.openai import OpenAISpeechToText
from duologue.telemetry.context import CONTEXTS
from duologue.telemetry.hub import Telemetry
from duologue.testing.openai_server import OpenAIServer, says
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

DEADLINE = 20.0
"""Seconds of real time that anything may take."""

BeginTurn = Callable[[int], None]


@pytest.fixture
def begin_turn() -> Iterator[BeginTurn]:
    """Begins a turn of the session "c1", whose span has the number that it is given."""

    def begin(number: int) -> None:
        about = trace.SpanContext(7, number, is_remote=False, trace_flags=trace.TraceFlags(1))
        CONTEXTS.set("c1", trace.set_span_in_context(trace.NonRecordingSpan(about)))

    yield begin
    CONTEXTS.forget("c1")


def header_of(number: int) -> str:
    return f"00-{7:032x}-{number:016x}-01"


def in_turn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Do something for the session, in the turn that has begun."""
    return asyncio.create_task(work, context=owned_by("c1"))


async def speak_with(voice: Any) -> None:
    async with aclosing(voice.stream("One two.")) as speech:
        async for _ in speech:
            pass


async def listen_with(stt: Any) -> None:
    stream = stt.stream()
    pcm = speak("One two.") + bytes(32_000)
    for at in range(0, len(pcm), 1024):
        stream.push(pcm[at : at + 1024], at // 2)
    stream.finalize(len(pcm) // 2)
    async with aclosing(aiter(stream)) as events:
        await anext(events)
    await stream.aclose()


@voices
async def test_a_voice(row: Voice, begin_turn: BeginTurn) -> None:
    async with asyncio.timeout(DEADLINE), row.server(()) as server:
        voice = row.make(server.url, api_key=row.key)
        await voice.warm()
        assert server.traces in ([], [None])  # of nobody's turn
        server.traces.clear()
        await voice.aclose()
        for number in (1, 2):
            begin_turn(number)
            await in_turn(speak_with(voice))
            await voice.aclose()  # a connection that stays open would serve the next turn
        assert server.traces == [header_of(1), header_of(2)]


@pytest.mark.parametrize("row", [row for row in VOICES if row.streams_text], ids=str)
async def test_a_connection_is_dialed_for_the_turn_that_waits_for_it(row: Voice, begin_turn: BeginTurn) -> None:
    async with asyncio.timeout(DEADLINE), row.server(["drop"]) as server:
        voice = row.make(server.url, api_key=row.key, max_connections=1)
        begin_turn(1)
        speaking = [in_turn(speak_with(voice)) for _ in range(row.streams)]
        while not server.connections:
            await asyncio.sleep(0.001)
        begin_turn(2)
        speaking.append(in_turn(speak_with(voice)))  # there is no place for it on the connection, which is lost then
        results = await asyncio.gather(*speaking, return_exceptions=True)
        await voice.aclose()
    assert results[-1] is None
    assert any(results)
    assert server.traces == [header_of(1), header_of(2)]


@recognizers
async def test_a_recognizer_that_streams(row: Recognizer, begin_turn: BeginTurn) -> None:
    async with asyncio.timeout(DEADLINE), row.server(()) as server:
        stt = row.make(server.url, api_key=row.key)
        begin_turn(3)
        await in_turn(listen_with(stt))
        await stt.aclose()
    assert server.traces == [header_of(3)]


@pytest.mark.parametrize("vendor", ["deepgram", "openai"])
async def test_a_recognizer_that_is_asked_with_a_recording(vendor: str, begin_turn: BeginTurn) -> None:
    stand_in = DeepgramRecordings() if vendor == "deepgram" else OpenAISpeechServer()
    async with asyncio.timeout(DEADLINE), stand_in as server:
        stt: Any = (
            DeepgramSpeechToText(api_key=DEEPGRAM_KEY, base_url=server.url)
            if vendor == "deepgram"
            else OpenAISpeechToText("whisper-1", api_key=OPENAI_KEY, base_url=server.url)
        )

        async def transcribe() -> None:
            await stt.transcribe(speak("One two."))

        begin_turn(4)
        await in_turn(transcribe())
        await stt.aclose()
        assert server.problems == []
        assert server.traces == [header_of(4)]


class Traced(Telemetry):
    """Makes spans that go nowhere."""

    _tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")

    @property
    def tracer(self) -> Any:
        return self._tracer


@pytest.mark.parametrize("answered_by", ["llm", "realtime"])
async def test_what_answers_a_whole_call(answered_by: str) -> None:
    async with asyncio.timeout(DEADLINE):
        server: Any
        if answered_by == "llm":
            server = OpenAIServer(says("Yes."), says("No."))
        else:
            server = RealtimeServer(lambda text: "Yes.")
        async with server:
            options: dict[str, Any] = {}
            if answered_by == "llm":
                options["agent"] = LLMAgent("openai:any", instructions="", base_url=server.base_url, api_key="any")
            else:
                model = RealtimeService("openai:gpt-realtime-2.1", api_key=REALTIME_KEY, base_url=server.url)
                options["responder"] = RealtimeResponder(model)
            async with VirtualCall(telemetry=Traced(), **options) as call:
                await call.say("First one.")
                await call.say("Second one.")
                traces = [str(each).split("-") for each in server.traces]
                assert {trace_id for _, trace_id, _, _ in traces} == {call.session.trace_id}
    spans = {span_id for _, _, span_id, _ in traces}
    assert len(spans) == (2 if answered_by == "llm" else 1)  # a turn each, or the connection of the whole call
