from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from duologue.conversation import events
from duologue.conversation.state import AgentState, CallState, UserState
from duologue.server.translate import Translator
from duologue.session.events import ErrorRaised, Metered, ToolCalled, TurnMeasured
from duologue.wire import messages as wire

COMMON: dict[str, Any] = {field.name: 16_000 for field in fields(events.Event)}
OWN = {
    events.SpeechStarted(**COMMON, turn=1, start=8000, reason="vad"): wire.SpeechStarted(
        turn=1, at_s=0.5, reason="vad"
    ),
    events.SpeechStopped(**COMMON, turn=1, end=12_000, reason="vad"): wire.SpeechStopped(
        turn=1, at_s=0.75, reason="vad"
    ),
    events.PartialTranscript(**COMMON, turn=2, text="so far"): wire.TranscriptPartial(turn=2, text="so far"),
    events.TurnDecided(
        **COMMON, turn=2, text="All.", start=8000, end=12_000, silence=0.25, probability=0.9, reason="words"
    ): wire.TranscriptFinal(
        turn=2, text="All.", reason="words", start_s=0.5, end_s=0.75, silence_s=0.25, probability=0.9
    ),
    events.AgentSaid(**COMMON, generation=3, text="Hi,"): wire.AgentText(generation=3, text="Hi,"),
    events.AgentHeard(
        **COMMON, generation=3, turn=2, text="Hi,", said="Hi, there.", interrupted=True, estimated=False
    ): wire.AgentHeard(generation=3, turn=2, text="Hi,", said="Hi, there.", interrupted=True, estimated=False),
}


@pytest.mark.parametrize("event", OWN, ids=lambda event: type(event).__name__)
def test_events_with_a_message_of_their_own(event: events.Event) -> None:
    assert Translator().translate(event) == OWN[event]


def test_the_states_are_told_together() -> None:
    translator = Translator()
    assert translator.translate(events.CallChanged(**COMMON, state=CallState.LIVE, reason="start")) == wire.State(
        session="listening", user="silent", agent="idle", reason="start", at_s=1.0
    )
    spoke = events.UserChanged(**COMMON, before=UserState.SILENT, state=UserState.SPEAKING, reason="vad")
    assert translator.translate(spoke) == wire.State(
        session="listening", user="speaking", agent="idle", reason="vad", at_s=1.0
    )
    thinks = events.AgentChanged(**COMMON, before=AgentState.IDLE, state=AgentState.THINKING, reason="turn_decided")
    assert translator.translate(thinks) == wire.State(
        session="processing", user="speaking", agent="thinking", reason="turn_decided", at_s=1.0
    )
    assert translator.translate(events.CallChanged(**COMMON, state=CallState.ENDED, reason="client_end")) == wire.State(
        session="ended", user="speaking", agent="thinking", reason="client_end", at_s=1.0
    )


def test_what_has_no_message_of_its_own_is_a_decision() -> None:
    scored = events.TurnScored(
        **COMMON, turn=1, text="I want", words=0.1, sound=None, probability=0.1, silence=0.2, reason="trailing_verb"
    )
    assert Translator().translate(scored) == wire.Decision(
        name="turn_scored",
        reason="trailing_verb",
        at_s=1.0,
        fields={
            "turn": 1,
            "text": "I want",
            "words": 0.1,
            "sound": None,
            "probability": 0.1,
            "silence": 0.2,
            "recognizer": None,
        },
    )
    assert Translator().translate(
        events.EvidenceLate(**COMMON, kind="words", due=15_000, late=0.0625)
    ) == wire.Decision(
        name="evidence_late", reason="", at_s=1.0, fields={"kind": "words", "due": 15_000, "late": 0.0625}
    )


def test_a_tool_call_is_a_decision() -> None:
    called = ToolCalled(**COMMON, turn=1, generation=2, name="find", started=0.5, finished=0.75, outcome="done")
    assert Translator().translate(called) == wire.Decision(
        name="tool_called",
        reason="",
        at_s=1.0,
        fields={"turn": 1, "generation": 2, "name": "find", "started": 0.5, "finished": 0.75, "outcome": "done"},
    )


def test_the_opinion_of_the_detectors() -> None:
    metered = Metered(**COMMON, speech=0.9, echo_ratio=0.1, end_of_turn=None, silence=0.25)
    assert Translator().translate(metered) == wire.Meter(
        at_s=1.0, speech=0.9, echo_ratio=0.1, end_of_turn=None, silence_s=0.25
    )


def test_latency_and_errors() -> None:
    measured = TurnMeasured(
        **COMMON,
        turn=1,
        generation=2,
        processing=0.03,
        voice_to_voice=0.4,
        speculation="hit",
        stages={"words": 0.2},
    )
    assert Translator().translate(measured) == wire.Latency(
        turn=1,
        generation=2,
        processing_s=0.03,
        voice_to_voice_s=0.4,
        stages={"words": 0.2},
        parts=measured.parts,
        speculation="hit",
    )
    typed = events.TurnDecided(**COMMON, turn=1, text="Hi", start=0, end=0, silence=0.0, probability=1.0, reason="text")
    translator = Translator()
    translator.translate(typed)
    latency = translator.translate(measured)
    assert isinstance(latency, wire.Latency)
    assert latency.voice_to_voice_s is None
    raised = ErrorRaised(
        **COMMON, code="timeout", message="Late.", hint="Wait.", retryable=True, provider="stt", turn=0
    )
    assert Translator().translate(raised) == wire.Error(
        code="timeout", message="Late.", hint="Wait.", retryable=True, fatal=False, provider="stt", turn=None
    )


SAMPLES: dict[str, Any] = {
    "str": "text",
    "int": 1,
    "float": 0.5,
    "bool": True,
    "float | None": None,
    "CallState": CallState.LIVE,
    "UserState": UserState.SILENT,
    "AgentState": AgentState.IDLE,
}


@pytest.mark.parametrize("name", [name for name in events.__all__ if name != "Event"])
def test_every_event_of_the_conversation_can_be_told(name: str) -> None:
    kind: type[events.Event] = getattr(events, name)
    event = kind(**{field.name: SAMPLES[str(field.type)] for field in fields(kind)})
    message = Translator().translate(event)
    assert wire.parse_server(wire.dump(message)) == message
