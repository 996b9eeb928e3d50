"""One tick serves all sessions: each gets the score of its own window, and none is disturbed by another."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.clock import VirtualClock
from duologue.engine import Admission, Engine, EngineConfig
from duologue.engine import tick as tick_module
from duologue.errors import ConfigError, InvalidStateError, OverloadedError, ProviderError
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, FakeTextToSpeech, FakeTtsModel, PeakVad, SentenceEnd

pytestmark = pytest.mark.anyio


class Listening:
    """What the tick sees of a session: windows of one level each."""

    vad_row = -1
    has_pending_audio = True
    sounding = True

    def __init__(self, *levels: int) -> None:
        self.levels = deque(levels)
        self.scores: list[float] = []
        self.ticks: list[float] = []
        self.errors: list[Exception] = []
        self.ticked = asyncio.Event()

    def window_ready(self) -> bool:
        return bool(self.levels)

    def read_window(self, out: NDArray[np.int16]) -> None:
        out[:] = self.levels.popleft()

    def window_scored(self, probability: float) -> None:
        self.scores.append(probability)

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        self.ticked.set()

    def broken(self, error: Exception) -> None:
        self.errors.append(error)


def engine(vad: Any = None, *, paced: bool = False, **config: Any) -> Engine:
    return Engine(
        vad=vad or PeakVad(),
        words=SentenceEnd(),
        config=EngineConfig(**config),
        clock=VirtualClock(7.0),
        paced=paced,
    )


async def test_each_session_gets_the_scores_of_its_own_windows() -> None:
    vad = PeakVad()
    async with engine(vad, batch=64) as e:
        sessions = [Listening(*range(100 * i, 100 * i + 1 + i % 3)) for i in range(20)]
        for session in sessions:
            e.attach(session)
        for _ in range(3):
            e.step()
        for i, session in enumerate(sessions):
            assert session.scores == pytest.approx([level / 32767 for level in range(100 * i, 100 * i + 1 + i % 3)])
            assert session.ticks == [7.0] * 3
            e.detach(session)
    assert vad.batches[0] == [session.vad_row for session in sessions]
    assert e.counters.windows == sum(len(session.scores) for session in sessions)


async def test_a_call_of_the_detector_has_no_more_windows_than_a_batch() -> None:
    vad = PeakVad()
    async with engine(vad, batch=4) as e:
        sessions = [Listening(1000 * i) for i in range(10)]
        for session in sessions:
            e.attach(session)
        e.step()
        assert [len(rows) for rows in vad.batches] == [4, 4, 2]
        assert [s.scores for s in sessions] == [[pytest.approx(1000 * i / 32767)] for i in range(10)]
        for session in sessions:
            e.detach(session)


async def test_between_two_batches_the_loop_hears_others() -> None:
    class Loud(Listening):
        def window_scored(self, probability: float) -> None:
            super().window_scored(probability)
            asyncio.get_running_loop().call_soon(e.detach, sessions[-1])

    vad = PeakVad()
    async with engine(vad, paced=True, batch=2) as e:
        sessions = [Loud(1), *(Listening(1) for _ in range(5))]
        for session in sessions:
            e.attach(session)
        await sessions[0].ticked.wait()
        assert [len(rows) for rows in vad.batches] == [2, 2, 1]
        assert not any(s.errors for s in sessions)
        for session in sessions:
            e.detach(session)


async def test_a_session_in_a_hurry_gets_no_more_windows_a_tick_than_its_share() -> None:
    async with engine(catch_up=3) as e:
        hurried, calm = Listening(*[1] * 10), Listening(1)
        e.attach(hurried)
        e.attach(calm)
        e.step()
        assert (len(hurried.scores), len(calm.scores)) == (3, 1)
        e.step()
        assert len(hurried.scores) == 6
        e.detach(hurried)
        e.detach(calm)


async def test_rows_are_given_back() -> None:
    vad = PeakVad()
    async with engine(vad) as e:
        first, second, third = Listening(), Listening(), Listening()
        e.attach(first)
        e.attach(second)
        e.detach(first)
        e.detach(first)
        e.attach(third)
        assert (third.vad_row, e.active, vad.rows) == (first.vad_row, 2, {0, 1})
        e.detach(second)
        e.detach(third)
    assert not vad.rows


async def test_one_session_too_many_is_refused() -> None:
    async with engine(max_sessions=1) as e:
        e.admit()
        inside, outside = Listening(), Listening()
        e.attach(inside)
        attempts: tuple[Callable[[], None], ...] = (e.admit, lambda: e.attach(outside))
        for refused in attempts:
            with pytest.raises(OverloadedError, match="carries 1 sessions") as caught:
                refused()
            assert caught.value.retry_after == 5.0
        e.detach(inside)
        e.attach(outside)
        e.detach(outside)


async def test_a_session_that_breaks_is_let_go_and_no_other_is_disturbed() -> None:
    class Broken(Listening):
        def tick(self, now: float) -> None:
            raise ZeroDivisionError

    class BrokenScore(Listening):
        def window_scored(self, probability: float) -> None:
            raise ZeroDivisionError

    class BrokenInput(Listening):
        def window_ready(self) -> bool:
            raise ZeroDivisionError

    class BrokenWindow(Listening):
        def read_window(self, out: NDArray[np.int16]) -> None:
            raise ZeroDivisionError

    async with engine() as e:
        before, after = Listening(1, 1), Listening(1, 1)
        bad = [Broken(1), BrokenScore(1), BrokenInput(1), BrokenWindow(1)]
        for session in (before, *bad, after):
            e.attach(session)
        e.step()
        e.step()
        assert [len(s.errors) for s in (before, *bad, after)] == [0, 1, 1, 1, 1, 0]
        assert [(len(s.scores), len(s.ticks)) for s in (before, after)] == [(2, 2), (2, 2)]
        assert e.active == 2
        e.detach(before)
        e.detach(after)


async def test_a_cancellation_passes_a_detector() -> None:
    class Cancelled(PeakVad):
        def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
            raise asyncio.CancelledError

    async with engine(Cancelled()) as e:
        session = Listening(1)
        e.attach(session)

        async def step() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            e.step()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(step())
        assert session.errors == []


@pytest.mark.parametrize("scores", [ZeroDivisionError("by zero"), SystemExit(3), np.zeros(1, np.float32), None])
async def test_a_detector_that_fails_ends_the_sessions_whose_windows_it_had(scores: Any) -> None:
    class BrokenVad(PeakVad):
        def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
            if isinstance(scores, BaseException):
                raise scores
            return scores  # type: ignore[no-any-return]  # what a detector of somebody else may do

    vad = BrokenVad()
    async with engine(vad) as e:
        speaking, also_speaking, silent = Listening(1), Listening(1), Listening()
        for session in (speaking, also_speaking, silent):
            e.attach(session)
        e.step()
        assert [len(s.errors) for s in (speaking, also_speaking, silent)] == [1, 1, 0]
        assert (e.active, vad.rows) == (1, {silent.vad_row})
        e.detach(silent)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.5])
async def test_what_is_no_probability_ends_the_call_that_would_be_deaf(score: float) -> None:
    class OddVad(PeakVad):
        def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
            scores = super().score(rows, windows)
            scores[windows[:, 0] == 7] = score
            return scores

    async with engine(OddVad()) as e:
        deaf, other = Listening(7), Listening(1)
        e.attach(deaf)
        e.attach(other)
        e.step()
        (error,) = deaf.errors
        assert isinstance(error, ProviderError)
        assert f"gave {score:g} as the probability of speech" in error.message
        assert (deaf.scores, len(other.scores), e.counters.vad_faults, e.active) == ([], 1, 1, 1)
        e.detach(other)


async def test_a_session_may_end_another_in_its_tick() -> None:
    class Ending(Listening):
        def tick(self, now: float) -> None:
            e.detach(other)

    async with engine() as e:
        ending, other = Ending(), Listening()
        e.attach(ending)
        e.attach(other)
        e.step()
        assert other.ticks == []
        e.detach(ending)


async def test_a_session_may_end_while_the_others_are_looked_at() -> None:
    class Ending(Listening):
        def window_ready(self) -> bool:
            e.detach(self)
            return False

    async with engine() as e:
        ending, other = Ending(), Listening(1)
        e.attach(ending)
        e.attach(other)
        e.step()
        assert (len(other.scores), e.active) == (1, 1)
        e.detach(other)


async def test_a_session_that_another_ended_in_the_same_look_is_not_scored() -> None:
    class Ending(Listening):
        def window_ready(self) -> bool:
            e.detach(other)
            return False

    async with engine() as e:
        ending, other = Ending(1), Listening(1)
        e.attach(ending)
        e.attach(other)
        e.step()
        assert (other.scores, other.errors) == ([], [])
        e.detach(ending)


async def test_sessions_that_live_when_the_engine_is_left_are_ended() -> None:
    vad = PeakVad()
    async with engine(vad) as e:
        session = Listening()
        e.attach(session)
    assert isinstance(session.errors[0], InvalidStateError)
    assert not vad.rows


async def test_a_paced_engine_ticks_by_itself_until_it_is_left() -> None:
    before = sys.getswitchinterval()
    async with engine(paced=True, tick=0.001, switch_interval=0.0007) as e:
        assert sys.getswitchinterval() == pytest.approx(0.0007)
        session = Listening(1)
        e.attach(session)
        for _ in range(3):
            session.ticked.clear()
            await asyncio.wait_for(session.ticked.wait(), 10.0)
        assert len(session.scores) == 1
        e.detach(session)
    ticks = e.counters.ticks
    await asyncio.sleep(0)
    assert e.counters.ticks == ticks >= 3
    assert sys.getswitchinterval() == pytest.approx(before)


async def test_an_engine_is_used_once_and_inside_its_block() -> None:
    e = engine()
    with pytest.raises(InvalidStateError, match="not been started"):
        _ = e.model_threads
    async with e:
        with pytest.raises(InvalidStateError, match="started before"):
            await e.__aenter__()


async def test_advancing_moves_a_virtual_clock_and_ticks() -> None:
    clock = VirtualClock(7.0)
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=clock, paced=False) as e:
        session = Listening(1)
        e.attach(session)
        e.advance(0.02)
        assert clock.now() == session.ticks[0] == 7.02
        e.detach(session)
    async with Engine(vad=PeakVad(), words=SentenceEnd(), paced=False) as e:  # the wall's clock moves by itself
        e.advance(3600.0)
        assert e.counters.ticks == 1


async def test_services_and_models_are_both_providers() -> None:
    async with engine() as e:
        stt, tts = FakeSpeechToText(), FakeTextToSpeech()
        assert (e.stt(stt).name, e.tts(tts)) == (stt.name, tts)
        assert (e.stt(FakeSttModel()).name, e.tts(FakeTtsModel(rate=16_000)).rate) == ("fake-stt-model", 16_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_threads": 0},
        {"batch": 0},
        {"catch_up": 0},
        {"tick": 0.0},
        {"switch_interval": 2.0},
        {"max_sessions": None},
        {"admission": None},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EngineConfig(**wrong)


async def test_while_a_thread_of_the_models_is_dead_no_session_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deadly(FakeSttModel):
        def run(self, items: Any) -> Any:
            raise SystemExit

    monkeypatch.setattr(tick_module, "REPAIR_EVERY_S", 1000.0)
    patient = EngineConfig(admission=Admission(max_tick_lag=60.0, max_lateness=60.0))  # however busy the machine is
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=patient) as engine:
        engine.admit()
        async with asyncio.timeout(10.0):
            while engine.counters.ticks < 2:  # the first tick looks for dead threads, too
                await asyncio.sleep(0.001)
        with suppress(ProviderError):
            await engine.model_threads.submit(Deadly(), np.zeros(160, np.float32), 0.0)
        async with asyncio.timeout(10.0):
            while engine.model_threads.is_whole:
                await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            engine.admit()
        assert refused.value.reason == "threads"
        engine.model_threads.mend()
        assert engine.model_threads.counters.threads_replaced == 1
        engine.admit()
