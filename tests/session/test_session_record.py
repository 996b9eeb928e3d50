"""The record of a call: what was said, heard and measured, turn by turn."""

import json

import pytest

from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.session import CallRecord, ErrorRaised, SessionConfig, ToolCalled, TurnMeasured, TurnRecord
from duologue.session.record import MAX_ERRORS, MAX_TOOLS, MAX_TURNS
from duologue.telemetry.waterfall import PARTS
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


async def test_a_turn_as_plain_types() -> None:
    async with VirtualCall(ScriptedAgent("Yes, of course.")) as call:
        await call.silence(1.0)
        await call.say("A table please.")
        turn = call.turns[0].as_dict()
    latency = turn.pop("latency")
    assert turn == {
        "turn": 1,
        "user": {
            "text": "A table please.",
            "start_s": pytest.approx(0.7, abs=0.04),
            "end_s": pytest.approx(1.95, abs=0.04),
        },
        "agent": {"text": "Yes, of course.", "heard_text": "Yes, of course."},
        "end_reason": "words",
        "interrupted": False,
    }
    stages = latency.pop("stages")
    assert set(latency) == {"processing_s", "voice_to_voice_s", "speculation", "parts"}
    assert list(latency["parts"]) == list(PARTS)
    assert sum(latency["parts"].values()) == pytest.approx(latency["voice_to_voice_s"], abs=1e-3)
    assert list(stages) == [
        "speech_stopped", "words", "score", "due", "decided", "first_text", "clause", "first_clause", "first_audio",
    ]  # fmt: skip
    assert list(stages.values()) == sorted(stages.values())
    assert stages["decided"] >= 0.256
    assert (
        latency["voice_to_voice_s"]
        == stages["first_audio"]
        == pytest.approx(stages["decided"] + latency["processing_s"], abs=1e-3)
    )
    json.dumps(call.turns[0].as_dict())


async def test_a_turn_that_was_not_answered_has_no_latency() -> None:
    async with VirtualCall(ScriptedAgent([])) as call:
        await call.say("Hello.")
        assert call.turns[0].as_dict()["latency"] == {
            "processing_s": None,
            "voice_to_voice_s": None,
            "speculation": None,
            "parts": {},
            "stages": {},
        }


async def test_an_interrupted_turn_says_what_was_heard() -> None:
    agent = ScriptedAgent("This is a thing. And this is another thing that I say.", "Yes?")
    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(2.0)
        await call.say("Wait, stop that right now please.")
        turn = call.turns[0].as_dict()
        assert turn["agent"]["text"].startswith("This is a thing. And")
        assert turn["agent"]["heard_text"] == "This is a thing."
        assert turn["interrupted"] is True
        assert call.session.record.interruptions == 1


async def test_the_first_audible_sample_is_what_counts() -> None:
    """Silence at the beginning of speech is heard by nobody."""

    class Breathing(FakeTextToSpeech):
        async def synthesize(self, text: str, **_: object):  # type: ignore[no-untyped-def]
            speech = await super().synthesize(text)
            return type(speech)(text, bytes(2 * 12_000) + speech.pcm, speech.rate)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Breathing()) as call:
        await call.say("Hello.")
        started = next(e for e in call.of(events.AgentChanged) if e.state == "speaking")
        # Half a second of silence, of which the lead goes out at once.
        assert call.one(TurnMeasured).wall - started.wall == pytest.approx(0.5 - 0.06, abs=0.04)


async def test_a_reply_that_was_prepared_is_a_hit() -> None:
    async with VirtualCall(ScriptedAgent("Yes.", speculative=True)) as call:
        await call.say("Hello.")
        assert call.one(TurnMeasured).speculation == "hit"
        assert call.turns[0].as_dict()["latency"]["speculation"] == "hit"


async def test_a_turn_that_is_open_again_is_one_turn() -> None:
    agent = ScriptedAgent([FOREVER], "Yes.")
    async with VirtualCall(agent, stt=FakeSpeechToText("I would.", "like a table.")) as call:
        await call.speak("I would.")
        await call.silence(0.6, waits=False)
        assert call.session.state == "processing"
        await call.play(speak("like a table."), waits=False)
        await call.settle()
        assert len(call.of(events.TurnContinued)) == 1
        assert [(t.turn, t.user_text) for t in call.turns] == [(1, "I would. like a table.")]


async def test_what_was_said_before_the_first_turn_is_the_greeting() -> None:
    config = SessionConfig(rules=ConversationConfig(greeting="Good morning."))
    async with VirtualCall(ScriptedAgent("Yes."), config=config) as call:
        await call.session.say("How are you?")
        await call.settle()
        await call.say("Fine.")
        await call.session.say("By the way.")
        await call.settle()
        assert call.session.record.greeting == "Good morning. How are you?"
        assert call.turns[0].heard_text == "Yes."


async def test_the_record_counts_what_was_missing_and_says_how_the_call_ended() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.say("Hello.")
        call.session.skip_audio(16_000)
        call.session.skip_audio(8_000)
        await call.silence(0.5)
        assert call.session.record.reason == ""
        await call.session.close("hung_up")
    record = call.session.record
    assert record.reason == "hung_up"
    assert record.session == call.session.id
    assert record.missing == pytest.approx(1.5, abs=0.032)
    assert record.audio == pytest.approx(call.session.accepted / 16_000, abs=0.05)


def test_the_record_is_bounded() -> None:
    record = CallRecord("id")
    for n in range(MAX_TURNS + 10):
        record.take(events.TurnDecided(n, 0.0, n, "text", -5, n, 0.3, 0.9, "words"))
        record.take(ErrorRaised(n, 0.0, "timeout", "late", "", True, None, 0))
    assert (len(record.turns), len(record.errors)) == (MAX_TURNS, MAX_ERRORS)
    assert record.turns[0] == TurnRecord(10, "text", 0.0, 10 / 16_000, "words")


def test_what_belongs_to_no_turn_is_passed_over() -> None:
    record = CallRecord("call-1")
    record.take(events.TurnContinued(0, 0.0, 1, "speech"))
    record.take(TurnMeasured(0, 0.0, 1, 1, 0.1, 0.2, "none"))
    record.take(ToolCalled(0, 0.0, 1, 1, "look", 0.1, 0.2, "done"))
    assert list(record.turns) == []


def test_the_tools_of_a_turn_are_bounded() -> None:
    record = CallRecord("call-1")
    record.take(events.TurnDecided(16_000, 1.0, 1, "Hello.", 0, 8_000, 0.5, 0.9, "words"))
    record.take(events.TurnContinued(0, 0.0, 2, "speech"))
    for number in range(MAX_TOOLS + 1):
        record.take(ToolCalled(0, 0.0, 1, 1, f"tool {number}", 0.1, 0.2, "done"))
    tools = record.turns[0].as_dict()["tools"]
    assert len(tools) == MAX_TOOLS
    assert tools[0] == {"name": "tool 0", "started_s": 0.1, "finished_s": 0.2, "outcome": "done"}
