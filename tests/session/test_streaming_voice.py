"""A voice that streams: it takes text as it comes, and what was heard rests on where its text sounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.agent import EndCall, FunctionCall, Reply, Turn
from duologue.conversation import events
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.session import ErrorRaised, FunctionCallRequested, SessionConfig
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import word_timings
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice, VoiceFault
from duologue.tts import AudioChunk, TextSpan, TtsCapabilities
from duologue.turn import Judgement
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

APOLOGY = PACK.apology
RATES = (8_000, 16_000, 22_050, 24_000, 48_000)
LONG = "The first thing is this one here, I think. The second thing is that one there, so far. The third is gone."
DOWN = ProviderUnavailableError("The voice is down.")


class Unsure:
    """A words policy that leaves a turn open until its timeout, and lets replies be prepared meanwhile."""

    name = "unsure"

    def judge(self, text: str) -> Judgement:
        return Judgement(0.4, "unsure")


def tokens(text: str) -> list[str]:
    """Pieces as a language model gives them: words with the space before them."""
    return re.findall(r"\s?\S+", text)


async def cut_off_after(call: VirtualCall, seconds: float) -> events.AgentHeard:
    """Have the agent interrupted after so many seconds of its answer."""
    await call.speak("Hello.")
    while not call.session._output.playout.started:
        await call.silence(0.02)
    await call.silence(seconds)
    call.session.interrupt()
    return call.one(events.AgentHeard)


# --- text as it comes ---


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("rate", RATES)
async def test_a_voice_is_given_the_agents_tokens_and_heard_at_its_rate(rate: int, aligned: bool) -> None:
    tts = StreamingVoice(rate=rate, aligned=aligned, chunks=(0.013, 0.4))
    async with VirtualCall(ScriptedAgent(tokens(LONG)), tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == [LONG]
        assert call.sounded == LONG
        assert call.of(ErrorRaised) == []
        assert call.session.starved == 0
    assert tts.given == [tokens(LONG)]
    assert tts.closed == 1


async def test_a_voice_that_does_not_take_text_as_it_comes_is_given_clauses() -> None:
    tts = StreamingVoice(streams_text=False)
    async with VirtualCall(ScriptedAgent(tokens(LONG)), tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == [LONG]
    assert [text for (text,) in tts.given] == [
        "The first thing is this one here,",
        "I think.",
        "The second thing is that one there, so far.",
        "The third is gone.",
    ]


async def test_the_voice_speaks_while_the_agent_writes() -> None:
    tts = StreamingVoice(chunks=(0.1,))
    order: list[str] = []

    async def agent(text: str) -> AsyncIterator[str]:
        yield "Let me have a look. "
        async with asyncio.timeout(10):
            while not call.session._output.playout.started:
                await asyncio.sleep(0)
        order.append("heard while writing")
        yield "Here it is."

    async with VirtualCall(agent, tts=tts) as call:
        await call.speak("Hello.")
        await call.silence(0.6)
        await call.settle()
        assert call.heard == ["Let me have a look. Here it is."]
    assert order == ["heard while writing"]


async def test_only_the_first_clause_of_a_prepared_reply_is_given_before_its_turn_is_decided() -> None:
    tts = StreamingVoice()
    agent = ScriptedAgent("That is a good question. I will look. And see.", speculative=True)
    async with VirtualCall(agent, tts=tts, words=Unsure()) as call:
        await call.speak("May I ask")
        await call.silence(0.6)
        call.one(events.SpeculationStarted)
        assert tts.given == [["That is a good question."]]
        assert (call.sounded, call.of(events.TurnDecided)) == ("", [])
        await call.settle()
        assert call.heard == ["That is a good question. I will look. And see."]
    assert tts.given == [["That is a good question.", " I will look. And see."]]


async def test_an_answer_is_written_no_faster_than_it_is_heard() -> None:
    agent = ScriptedAgent(["word "] * 10_000)
    async with VirtualCall(agent, tts=StreamingVoice(), config=SessionConfig(max_ready=2.0)) as call:
        await call.speak("Tell me everything.")
        await call.silence(10.0)
        assert call.session._output.playout.ready < 3.0
        assert agent.yielded < 250
        call.session.interrupt()
        for _ in range(5):
            await asyncio.sleep(0)
        assert agent.closed == 1


async def test_texts_before_the_answer_and_inside_it_are_streams_of_their_own() -> None:
    class Agent:
        speculative = False

        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            yield "Well, "
            yield "let me see."
            await call.session.say("Please hold the line. It may take a while.")
            yield " It is free."

    tts = StreamingVoice()
    async with VirtualCall(Agent(), tts=tts) as call:
        await call.session.say("This call is recorded.")
        await call.settle()
        await call.say("Hello.")
        assert call.heard == [
            "This call is recorded.",
            "Well, let me see.",
            "Please hold the line. It may take a while.",
            "It is free.",
        ]
        assert [e.reason for e in call.of(events.SayEnded)] == ["finished", "finished"]
    assert tts.given == [
        ["This call is recorded."],
        ["Well, ", "let me see."],
        ["Please hold the line. It may take a while."],
        [" It is free."],
    ]


async def test_a_function_call_is_passed_on_between_the_texts_around_it() -> None:
    look = FunctionCall("find_table", '{"people": 4}', "call_1")
    agent = ScriptedAgent(["Let me look. ", look, "It is free.", EndCall()], speculative=True)
    async with VirtualCall(agent, tts=StreamingVoice(), words=Unsure()) as call:
        await call.speak("For four")
        await call.silence(0.6)
        call.one(events.SpeculationStarted)
        assert call.of(FunctionCallRequested) == [], "nothing but text comes before the turn is decided"
        await call.settle()
        called = call.one(FunctionCallRequested)
        assert (called.turn, called.call, called.name, called.arguments) == (1, "call_1", "find_table", '{"people": 4}')
        assert call.heard == ["Let me look. It is free."]


# --- what was heard ---


@pytest.mark.parametrize("spans", ["early", "late"])
@pytest.mark.parametrize("rate", RATES)
async def test_with_an_aligned_voice_the_history_has_the_words_that_sounded(rate: int, spans: Any) -> None:
    tts = StreamingVoice(rate=rate, chunks=(0.31, 0.07), span_words=(3, 1, 5), spans=spans)
    async with VirtualCall(ScriptedAgent(LONG), tts=tts) as call:
        heard = await cut_off_after(call, 1.5)
        assert heard.text == "The first thing is this"
        assert heard.interrupted


seconds = st.floats(0.005, 1.2)


@settings(max_examples=60, deadline=None)
@given(
    aligned=st.booleans(),
    streams_text=st.booleans(),
    rate=st.sampled_from(RATES),
    chunks=st.lists(seconds, min_size=1, max_size=4),
    span_words=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    spans=st.sampled_from(["early", "late"]),
    frames=st.integers(2, 300),  # all of it lasts more than 6.4 s
)
@pytest.mark.no_cover
def test_heard_text_is_right_wherever_chunks_spans_and_the_cut_lie(
    aligned: bool, streams_text: bool, rate: int, chunks: list[float], span_words: list[int], spans: Any, frames: int
) -> None:
    cut = frames * 0.02
    tts = StreamingVoice(
        rate=rate, aligned=aligned, streams_text=streams_text, chunks=chunks, span_words=span_words, spans=spans
    )
    heard = asyncio.run(heard_until(tts, cut))
    # One stream sounds exactly like this; clauses that are spoken alone have no space between them.
    at, sounded = 0.0, ""
    texts = [LONG] if streams_text else [text for (text,) in tts.given]
    for text in texts:
        timings = word_timings(text)
        sounded += " " + " ".join(word.text for word in timings if at + word.end <= cut + 1e-6)
        at += timings[-1].end
    if aligned:
        assert heard == sounded.strip()
        return
    clauses = re.findall(r".*?[,.](?=\s|$)", LONG)
    whole = [clause for n, clause in enumerate(clauses) if heard.startswith("".join(clauses[: n + 1]).strip())]
    assert heard == "".join(whole).strip(), "history holds whole clauses"
    spoken = [
        clause for n, clause in enumerate(clauses) if sounded.strip().startswith("".join(clauses[: n + 1]).strip())
    ]
    assert abs(len(whole) - len(spoken)) <= 1


async def heard_until(tts: StreamingVoice, cut: float) -> str:
    async with VirtualCall(ScriptedAgent(tokens(LONG)), tts=tts) as call:
        await call.speak("Hello.")
        while not call.session._output.playout.started:
            await call.silence(0.02)
        playout = call.session._output.playout
        await call.silence(cut + 0.1)
        call.session.mark_playback(playout.began + round(cut * tts.rate))
        call.session.interrupt()
        return call.of(events.AgentHeard)[0].text


# --- what a voice must not do ---


@pytest.mark.parametrize(
    ("fault", "message", "heard"),
    [
        ("far_spans", "tied text to 6", ""),
        ("back_spans", "after text that ends at", LONG),
        ("no_spans", "gave no TextSpan", LONG),
    ],
)
async def test_spans_that_cannot_be_true_are_reported_once_and_the_reply_goes_on(
    fault: VoiceFault, message: str, heard: str
) -> None:
    tts = StreamingVoice(faults=[fault, fault])
    async with VirtualCall(ScriptedAgent(LONG, LONG, "Yes."), tts=tts) as call:
        for _ in range(2):
            await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("provider_error", "streaming-voice")
        assert message in error.message
        assert call.heard == [heard] * 2 if heard else call.heard == []
        assert call.engine.counters.response_faults == 2
        assert call.sounded == f"{LONG} {LONG}"
        await call.say("Hello.")
        assert call.heard[-1] == "Yes."


async def test_half_a_sample_is_an_error_of_the_voice() -> None:
    async with VirtualCall(ScriptedAgent(LONG), tts=StreamingVoice(faults=["odd_bytes"])) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("provider_error", "streaming-voice")
        assert "must give whole 16-bit samples" in error.message
        assert call.heard == [APOLOGY]


async def test_a_voice_that_stalls_in_a_stream_is_given_up() -> None:
    tts = StreamingVoice(faults=["stall"], chunks=(1.0,))
    async with VirtualCall(ScriptedAgent(LONG), tts=tts, config=SessionConfig(speech_timeout=0.02)) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("timeout", "streaming-voice")
        assert call.heard == ["The first thing", APOLOGY]
    assert tts.closed == 2


@pytest.mark.parametrize("aligned", [True, False])
async def test_a_stream_that_fails_before_its_audio_is_repeated_from_its_beginning(aligned: bool) -> None:
    class Fickle(StreamingVoice):
        async def stream(self, text: Any, **how: Any) -> AsyncIterator[Any]:
            if len(self.given) < 2:
                self.given.append([await anext(reading) for reading in [aiter(text)] * 5])
                raise DOWN
            async for item in super().stream(text, **how):
                yield item

    tts = Fickle(aligned=aligned)
    async with VirtualCall(ScriptedAgent(tokens(LONG)), tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == [LONG]
        assert call.of(ErrorRaised) == []
    assert tts.given[2] == tokens(LONG)


async def test_a_stream_that_fails_in_its_middle_ends_the_reply() -> None:
    async with VirtualCall(ScriptedAgent(LONG), tts=StreamingVoice(chunks=(1.0,), faults=["", "break"])) as call:
        await call.say("Hello.")
        await call.say("Hello.")
        assert call.heard == [LONG, "The first thing", APOLOGY]
        assert call.one(ErrorRaised).code == "provider_unavailable"


async def test_a_voice_that_waits_for_text_is_not_given_up() -> None:
    agent = ScriptedAgent(["One moment, please. And ", 0.08, "here it is."])
    async with VirtualCall(agent, tts=StreamingVoice(), config=SessionConfig(speech_timeout=0.03)) as call:
        await call.say("Hello.")
        assert call.heard == ["One moment, please. And here it is."]
        assert call.of(ErrorRaised) == []


async def test_a_voice_that_never_asks_for_its_text_is_given_up() -> None:
    class Deaf(StreamingVoice):
        async def stream(self, text: Any, **_: Any) -> AsyncIterator[Any]:
            await asyncio.get_running_loop().create_future()
            yield

    async with VirtualCall(
        ScriptedAgent("Yes."), tts=Deaf(), config=SessionConfig(speech_timeout=0.02, max_retries=0)
    ) as call:
        await call.say("Hello.")
        assert {e.code for e in call.of(ErrorRaised)} == {"timeout"}
        assert call.heard == []


async def test_a_voice_that_leaves_text_behind_loses_none_of_it() -> None:
    """What it did not take is spoken in its next stream."""

    class Short(StreamingVoice):
        async def stream(self, text: Any, **how: Any) -> AsyncIterator[Any]:
            word = await anext(aiter(text))
            async for item in super().stream(word, **how):
                yield item

    tts = Short()
    async with VirtualCall(ScriptedAgent(tokens("One two three.")), tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == ["One two three."]
    assert tts.given == [["One"], [" two"], [" three."]]


async def test_a_voice_that_takes_no_text_is_given_up() -> None:
    class Idle(StreamingVoice):
        async def stream(self, text: Any, **_: Any) -> AsyncIterator[Any]:
            for item in list[Any]():
                yield item

    async with VirtualCall(ScriptedAgent("Yes."), tts=Idle()) as call:
        await call.say("Hello.")
        assert {e.message for e in call.of(ErrorRaised)} == {"streaming-voice ended its stream and took no text."}
        assert call.heard == []


async def test_endless_audio_is_cut_off() -> None:
    class Endless(StreamingVoice):
        async def stream(self, text: Any, **_: Any) -> AsyncIterator[Any]:
            while True:
                yield AudioChunk(b"\xff\x3f" * 2400)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Endless(aligned=False)) as call:
        await call.speak("Hello.")
        await call.silence(1.0)
        assert "s of speech for" in call.one(ErrorRaised).message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 12_345}, "streaming-voice speaks at 12345 Hz, and its capabilities list 24000 Hz"),
        ({"rate": 12_345, "capabilities": TtsCapabilities()}, "speaks at 12345 Hz, and must speak at one of 8000,"),
        ({"rate": None, "capabilities": TtsCapabilities()}, "speaks at None Hz, and must speak at one of 8000,"),
        ({"capabilities": None}, "streaming-voice declares no TtsCapabilities"),
    ],
)
def test_a_voice_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    tts = StreamingVoice()
    for name, value in change.items():
        setattr(tts, name, value)
    with pytest.raises(ConfigError, match=message):
        VirtualCall(ScriptedAgent("Yes."), tts=tts)


def test_capabilities_that_make_no_sense_are_refused() -> None:
    for wrong in ({"typical_latency": -1.0}, {"cost": float("nan")}, {"rates": (0,)}):
        with pytest.raises(ConfigError, match="must"):
            TtsCapabilities(**wrong)


def test_what_is_no_voice_is_refused() -> None:
    class Voice:
        name = "mine"
        rate = 24_000

    voice: Any = Voice()
    with pytest.raises(ConfigError, match="Voice is no voice: it has no capabilities, stream"):
        VirtualCall(ScriptedAgent("Yes."), tts=voice)


async def test_a_voice_that_gives_nothing_without_end_is_given_up() -> None:
    class Endless(StreamingVoice):
        async def stream(self, text: Any, **how: Any) -> AsyncIterator[Any]:
            while True:
                yield AudioChunk(b"")

    async with VirtualCall(ScriptedAgent("Yes."), tts=Endless(), config=SessionConfig(speech_timeout=0.05)) as call:
        await call.say("Hello.")
        assert "gave no speech for 0.05 s" in call.of(ErrorRaised)[0].message


async def test_spans_are_bounded_by_the_text() -> None:
    class Chatty(StreamingVoice):
        async def stream(self, text: Any, **how: Any) -> AsyncIterator[Any]:
            yield AudioChunk(bytes(4_800))
            for _ in range(1_000):
                yield TextSpan("a", 0.0, 0.0)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Chatty(streams_text=False)) as call:
        await call.say("Hello.")
        assert "spans for 4 characters" in call.of(ErrorRaised)[0].message
