"""Every sample is scored in order, or is inside exactly one gap; nothing is lost and nothing comes twice."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.conversation.inputs import Gap
from duologue.errors import ConfigError, InvalidStateError
from duologue.session.input_buffer import MAX_GAPS, InputBuffer

WINDOW = 4
MAX_LAG = 16


def hearing(max_bytes: int = 65_536, window: int = WINDOW, max_lag: int = MAX_LAG) -> InputBuffer:
    return InputBuffer(window=window, max_bytes=max_bytes, max_lag=max_lag)


def sound(start: int, samples: int) -> bytes:
    """Samples whose values are their positions."""
    return np.arange(start, start + samples).astype("<i2").tobytes()


def windows(h: InputBuffer) -> list[list[int]]:
    """All windows that can be read now."""
    read = []
    while h.window_ready():
        out = np.zeros(h._window, np.int16)
        h.read_window(out)
        read.append(out.tolist())
    return read


def gaps(h: InputBuffer) -> list[tuple[int, int, str]]:
    found = []
    while gap := h.next_gap():
        found.append((gap.start, gap.end, gap.reason))
    return found


def test_sound_is_read_in_whole_windows() -> None:
    h = hearing()
    assert not h.window_ready()
    h.write(sound(0, 3))
    assert not h.window_ready()
    h.write(sound(3, 7))
    assert windows(h) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert (h.position, h.end, h.lag) == (8, 10, 2)
    assert gaps(h) == []


def test_what_is_missing_is_a_gap_that_takes_the_broken_window_before_it() -> None:
    h = hearing()
    h.write(sound(0, 6))
    h.skip(10, "lost")
    h.write(sound(16, 4))
    assert gaps(h) == []  # a whole window comes before it
    assert windows(h) == [[0, 1, 2, 3]]
    assert gaps(h) == [(4, 16, "lost")]
    assert windows(h) == [[16, 17, 18, 19]]
    assert h.missing == 10


def test_gaps_of_one_reason_in_a_row_are_one() -> None:
    h = hearing()
    h.skip(3, "missing")
    h.skip(4, "missing")
    h.skip(5, "lost")
    h.skip(0, "lost")
    assert gaps(h) == [(0, 7, "missing"), (7, 12, "lost")]


def test_nothing_missing_is_no_gap() -> None:
    h = hearing()
    h.write(sound(0, 2))
    h.skip(0, "lost")
    h.write(sound(2, 2))
    assert (gaps(h), windows(h)) == ([], [[0, 1, 2, 3]])


def test_sound_that_waits_too_long_is_dropped_oldest_first_and_counted() -> None:
    h = hearing()
    assert h.write(sound(0, 16)) == 0
    assert h.write(sound(16, 3)) == 0  # less than a window may wait beside a chunk of the whole lag
    assert h.write(sound(19, 3)) == 6
    assert h.dropped == 6
    assert gaps(h) == [(0, 6, "dropped")]
    assert windows(h) == [list(range(i, i + 4)) for i in range(6, 22, 4)]


def test_a_chunk_that_is_too_long_by_itself_keeps_its_end() -> None:
    h = hearing()
    assert h.write(sound(0, 100)) == 84
    assert gaps(h) == [(0, 84, "dropped")]
    assert windows(h) == [list(range(i, i + 4)) for i in range(84, 100, 4)]


def test_what_never_came_does_not_count_as_waiting() -> None:
    h = hearing()
    h.write(sound(0, 8))
    h.skip(1000, "lost")
    assert h.write(sound(1008, 8)) == 0
    assert windows(h) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert gaps(h) == [(8, 1008, "lost")]
    assert windows(h) == [[1008, 1009, 1010, 1011], [1012, 1013, 1014, 1015]]
    assert h.dropped == 0


def test_dropping_goes_past_what_is_missing() -> None:
    h = hearing()
    h.write(sound(0, 6))
    h.skip(10, "lost")
    assert h.write(sound(16, 18)) == 8
    assert gaps(h) == [(0, 18, "dropped")]
    assert windows(h)[0] == [18, 19, 20, 21]
    assert (h.dropped, h.missing) == (8, 10)


def test_a_client_that_leaves_gap_after_gap_is_bounded() -> None:
    h = hearing(max_lag=1000)
    for _ in range(500):
        h.write(sound(h.end, 1))
        h.skip(2, "lost")
    assert len(h.gaps) <= MAX_GAPS
    assert h.dropped == 500 - MAX_GAPS
    assert gaps(h)[-1][1] == h.end == 1500
    h.write(sound(1500, 4))
    assert windows(h) == [[1500, 1501, 1502, 1503]]


def test_a_gap_has_no_negative_length() -> None:
    h = hearing()
    with pytest.raises(ConfigError, match="-1"):
        h.skip(-1, "lost")
    assert (h.end, h.missing, gaps(h)) == (0, 0, [])


def test_what_was_said_can_be_read_again_until_it_is_let_go() -> None:
    h = hearing()
    h.write(sound(0, 12))
    windows(h)
    assert h.read(2, 6).tolist() == [2, 3, 4, 5]
    h.discard(4)
    assert h.read(2, 6).tolist() == [4, 5]
    assert h.read(8, 20).tolist() == [8, 9, 10, 11]
    h.write(sound(12, 8))
    h.discard(1000)  # never what has not been scored
    assert windows(h) == [[12, 13, 14, 15], [16, 17, 18, 19]]
    with pytest.raises(InvalidStateError):
        h._ring.read(0, 4)


@dataclass
class Naive:
    """The same, a sample at a time: each is sound, or `missing`, or was `dropped`."""

    position: int = 0
    end: int = 0
    waiting: deque[str] = field(default_factory=deque)
    dropped: int = 0
    scored: list[int] = field(default_factory=list)
    in_gaps: set[int] = field(default_factory=set)

    def write(self, samples: int) -> None:
        self.waiting.extend(["sound"] * samples)
        self.end += samples
        excess = self.waiting.count("sound") - MAX_LAG
        if excess < WINDOW:
            return
        for i in range(len(self.waiting)):
            if excess > 0 and self.waiting[i] == "sound":
                self.waiting[i] = "dropped"
                self.dropped += 1
                excess -= 1

    def skip(self, samples: int) -> None:
        self.waiting.extend(["missing"] * samples)
        self.end += samples

    def step(self, most: int) -> None:
        for _ in range(most):
            head = [self.waiting[i] for i in range(min(WINDOW, len(self.waiting)))]
            if head != ["sound"] * WINDOW:
                break
            self.scored.extend(range(self.position, self.position + WINDOW))
            self.take(WINDOW)
        while any(self.waiting[i] != "sound" for i in range(min(WINDOW, len(self.waiting)))):
            while self.waiting[0] == "sound":
                self.lose()
            while self.waiting and self.waiting[0] != "sound":
                self.lose()

    def lose(self) -> None:
        self.in_gaps.add(self.position)
        self.take(1)

    def take(self, samples: int) -> None:
        for _ in range(samples):
            self.waiting.popleft()
        self.position += samples


def test_of_windows_and_gaps() -> None:
    naive = Naive()
    naive.write(6)
    naive.skip(3)
    naive.step(9)
    assert (naive.scored, naive.in_gaps) == ([0, 1, 2, 3], {4, 5, 6, 7, 8})


Step = tuple[str, int]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["missing", "lost"]), st.integers(0, 12)),
        st.tuples(st.just("step"), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=300, deadline=None)
@pytest.mark.no_cover
def test_every_sample_is_scored_once_or_in_one_gap(plan: list[Step]) -> None:
    h, naive = hearing(), Naive()
    scored: list[int] = []
    told: list[Gap] = []

    def step(most: int) -> None:
        for _ in range(most):
            if h.window_ready():
                out = np.zeros(WINDOW, np.int16)
                start = h.position
                h.read_window(out)
                assert out.tolist() == list(range(start, start + WINDOW))
                scored.extend(out.tolist())
        while gap := h.next_gap():
            told.append(gap)
            assert h.position == gap.end

    for name, n in plan:
        if name == "write":
            h.write(sound(h.end, n))
            naive.write(n)
        elif name == "step":
            step(n)
            naive.step(n)
        else:
            h.skip(n, name)
            naive.skip(n)
        h.discard(h.position)
        assert (h.position, h.end, h.dropped) == (naive.position, naive.end, naive.dropped)
        assert naive.waiting.count("sound") == h.waiting < MAX_LAG + WINDOW

    in_gaps = [p for gap in told for p in range(gap.start, gap.end)]
    assert scored == naive.scored
    assert set(in_gaps) == naive.in_gaps
    assert sorted(scored + in_gaps) == list(range(h.position))


def test_a_client_that_was_away_may_be_late_once() -> None:
    h = hearing()
    h.allow_lag(8)
    assert h.write(sound(0, MAX_LAG + 8)) == 0
    assert len(windows(h)) == (MAX_LAG + 8) // WINDOW
    assert h.write(sound(MAX_LAG + 8, MAX_LAG + 8)) == 8


def test_silence_that_was_scored_can_be_left_out_unless_a_gap_is_in_the_way() -> None:
    h = hearing()
    h.write(sound(0, 2 * WINDOW))
    windows(h)
    assert h.take_back(WINDOW)
    assert (h.position, h.end) == (WINDOW, WINDOW)
    h.skip(WINDOW, "lost")
    assert not h.take_back(WINDOW)
