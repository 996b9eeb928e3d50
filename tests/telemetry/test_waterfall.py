"""The waterfall of a turn adds up to its latency, and a budget says which part took too long."""

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.conversation import events
from duologue.errors import ConfigError
from duologue.session import BudgetExceeded, SessionConfig, TurnMeasured
from duologue.stt import Transcript
from duologue.telemetry.budget import LatencyBudget
from duologue.telemetry.waterfall import PARTS, waterfall
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText
from duologue.testing.virtual import VirtualCall

SECONDS = st.floats(0.0, 100.0, allow_nan=False)


@given(st.dictionaries(st.sampled_from([*PARTS.values(), "score"]), SECONDS), SECONDS)
def test_parts_add_up_to_the_latency_whatever_the_stages_say(stages: dict[str, float], total: float) -> None:
    parts = waterfall(stages, total)
    assert list(parts) == list(PARTS)
    assert min(parts.values()) >= 0.0
    assert math.isclose(sum(parts.values()), total, abs_tol=1e-9)


def test_a_part_lasts_until_its_stage() -> None:
    stages = {"speech_stopped": 0.1, "words": 0.2, "due": 0.3, "decided": 0.32, "first_text": 0.5, "first_clause": 0.9}
    assert waterfall(stages, 1.0) == pytest.approx(
        {
            "speech_end": 0.1, "transcript": 0.1, "end_of_turn": 0.1, "input_lag": 0.02,
            "agent": 0.18, "clause": 0.0, "voice": 0.4, "playout": 0.1,
        }
    )  # fmt: skip


def test_what_was_prepared_takes_nothing() -> None:
    parts = waterfall({"due": 0.4, "decided": 0.4, "first_text": 0.1, "first_clause": 0.2}, 0.41)
    assert (parts["agent"], parts["voice"]) == (0.0, 0.0)
    assert parts["playout"] == pytest.approx(0.01)


@pytest.mark.anyio
@pytest.mark.parametrize("speculative", [False, True])
async def test_every_turn_of_a_call_adds_up(speculative: bool) -> None:
    agent = ScriptedAgent("Yes, of course.", "No. Not at all.", speculative=speculative)
    async with VirtualCall(agent) as call:
        await call.say("A table please.")
        await call.say("Is it free?")
        measured = call.of(TurnMeasured)
    assert len(measured) == 2
    for turn in measured:
        assert sum(turn.parts.values()) == pytest.approx(turn.voice_to_voice, abs=1e-9)
        assert turn.parts["speech_end"] > 0.0
        assert turn.parts["end_of_turn"] > 0.0


@pytest.mark.anyio
async def test_a_turn_over_its_budget_is_published() -> None:
    config = SessionConfig(budget=LatencyBudget(voice_to_voice=0.2, end_of_turn=0.01, agent=60.0))
    async with VirtualCall(ScriptedAgent("Yes."), config=config) as call:
        await call.say("Hello.")
        measured = call.one(TurnMeasured)
        overruns = call.of(BudgetExceeded)
    assert [(e.turn, e.reason, e.budget) for e in overruns] == [(1, "voice_to_voice", 0.2), (1, "end_of_turn", 0.01)]
    assert [e.took for e in overruns] == [measured.voice_to_voice, measured.parts["end_of_turn"]]


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_budget_is_a_time(value: float) -> None:
    with pytest.raises(ConfigError, match=r"budget\.agent is"):
        LatencyBudget(agent=value)


class Held(FakeSpeechToText):
    """Gives no transcript before `released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def transcribe(self, pcm: bytes, **options: Any) -> Transcript:
        await self.released.wait()
        return await super().transcribe(pcm, **options)


@pytest.mark.anyio
async def test_a_latency_counts_what_was_spoken_and_has_not_arrived() -> None:
    """A turn is decided 30 ms after the last chunk: by then the user's last sample is older than the audio tells."""
    stt = Held()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.speak("A table please.")
        await call.silence(0.8, waits=False)
        call.clock.advance(0.03)
        stt.released.set()
        async with asyncio.timeout(10):
            while not call.of(events.TurnDecided):
                await asyncio.sleep(0)
        await call.settle()
        measured = call.one(TurnMeasured)
    lag = measured.stages["decided"] - measured.stages["due"]
    assert 0.03 <= lag < 0.03 + 0.032 + 0.001  # and less than a window that was not full
    assert measured.parts["input_lag"] == pytest.approx(lag)
