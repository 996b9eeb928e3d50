from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio.ring import Ring
from duologue.errors import ConfigError, InvalidAudioError, InvalidStateError, OverloadedError


def ramp(start: int, n: int) -> bytes:
    return np.arange(start, start + n).astype("<i2").tobytes()


class NaiveRing:
    """The same with a list of samples; a gap is a list of one length, and counts as 64 samples."""

    def __init__(self, max_samples: int) -> None:
        self.max = max_samples
        self.items: deque[int | list[int]] = deque()
        self.first = self.dropped = self.skipped = 0

    @property
    def cost(self) -> int:
        return sum(64 if isinstance(item, list) else 1 for item in self.items)

    @property
    def samples(self) -> list[int]:
        flat: list[int] = []
        for item in self.items:
            flat.extend([0] * item[0] if isinstance(item, list) else [item])
        return flat

    def trim(self) -> None:
        cost = self.cost
        while cost > self.max:
            item = self.items.popleft()
            if isinstance(item, list):
                self.first += item[0]
                cost -= 64
            else:
                self.first += 1
                self.dropped += 1
                cost -= 1

    def write(self, samples: list[int]) -> None:
        self.items.extend(samples)
        self.trim()

    def skip(self, n: int) -> None:
        self.skipped += n
        if self.items and isinstance(last := self.items[-1], list):
            last[0] += n
        elif n:
            self.items.append([n])
            self.trim()

    def discard(self, before: int) -> None:
        while self.first < before:
            item = self.items[0]
            if isinstance(item, list):
                gone = min(item[0], before - self.first)
                item[0] -= gone
                self.first += gone
                if item[0]:
                    continue
            else:
                self.first += 1
            self.items.popleft()

    def clear(self) -> None:
        self.first += len(self.samples)
        self.items.clear()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "skip", "discard", "clear"]),
        st.one_of(st.integers(0, 400), st.integers(0, 3000)),
        st.floats(0, 1),
        st.floats(0, 1),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([256, 258, 1000, 4096, 20000]), STEPS)
def test_it_is_a_list_of_samples(max_bytes: int, steps: list[tuple[str, int, float, float]]) -> None:
    ring, naive = Ring(max_bytes), NaiveRing(max_bytes // 2)
    value = 1
    for what, n, where, much in steps:
        if what == "write":
            chunk = [(value + i) % 30000 for i in range(n)]
            value += n
            assert ring.write(np.array(chunk, "<i2").tobytes()) == ring.end
            naive.write(chunk)
        elif what == "skip":
            assert ring.skip(n) == ring.end
            naive.skip(n)
        elif what == "discard":
            before = ring.first + int(where * len(ring))
            ring.discard(before)
            naive.discard(before)
        elif where < 0.2:
            ring.clear()
            naive.clear()
        held = naive.samples
        assert (ring.first, len(ring)) == (naive.first, len(held))
        assert (ring.dropped, ring.skipped) == (naive.dropped, naive.skipped)
        assert ring.held_bytes == 2 * naive.cost <= max_bytes
        assert ring.allocated_bytes <= max_bytes
        start = int(where * len(held))
        n_read = min(int(much * (len(held) - start)), max_bytes // 2)
        expected = held[start : start + n_read]
        assert ring.read(ring.first + start, ring.first + start + n_read).tolist() == expected
        row = np.full(n_read, -1, np.int16)
        ring.copy_into(ring.first + start, row)
        assert row.tolist() == expected


def test_positions_count_from_the_start() -> None:
    ring = Ring(4096)
    assert (ring.first, ring.end, len(ring)) == (0, 0, 0)
    assert ring.write(ramp(0, 320)) == 320
    assert ring.write(ramp(320, 320)) == 640
    assert ring.read(300, 340).tolist() == list(range(300, 340))


def test_a_batch_row_is_filled_in_place() -> None:
    ring = Ring(4096)
    ring.write(ramp(0, 1000))
    batch = np.zeros((3, 512), np.int16)
    ring.copy_into(100, batch[1])
    assert batch[1].tolist() == list(range(100, 612))
    assert not batch[[0, 2]].any()


def test_a_copy_is_a_copy() -> None:
    ring = Ring(4096)
    ring.write(ramp(0, 10))
    ring.read(0, 10)[:] = 99
    assert ring.read(0, 10).tolist() == list(range(10))


def test_the_oldest_goes_when_it_is_full() -> None:
    ring = Ring(2000)
    ring.write(ramp(0, 900))
    ring.write(ramp(900, 200))
    assert (ring.first, ring.end, ring.dropped) == (100, 1100, 100)
    assert ring.read(100, 1100).tolist() == list(range(100, 1100))


def test_a_chunk_longer_than_the_ring_leaves_its_end() -> None:
    ring = Ring(2000)
    ring.write(ramp(0, 10))
    ring.write(ramp(10, 5000))
    assert (ring.first, ring.end, ring.dropped) == (4010, 5010, 4010)
    assert ring.read(4010, 5010).tolist() == list(range(4010, 5010))


def test_a_caller_may_refuse_to_drop() -> None:
    ring = Ring(2000)
    ring.write(ramp(0, 900))
    with pytest.raises(OverloadedError, match="room for 100 of 1000"):
        ring.write(ramp(900, 101), drop_oldest=False)
    assert (ring.first, ring.end, ring.dropped) == (0, 900, 0)
    assert ring.write(ramp(900, 100), drop_oldest=False) == 1000


def test_an_hour_of_nothing_costs_nothing() -> None:
    ring = Ring(65536)
    ring.write(ramp(1, 300))
    ring.skip(3600 * 16000)
    ring.write(ramp(500, 300))
    assert ring.held_bytes == 2 * 600 + 128
    assert ring.allocated_bytes == 4096
    assert ring.read(290, 310).tolist() == [*range(291, 301), *[0] * 10]
    back = 300 + 3600 * 16000
    assert ring.read(back - 2, back + 2).tolist() == [0, 0, 500, 501]
    with pytest.raises(InvalidStateError, match="at once"):
        ring.read(0, ring.end)


def test_gaps_that_touch_are_one() -> None:
    ring = Ring(1000)
    assert ring.skip(0) == 0
    for _ in range(100):
        ring.skip(3200)
    assert ring.held_bytes == 128
    assert (ring.first, ring.end, ring.skipped) == (0, 320000, 320000)


def test_gaps_without_end_are_bounded() -> None:
    ring = Ring(4096)
    for _ in range(1000):
        ring.skip(10)
        ring.write(ramp(7, 1))
    assert ring.held_bytes <= 4096
    assert ring.read(ring.end - 12, ring.end).tolist() == [7, *[0] * 10, 7]


def test_memory_follows_what_is_held() -> None:
    ring = Ring(1 << 20)
    assert ring.allocated_bytes == 0
    ring.write(bytes(640))
    assert ring.allocated_bytes == 4096
    for _ in range(1000):
        ring.write(bytes(640))
    assert ring.allocated_bytes == 1 << 20
    for position in range(0, ring.end, 512):
        ring.discard(position)
    assert ring.allocated_bytes == 4096
    ring.clear()
    assert ring.allocated_bytes == 0
    assert ring.first == ring.end == 320320


def test_only_what_is_held_can_be_read() -> None:
    ring = Ring(4096)
    ring.write(ramp(0, 100))
    ring.discard(10)
    row = np.full(20, -1, np.int16)
    for start in (5, 90, -20, 200):
        with pytest.raises(InvalidStateError, match="holds 10 to 100"):
            ring.copy_into(start, row)
        with pytest.raises(InvalidStateError, match="holds 10 to 100"):
            ring.read(start, start + 20)
    assert (row == -1).all()
    assert ring.read(50, 50).tolist() == []


def test_discard_goes_forward_only() -> None:
    ring = Ring(4096)
    ring.write(ramp(0, 100))
    ring.discard(40)
    ring.discard(10)
    assert ring.first == 40
    with pytest.raises(InvalidStateError, match="has not come yet"):
        ring.discard(101)


def test_any_bytes_like_object_can_be_written() -> None:
    ring = Ring(4096)
    for chunk in (ramp(0, 2), bytearray(ramp(2, 2)), memoryview(ramp(4, 2)), memoryview(ramp(6, 2)).cast("h")):
        ring.write(chunk)
    assert ring.write(b"") == 8
    assert ring.read(0, 8).tolist() == list(range(8))


def test_bad_input_is_refused() -> None:
    ring = Ring(4096)
    for odd in (b"123", memoryview(b"123")):
        with pytest.raises(InvalidAudioError, match="3 bytes are not whole samples"):
            ring.write(odd)
    with pytest.raises(ConfigError, match="0 samples or more"):
        ring.skip(-1)
    for size in (0, -1, 255):
        with pytest.raises(ConfigError, match="256 bytes or more"):
            Ring(size)
    assert ring.end == 0


def test_what_is_held_can_be_replaced() -> None:
    ring = Ring(65_536)
    ring.write(np.arange(3000, dtype=np.int16).tobytes())
    ring.skip(100)
    ring.write(np.arange(1000, dtype=np.int16).tobytes())
    ring.replace(2900, np.full(100, 7, np.int16))
    ring.replace(3100, np.full(50, 8, np.int16))
    held = ring.read(2899, 3152)
    assert held[[0, 1, 100]].tolist() == [2899, 7, 7]
    assert not held[101:201].any()
    assert held[201:].tolist() == [8] * 50 + [50, 51]


def test_what_is_replaced_may_go_round_the_end() -> None:
    ring = Ring(8_192)
    for _ in range(5):
        ring.write(np.zeros(1500, np.int16).tobytes())
    for start in range(ring.first, ring.end - 500, 500):
        ring.replace(start, np.full(500, start, np.int16))
        assert ring.read(start, start + 500).tolist() == [start] * 500


@pytest.mark.parametrize("start", [-1, 2950, 3050, 3150])
def test_what_is_not_held_cannot_be_replaced(start: int) -> None:
    ring = Ring(65_536)
    ring.write(bytes(6000))
    ring.skip(100)
    ring.write(bytes(200))
    with pytest.raises(InvalidStateError, match="cannot be replaced"):
        ring.replace(start, np.zeros(100, np.int16))
