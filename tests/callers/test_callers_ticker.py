"""The one clock of all callers, on a loop whose time a test moves."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from duologue.audio.format import FRAME
from duologue.callers.ticker import SLOTS, Ticker


class Loop:
    """A time that is set, and the one timer."""

    def __init__(self) -> None:
        self.now = 10.0
        self.due = 0.0
        self.callback: Callable[[], Any] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], Any], /) -> "Loop":
        self.due, self.callback = when, callback
        return self

    def cancel(self) -> None:
        self.callback = None

    def wake(self, late: float = 0.0) -> None:
        assert self.callback is not None
        self.now = self.due + late
        self.callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_callers_are_spread_over_the_frame_and_each_ticks_every_20_ms(loop: Loop) -> None:
    ticker = Ticker(loop)
    ticks: dict[int, list[float]] = {number: [] for number in range(25)}
    for times in ticks.values():
        ticker.join(times.append)
    ticker.start()
    for _ in range(10 * SLOTS):
        loop.wake()
    begins = sorted(round(times[0] - 10.0, 4) for times in ticks.values())
    assert len(set(begins)) == SLOTS
    assert begins[-1] < FRAME
    for times in ticks.values():
        assert [b - a for a, b in pairwise(times)] == pytest.approx([FRAME] * (len(times) - 1))
    assert max(ticker.lateness) == pytest.approx(0.0, abs=1e-6)


def test_what_was_missed_is_made_up_for_and_how_late_it_was_is_known(loop: Loop) -> None:
    ticker = Ticker(loop)
    times: list[float] = []
    ticker.join(times.append)
    ticker.start()
    while len(times) < 3:
        loop.wake()
    while len(times) < 4:
        loop.wake(late=0.1)
    assert len(times) >= 8
    assert [b - a for a, b in pairwise(times)] == pytest.approx([FRAME] * (len(times) - 1))
    assert max(ticker.lateness) == pytest.approx(0.1, abs=1e-3)


def test_a_caller_that_breaks_stops_the_clock_and_it_is_known_why(loop: Loop) -> None:
    def broken(_: float) -> None:
        raise KeyError("no sound for this")

    ticker = Ticker(loop)
    ticker.join(broken)
    ticker.start()
    assert isinstance(ticker.failure, KeyError)
    assert loop.callback is None


def test_who_has_left_ticks_no_more(loop: Loop) -> None:
    ticker = Ticker(loop)
    times: list[float] = []
    ticker.join(times.append)
    ticker.start()
    ticker.leave(times.append)
    for _ in range(20):
        loop.wake()
    assert len(times) <= 1
    ticker.stop()
    assert loop.callback is None
