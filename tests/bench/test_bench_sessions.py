import asyncio
import json
import mmap
import time

import numpy as np
import pytest

from duologue.audio.format import FRAME
from duologue.conversation.events import AgentChanged, Interrupted
from duologue.conversation.state import AgentState
from duologue.errors import ConfigError
from duologue.resilience import BREAKERS
from duologue.testing.fakes import FakeSpeechToText, PeakVad
from duologue_bench import sessions
from duologue_bench.calls import CallWatch, Notes
from duologue_bench.chunk import flat_out
from duologue_bench.figures import Spread
from duologue_bench.instant import InstantTextToSpeech
from duologue_bench.load import Line, heard_line
from duologue_bench.memory import private_bytes, threads
from duologue_bench.sessions import Work, measure

RATE = 16_000


def a_line(speech: float = 0.6, silence: float = 0.9) -> Line:
    """Someone who speaks, and is silent."""
    tone = 24_000 * np.sin(2 * np.pi * 200 * np.arange(round(speech * RATE)) / RATE)
    return heard_line(np.concatenate([tone, np.zeros(round(silence * RATE))]).astype(np.int16))


def test_conversations_are_held_and_counted() -> None:
    seen: list[float] = []
    run = asyncio.run(
        measure(PeakVad(), Work(a_line(), answer_s=0.2), sessions=3, seconds=3.0, warm=0.5, on_progress=seen.append)
    )
    assert (run.sessions, run.chunks, run.cut_short) == (3, 450, False)
    assert run.lateness.count == run.chunks
    assert 0.9 < run.scored <= 1.0
    assert (run.dropped_samples, run.errors, run.frames_after) == (0, 0, 0)
    assert run.turns >= 3
    assert run.processing.count == run.answered.count > 0
    assert run.created.count == 3
    assert run.cpu_s > 0
    assert run.threads >= run.threads_before
    assert seen == sorted(seen)
    told = json.loads(json.dumps(run.as_dict(), allow_nan=False))
    assert told["turns"] == run.turns


def test_a_long_answer_is_interrupted() -> None:
    run = asyncio.run(measure(PeakVad(), Work(a_line(), long_every=1), sessions=2, seconds=4.0, warm=0.0))
    assert run.interrupted >= 2
    assert run.silenced.count == run.yielded.count >= 2
    assert run.onsets.count >= 1
    assert run.frames_after == 0


def test_lists_of_providers_answer_as_one_does() -> None:
    work = Work(a_line(), answer_s=0.2)
    run = asyncio.run(measure(PeakVad(), work, sessions=1, seconds=2.0, warm=0.0, resilient=True))
    assert run.turns > 0
    assert run.errors == 0
    named = {status.key.provider for status in BREAKERS.states() if status.calls}
    assert {FakeSpeechToText().name, InstantTextToSpeech(0.2).name} <= named


def test_where_nothing_is_to_be_answered_nothing_is() -> None:
    run = asyncio.run(measure(PeakVad(), Work(a_line(), answer_s=0.0), sessions=1, seconds=2.0, warm=0.0))
    assert run.turns >= 1
    assert (run.processing.count, run.interrupted, run.silenced.count) == (0, 0, 0)
    assert run.as_dict()["processing"] == {"count": 0, **dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms"))}


def test_flat_out_is_a_whole_conversation_in_audio_time() -> None:
    run = asyncio.run(flat_out(PeakVad(), a_line(), chunks=750))
    assert run.chunks == 750
    assert run.turns == 10  # one for each 1.5 s of the line
    assert run.as_dict()["cpu_us_per_chunk"] > 0


@pytest.mark.parametrize(
    ("line", "count", "seconds", "told"),
    [
        (a_line(), 0, 1.0, "0 sessions"),
        (a_line(), 1, 0.0, "0 s"),
        (a_line(0.1, 0.1), 1, 1.0, "at least 1 s"),
    ],
)
def test_sizes_out_of_range_are_refused(line: Line, count: int, seconds: float, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        asyncio.run(measure(PeakVad(), Work(line), sessions=count, seconds=seconds))
    with pytest.raises(ConfigError, match="0 chunks"):
        asyncio.run(flat_out(PeakVad(), a_line(), chunks=0))


def test_onsets_are_where_speech_follows_silence() -> None:
    tone = np.full(round(0.3 * RATE), 8000, np.int16)
    gap, breath = np.zeros(RATE // 2, np.int16), np.zeros(RATE // 10, np.int16)
    line = heard_line(np.concatenate([gap, tone, breath, tone, gap, tone]))
    assert line.onsets == (8000, 8000 + 2 * len(tone) + 1600 + 8000)
    assert heard_line(gap).onsets == ()


def test_giving_way_is_timed_from_the_decision_the_sample_and_the_onset() -> None:
    notes = Notes(counts=True)
    line = Line(bytes(2 * 2 * RATE), onsets=(4000, 20_000))
    watch = CallWatch(notes, line, begins=RATE)  # the onset at 20,000 is sample 4,000 of the session's input
    watch.start = time.perf_counter()
    watch._sounds = 0.0
    watch.event(AgentChanged(6400, 0.0, AgentState.DUCKED, AgentState.PAUSED, "speech"))
    watch.pause(3)
    assert notes.silenced[0] >= 0
    # 6,400 samples are 20 chunks: the last is due 0.38 s after the first, as its last sample is spoken.
    assert notes.onsets[0] - notes.yielded[0] == pytest.approx(0.38 - (4000 / RATE - FRAME))
    watch.event(Interrupted(7000, 0.0, 3, "words"))
    watch.flush(3)
    assert len(notes.silenced) == 1  # it was silent already
    watch.send(b"", 0, 3)
    watch.send(b"", 0, 4)
    assert (notes.frames_after, notes.interrupted) == (1, 1)


def test_speech_that_began_before_the_agent_did_is_no_labelled_barge_in() -> None:
    notes = Notes(counts=True)
    watch = CallWatch(notes, Line(bytes(2 * 2 * RATE), onsets=(4000,)))
    watch.start = time.perf_counter() - 1.0
    watch.send(b"", 0, 1)
    watch.event(AgentChanged(6400, 0.0, AgentState.DUCKED, AgentState.PAUSED, "speech"))
    watch.pause(1)
    assert (len(notes.silenced), len(notes.onsets)) == (1, 0)
    watch.resume(1)
    watch.send(b"", 0, 1)
    assert notes.frames_after == 0


def test_a_spread_of_nothing_has_no_figures() -> None:
    assert Spread.of([]).as_dict() == {"count": 0, **dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms"))}
    assert Spread.of([0.001, 0.002, 0.003]).as_dict()["p50_ms"] == 2.0


def test_private_memory_grows_with_what_is_held() -> None:
    before = private_bytes()
    with mmap.mmap(-1, 2**25) as held:  # numpy might be given memory that was freed, and never returned
        held.write(b"\1" * 2**25)
        assert private_bytes() - before > 30 * 2**20
    assert threads() >= 1
    with pytest.raises(ConfigError, match="only Linux"):
        private_bytes(0)


@pytest.mark.parametrize("warm", [0.0, 0.2])
def test_a_run_that_falls_hopelessly_behind_is_cut_short(warm: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "HOPELESS_S", -1.0)
    run = asyncio.run(measure(PeakVad(), Work(a_line()), sessions=2, seconds=600.0, warm=warm))
    assert (run.cut_short, run.kept_up, run.chunks) == (True, False, 2)
    assert run.seconds < 1
    assert run.lateness.count == 2
    assert run.as_dict()["cpu_us_per_chunk"] is None
