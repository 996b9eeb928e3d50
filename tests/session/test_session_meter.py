"""The detectors' opinion, told to those who ask for it and to nobody else."""

from itertools import pairwise
from typing import Any

import pytest

from duologue.conversation import events
from duologue.errors import ConfigError
from duologue.session import Metered
from duologue.session.provider_use import count_stream
from duologue.session.saying import SpeechHandles
from duologue.session.turn_meter import MAX_OPEN, TurnMeter
from duologue.telemetry import names
from duologue.telemetry.context import CONTEXTS
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import Metrics
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


async def test_nobody_is_told_who_did_not_ask() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.say("A table please.")
        assert not call.of(Metered)


@pytest.mark.parametrize("every", [-0.1, float("nan"), float("inf")])
async def test_what_is_no_rate_is_refused(every: float) -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        with pytest.raises(ConfigError, match="must be a number of seconds"):
            call.session.meter(every)


async def test_the_opinion_follows_the_turn_at_the_rate_that_was_asked_for() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        call.session.meter(0.1)
        await call.silence(1.0)
        quiet = call.of(Metered)
        assert {(m.speech, m.end_of_turn, m.silence) for m in quiet} == {(0.0, None, None)}
        steps = [b.pos - a.pos for a, b in pairwise(quiet)]
        assert len(steps) >= 6
        assert set(steps) == {2048}, "the first window that ends 0.1 s later or more"

        await call.say("A table for")
        told = call.of(Metered)[len(quiet) :]
        decided = call.one(events.TurnDecided)
        scored = call.one(events.TurnScored)
        assert max(m.speech for m in told) > 0.5
        judged = [m for m in told if m.end_of_turn is not None]
        assert {m.end_of_turn for m in judged} == {scored.probability}
        assert all(scored.pos <= m.pos < decided.pos for m in judged)
        silences = [m.silence for m in told if m.silence is not None]
        assert min(silences) == 0.0
        assert silences[-1] == max(silences) > 0.1
        assert all(m.end_of_turn is None for m in told if m.pos > decided.pos)


async def test_the_loudest_window_between_two_counts() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.silence(0.2)
        call.session.meter(1.0)
        await call.play(bytes(2 * 1024) + b"\xff\x7f" * 512 + bytes(2 * 512 * 40))
        assert [round(m.speech, 2) for m in call.of(Metered)][:2] == [0.0, 1.0]


def test_turns_that_are_not_answered_are_forgotten() -> None:
    meter = TurnMeter("call-1", Telemetry())
    for turn in range(1, MAX_OPEN + 2):
        meter.follow(events.TurnDecided(16_000 * turn, float(turn), turn, "", 0, 0, 0.5, 0.9, "words"))
    assert list(meter._starts) == list(range(2, MAX_OPEN + 2))


def test_a_text_whose_call_is_over_is_not_waited_for() -> None:
    handles = SpeechHandles()
    key, handle = handles.add("Hello.")
    handles.recordings[key] = b""
    handles.clear()
    assert handle.interrupted
    assert handles.recordings == {}


def test_audio_of_a_stream_is_counted_as_long_as_its_call_is() -> None:
    metrics, stt = Metrics(), FakeSpeechToText()
    CONTEXTS.begin("call-1", metrics)
    count_stream(stt, 2.0, "call-1")
    CONTEXTS.forget("call-1")
    count_stream(stt, 2.0, "call-1")
    found: Any = metrics.snapshot()[names.PROVIDER_AUDIO.name]
    assert found[stt.name, names.SPEECH_TO_TEXT] == 2.0
