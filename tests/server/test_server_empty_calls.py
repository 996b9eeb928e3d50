"""Short calls without a turn do not fill the log, and no other call is missing from it."""

from __future__ import annotations

import logging

import pytest

from duologue.agent import CallInfo
from duologue.conversation import events
from duologue.conversation.state import CallState
from duologue.server.call_log import CallCounters, CallFollower
from duologue.server.empty_calls import AT_FIRST, MAX_ADDRESSES, SHORT, WINDOW, EmptyCalls
from duologue.session import CallRecord


def test_the_first_of_a_flood_are_shown_and_the_next_minute_says_how_many_were_not() -> None:
    calls = EmptyCalls()
    shown = [calls.end("10.0.0.1", 0.1, 0, now=i * 0.01) for i in range(1000)]
    assert [is_shown for is_shown, _ in shown] == [True] * AT_FIRST + [False] * (1000 - AT_FIRST)
    assert calls.is_flooding("10.0.0.1", 10.0)
    assert not calls.is_flooding("10.0.0.2", 10.0)
    assert not calls.is_flooding("10.0.0.1", WINDOW)
    assert calls.end("10.0.0.1", 0.1, 0, now=WINDOW) == (True, 1000 - AT_FIRST)
    assert calls.end("10.0.0.1", 0.1, 0, now=WINDOW) == (True, 0)


def test_a_call_with_a_turn_and_a_long_one_are_always_shown() -> None:
    calls = EmptyCalls()
    for _ in range(2 * AT_FIRST):
        calls.end("10.0.0.1", 0.1, 0, now=0.0)
    assert calls.end("10.0.0.1", 0.1, 1, now=1.0) == (True, 0)
    assert calls.end("10.0.0.1", SHORT, 0, now=1.0) == (True, 0)
    assert calls.end("10.0.0.1", 0.1, 0, now=1.0) == (False, 0)


def test_as_many_addresses_are_remembered_and_the_oldest_goes() -> None:
    calls = EmptyCalls()
    for i in range(MAX_ADDRESSES + 1):
        for _ in range(AT_FIRST):
            calls.end(f"10.0.{i >> 8}.{i & 255}", 0.1, 0, now=0.0)
    assert not calls.is_flooding("10.0.0.0", 1.0)
    assert calls.is_flooding("10.0.1.0", 1.0)


def test_the_log_of_a_flood_is_short_and_all_of_it_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duologue.calls")
    counters = CallCounters()
    for i in range(500):
        follower = CallFollower(
            CallInfo(id=f"c{i}", client="10.0.0.1"), CallRecord(f"c{i}"), counters, {}, log_words=False
        )
        follower.follow(events.CallChanged(0, 0.0, CallState.LIVE, "start"))
        follower.end("connection_lost")
    assert len(caplog.records) == 2 * AT_FIRST
    assert (counters.started, counters.ended, counters.by_reason) == (500, 500, {"connection_lost": 500})
