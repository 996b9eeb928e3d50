"""One reply's sound goes out in order, frame by frame, a little ahead of what is heard and never more."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.format import FRAME
from duologue.session.playout import DUCKED, Playout

RATE = 1000
PER_FRAME = 20
LEAD = 0.06
AHEAD = 4
"""Frames that go out at once: those of the lead, and the one that sounds now."""


def pcm(start: int, samples: int) -> bytes:
    return np.arange(start + 1, start + samples + 1).astype("<i2").tobytes()


@dataclass
class Line:
    """A playout with a clock, and all that it sent."""

    playout: Playout = field(default_factory=lambda: Playout(RATE, lead=LEAD, max_ready=2.0))
    now: float = 100.0
    sent: list[int] = field(default_factory=list)
    """The samples, one after the other."""
    positions: list[int] = field(default_factory=list)
    finished: int = 0

    def begin(self, *, held: bool = False, seconds: float = 0.0, complete: bool = False) -> "Line":
        self.playout.begin(self.playout.generation + 1, held=held)
        if seconds:
            self.playout.add(pcm(0, round(seconds * RATE)))
        if complete:
            self.playout.finish()
        return self

    def pump(self, seconds: float = 0.0) -> int:
        """Let time pass in one piece; returns the frames that went out."""
        self.now += seconds
        before = len(self.positions)
        self.finished += self.playout.pump(self.now, self.send)
        return len(self.positions) - before

    def send(self, frame: bytes, position: int, generation: int) -> None:
        assert generation == self.playout.generation
        assert len(frame) == PER_FRAME * 2
        self.sent += np.frombuffer(frame, "<i2").tolist()
        self.positions.append(position)

    @property
    def played(self) -> float:
        return self.playout.played(self.now)


def test_the_lead_goes_out_at_once_and_then_a_frame_each_20_ms() -> None:
    line = Line().begin(seconds=1.0)
    assert line.pump() == AHEAD
    assert line.pump(0.01) == 0
    assert line.pump(0.01) == 1
    assert line.pump(0.1) == 5
    assert line.sent == list(range(1, 201))
    assert line.positions == list(range(0, 200, PER_FRAME))


def test_nothing_is_sent_before_there_is_sound() -> None:
    line = Line().begin()
    assert line.pump(1.0) == 0
    assert (line.playout.started, line.playout.starved, line.played) == (False, 0, 0.0)
    line.playout.add(pcm(0, 100))
    assert line.pump() == AHEAD


def test_a_reply_ends_when_all_of_it_was_heard() -> None:
    line = Line().begin(seconds=0.1, complete=True)
    assert line.pump() == AHEAD
    line.pump(0.02)
    assert (len(line.positions), line.finished) == (5, 0)
    line.pump(0.07)
    assert (line.finished, line.playout.active) == (0, True)
    line.pump(0.01)
    assert (line.finished, line.playout.active) == (1, False)
    assert line.played == pytest.approx(0.1)
    line.pump(1.0)
    assert line.finished == 1


def test_the_last_frame_is_filled_with_silence() -> None:
    line = Line().begin(complete=False)
    line.playout.add(pcm(0, 30))
    line.playout.finish()
    line.pump()
    assert line.sent == [*range(1, 31), *[0] * 10]


def test_what_was_ready_and_went_out_too_late_is_counted() -> None:
    line = Line().begin(seconds=1.0)
    line.pump()
    line.pump(0.08)  # the lead has just been heard
    assert (line.playout.late, len(line.positions)) == (0, 8)
    line.pump(0.15)
    assert (line.playout.late, line.playout.starved) == (3, 0)


def test_half_a_frame_waits_for_the_rest() -> None:
    line = Line().begin()
    line.playout.add(pcm(0, 30))
    assert line.pump() == 1
    assert line.playout.needs_audio
    line.playout.add(pcm(30, 10))
    assert line.pump() == 1
    assert line.sent == list(range(1, 41))
    assert line.playout.starved == 0


def test_sound_that_comes_in_small_pieces_builds_up_the_lead() -> None:
    line = Line().begin()
    for i in range(10):
        line.playout.add(pcm(i * 20, 20))
        line.pump(0.005)
    assert line.playout.starved == 0
    assert len(line.positions) == 6  # 45 ms after the first


def test_positions_go_on_from_reply_to_reply() -> None:
    line = Line().begin(seconds=0.04, complete=True)
    line.pump()
    line.pump(1.0)
    line.begin(seconds=0.04)
    line.pump()
    assert line.positions == [0, 20, 40, 60]
    assert (line.playout.began, line.playout.position) == (40, 80)


def test_a_held_reply_sounds_when_it_is_committed() -> None:
    line = Line().begin(held=True, seconds=1.0)
    assert line.pump(5.0) == 0
    assert not line.playout.needs_audio
    line.playout.commit()
    assert line.pump() == AHEAD
    assert line.playout.starved == 0


def test_a_pause_stops_at_once_and_goes_on_where_it_was() -> None:
    line = Line().begin(seconds=1.0)
    line.pump()
    line.pump(0.1)
    heard = line.played
    line.playout.pause(line.now)
    assert line.pump(3.0) == 0
    assert line.played == pytest.approx(heard)
    line.playout.resume(line.now)
    assert line.pump() == 0
    assert line.pump(0.02) == 1
    assert line.sent == list(range(1, len(line.sent) + 1))
    assert line.played == pytest.approx(heard + 0.02)


def test_ducked_sound_is_softer_until_it_is_not() -> None:
    line = Line().begin()
    line.playout.add(np.full(1000, 1000, "<i2").tobytes())
    line.pump()
    line.playout.duck(True)
    line.pump(0.02)
    line.playout.duck(False)
    line.pump(0.02)
    assert [line.sent[i] for i in (0, 79, 80, 99, 100, 119)] == [1000, 1000, 1000 * DUCKED, 1000 * DUCKED, 1000, 1000]


def test_after_a_pause_sound_has_its_full_level() -> None:
    line = Line().begin()
    line.playout.add(np.full(1000, 1000, "<i2").tobytes())
    line.playout.duck(True)
    line.pump()
    line.playout.pause(line.now)
    line.playout.resume(line.now)
    line.pump(0.02)
    assert (line.sent[0], line.sent[-1]) == (1000 * DUCKED, 1000)


def test_frames_that_are_owed_and_not_there_are_counted_once_each() -> None:
    line = Line().begin(seconds=0.1)
    line.pump()
    line.pump(0.02)
    line.pump(0.07)
    assert line.playout.starved == 0  # the lead bridges it
    line.pump(0.01)
    assert line.playout.starved == 1
    line.pump(0.06)
    assert line.playout.starved == 4
    assert line.played == pytest.approx(0.1, abs=0.021)
    line.playout.add(pcm(100, 100))
    assert line.pump(0.01) == 3  # the lead, again
    assert line.pump(0.02) == 1
    assert line.playout.starved == 4
    assert line.sent == list(range(1, 181))


def test_what_is_complete_is_not_starved() -> None:
    line = Line().begin(seconds=0.1, complete=True)
    line.pump()
    line.pump(5.0)
    assert line.playout.starved == 0


def test_what_was_dropped_is_never_sent() -> None:
    line = Line().begin(seconds=1.0)
    line.pump()
    line.playout.drop()
    assert line.pump(1.0) == 0
    line.begin()
    line.playout.add(pcm(500, 100))
    line.pump()
    assert line.sent == [*range(1, 81), *range(501, 581)]


def test_a_reply_that_is_dropped_by_what_it_sent_sends_no_more_and_does_not_finish() -> None:
    line = Line().begin(seconds=1.0, complete=True)
    line.pump()

    def send(frame: bytes, position: int, generation: int) -> None:
        line.send(frame, position, generation)
        if position == 100:
            line.playout.drop()

    assert not line.playout.pump(line.now + 5.0, send)
    assert line.positions == [0, 20, 40, 60, 80, 100]


@pytest.mark.parametrize(("mark", "heard"), [(None, 0.1), (0, 0.0), (40, 0.0), (85, 0.045), (1000, 0.18)])
def test_what_was_heard_is_the_least_of_what_was_sent_and_the_mark(mark: int | None, heard: float) -> None:
    line = Line().begin(seconds=0.04, complete=True)
    line.pump()
    line.pump(1.0)
    line.begin(seconds=1.0)
    line.pump()
    line.pump(0.1)
    assert (line.playout.began, line.playout.position) == (40, 40 + 180)
    if mark is not None:
        line.playout.marked(mark, line.now)
    assert line.played == pytest.approx(heard)


async def wait_for_room(playout: Playout) -> None:
    async with asyncio.timeout(10):
        await playout.room()


@pytest.mark.anyio
async def test_there_is_no_room_beyond_the_limit_until_half_of_it_was_sent() -> None:
    line = Line().begin(seconds=1.98)
    await wait_for_room(line.playout)
    line.playout.add(pcm(1980, 40))
    waiting = asyncio.create_task(wait_for_room(line.playout))
    line.pump()
    line.pump(0.9)
    await asyncio.sleep(0)
    assert not waiting.done()
    line.pump(0.06)
    await waiting


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["drop", "begin"])
async def test_who_waits_for_room_is_let_go_when_the_reply_is(end: str) -> None:
    line = Line().begin(seconds=3.0)
    waiting = asyncio.create_task(wait_for_room(line.playout))
    await asyncio.sleep(0)
    assert not waiting.done()
    if end == "drop":
        line.playout.drop()
    else:
        line.begin()
    await waiting


Step = tuple[str, int]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 90)),
        st.tuples(st.just("pass"), st.integers(0, 120)),  # milliseconds
        st.tuples(st.sampled_from(["pause", "resume", "duck", "unduck", "commit", "finish"]), st.just(0)),
    ),
    max_size=40,
)


@given(st.booleans(), steps)
@settings(max_examples=300, deadline=None)
@pytest.mark.no_cover
def test_every_sample_is_sent_once_in_order_and_never_too_far_ahead(held: bool, plan: list[Step]) -> None:
    line = Line().begin(held=held)
    added = 0
    sounding = 0.0  # seconds since the first frame, without pauses
    paused = finished = False
    for name, n in plan:
        match name:
            case "add" if not finished:
                line.playout.add(np.full(n, 1000, "<i2").tobytes())
                added += n
            case "pass":
                if line.playout.started and not paused:
                    sounding += n / 1000
                line.pump(n / 1000)
            case "pause" if not paused and line.playout.started:
                line.playout.pause(line.now)
                paused = True
            case "resume" if paused:
                line.playout.resume(line.now)
                paused = False
            case "duck" | "unduck":
                line.playout.duck(name == "duck")
            case "commit":
                line.playout.commit()
                held = False
            case "finish":
                line.playout.finish()
                finished = True
            case _:
                pass
        sent = len(line.positions) * FRAME
        assert line.positions == list(range(0, len(line.positions) * PER_FRAME, PER_FRAME))
        assert sent <= sounding + LEAD + FRAME + 1e-6
        assert 0 <= line.played <= min(sent, sounding) + 1e-6
        assert not (held and line.sent)
    # Whatever happened, all that was added comes out, and nothing else but the filling of the last frame.
    line.playout.commit()
    line.playout.finish()
    if paused:
        line.playout.resume(line.now)
    for _ in range(added // PER_FRAME + 10):
        line.pump(FRAME)
    heard = [sample for sample in line.sent if sample]
    assert len(heard) == added
    assert set(heard) <= {1000, int(1000 * DUCKED)}
    assert line.finished == (1 if added else 0)
    if added:
        assert line.played == pytest.approx(len(line.positions) * FRAME)


def test_while_it_is_suspended_nothing_is_sent_and_no_time_passes() -> None:
    line = Line().begin(seconds=1.0, complete=True)
    assert line.pump() == AHEAD
    line.now += 0.02
    heard = line.played
    line.playout.suspend(line.now)
    since = line.now
    assert line.pump(10.0) == 0
    assert line.played == pytest.approx(heard)
    line.playout.unsuspend(since, line.now)
    assert line.pump() == 1
    assert line.played == pytest.approx(heard)


def test_a_reply_that_begins_while_it_is_suspended_sounds_afterwards() -> None:
    line = Line().begin(seconds=0.1, complete=True)
    line.playout.suspend(line.now)
    assert line.pump(1.0) == 0
    line.playout.pause(line.now)
    line.playout.resume(line.now)
    line.playout.unsuspend(line.now - 1.0, line.now)
    assert line.pump() == AHEAD


def test_a_sink_that_cannot_pause_is_sent_nothing_again_of_what_was_heard() -> None:
    line = Line(Playout(RATE, lead=LEAD, max_ready=2.0, replays=True)).begin(seconds=0.04, complete=True)
    line.pump()
    line.now += 0.04
    line.playout.pause(line.now)
    line.playout.resume(line.now)
    line.pump()
    assert line.sent == list(range(1, 41))
