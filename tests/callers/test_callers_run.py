"""Whole runs against real servers: with real models, tables are booked; a server that is full is told as such."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from duologue.agent.booking import BookingAgent
from duologue.callers.load import NORMAL, Load
from duologue.callers.plan import Plan
from duologue.callers.run import MIXTURE, Progress, prepare_run, run
from duologue.conversation.config import ConversationConfig
from duologue.engine import EngineConfig
from duologue.engine.admission import Admission
from duologue.server.app import create_app
from duologue.server.call_options import CallOptions, named_agents
from duologue.server.listener import Listener
from duologue.server.session_factory import SessionFactory
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.tts import Speech, SpeechRequest

pytestmark = pytest.mark.anyio

PATIENCE = 240.0
"""Seconds that three callers may take for a table each; they take about 45."""


@asynccontextmanager
async def served(models: LocalModels, *, max_sessions: int = 10) -> AsyncIterator[str]:
    @asynccontextmanager
    async def build() -> AsyncIterator[SessionFactory]:
        config = SessionConfig(seed=1, rules=ConversationConfig(greeting=BookingAgent.greeting))
        # A machine that is busy with something else admits the callers too: only their number is limited here.
        admission = Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0)
        engine_config = EngineConfig(max_sessions=max_sessions, admission=admission)
        async with models.engine(config=engine_config) as engine:
            options = CallOptions(agents=named_agents(BookingAgent, None), config=config)
            yield SessionFactory(engine, models, options)

    listener = Listener(create_app(build), port=0, log_config=None)
    serving = asyncio.create_task(listener.serve())
    while not listener.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield f"ws://127.0.0.1:{listener.port}/v1/stream"
    finally:
        listener.should_exit = True
        await serving


@pytest.mark.models
async def test_three_callers_book_a_table_each(models: LocalModels) -> None:
    async with served(models) as url:
        plan = Plan(url, 3, PATIENCE, "booking", Load("test", 0.2, 20.0), seed=5, ramp=1.0)
        utterances = prepare_run(plan, make_voice=lambda: models.tts)

        def enough(now: Progress) -> None:
            if now.booked >= 3:
                running.cancel()

        running = asyncio.create_task(run(plan, utterances, on_progress=enough))
        result = await running
    assert result.interrupted, "they did not get their tables in time"
    assert result.bookings["booked"] >= 3
    assert result.bookings["wrong"] == result.bookings["gave_up"] == 0
    assert not result.errors
    assert not result.refusals
    assert result.answered >= 12
    assert result.word_error_rate is not None
    assert result.word_error_rate < 0.1
    assert result.voice_to_voice_s.n == result.answered
    assert all(turn.voice_to_voice_s is None or turn.voice_to_voice_s > 0 for turn in result.raw)


@pytest.mark.models
async def test_callers_who_are_refused_are_counted_and_call_again(models: LocalModels) -> None:
    async with served(models, max_sessions=1) as url:
        plan = Plan(url, 2, 2.5, "silent", NORMAL, seed=1, ramp=0.0)
        result = await run(plan, prepare_run(plan, make_voice=lambda: models.tts))
    assert result.calls == 1
    assert result.refusals["overloaded"] >= 1
    assert result.turns == 0
    assert result.bookings["open"] == 1


@pytest.mark.models
async def test_a_run_whose_callers_break_ends_with_what_broke_them(models: LocalModels) -> None:
    async with served(models, max_sessions=1) as url:
        plan = Plan(url, 1, 30.0, "monologue", NORMAL, seed=1, ramp=0.0)
        with pytest.raises(KeyError):
            await run(plan, {})


class Hum:
    """A voice that needs no model: a tone for each text, at a rate that has to be converted."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, items: list[SpeechRequest]) -> list[Speech]:
        self.asked += [item.text for item in items]
        tone = (8000 * np.sin(np.arange(24_000) * 0.2)).astype("<i2")
        return [Speech(item.text, tone.tobytes(), 24_000, (), "estimated") for item in items]


def test_speech_is_made_once_and_then_read_from_the_disk(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    plan = Plan("ws://127.0.0.1:1", 10, 30.0, "mixed", NORMAL, seed=1, ramp=0.0)
    hum = Hum()
    done: list[tuple[int, int]] = []
    first = prepare_run(plan, make_voice=lambda: hum, on_progress=lambda i, of: done.append((i, of)))
    assert len(hum.asked) == len(set(hum.asked)) > 100
    assert done[-1] == (len(first), len(first))

    def none() -> None:
        raise AssertionError("a voice was made")

    second = prepare_run(plan, make_voice=none)
    assert first == second
    hesitant = next(utterance for text, utterance in first.items() if "|" in text)
    assert "|" not in hesitant.text
    (pause,) = hesitant.pauses
    assert 0.5 <= (pause[1] - pause[0]) / 16_000 <= 1.1
    assert hesitant.onset < pause[0] < pause[1] < hesitant.end
    sound = np.frombuffer(b"".join(hesitant.frames), "<i2")
    assert np.abs(sound[pause[0] : pause[1]]).max() < 100 < np.abs(sound[pause[1] : hesitant.end]).max()
    assert all(len(frame) == 640 for frame in hesitant.frames)


def test_a_monologue_may_be_recorded_and_then_no_voice_is_made_for_it() -> None:
    sound = np.full(16_000, 900, np.int16)
    plan = Plan("ws://127.0.0.1:1", 2, 30.0, "monologue", NORMAL, seed=1, ramp=0.0, story=("One.", "Two."))

    def none() -> None:
        raise AssertionError("a voice was made")

    made = prepare_run(plan, make_voice=none, recorded={"One.": sound, "Two.": sound[:8000], "Three.": sound})
    assert {text: utterance.seconds for text, utterance in made.items()} == {"One.": 1.0, "Two.": 0.5}
    heard = np.frombuffer(b"".join(made["One."].frames), "<i2")[made["One."].onset : made["One."].end]
    assert 800 < heard.min() < heard.max() < 1000


def test_the_mixture_is_the_one_that_is_told() -> None:
    assert {kind: MIXTURE.count(kind) for kind in MIXTURE} == {
        "booking": 7, "interrupter": 1, "silent": 1, "monologue": 1
    }  # fmt: skip
