"""The recent turns of a server, whatever the machine's clock does."""

from __future__ import annotations

from duologue.telemetry.turns import RecentTurns, merge_turns, summary


def test_turns_of_a_clock_that_was_ahead_are_forgotten() -> None:
    now = [1_000_000.0]
    turns = RecentTurns(lambda: now[0])
    now[0] += 7 * 86_400
    turns.note(9.0, {"turn": 2})
    now[0] -= 7 * 86_400
    turns.note(0.6, {"turn": 3})
    for state in (turns.state(), merge_turns([turns.state()], now[0])):
        shown = summary(state, now[0])
        assert (shown["turns"], [turn["turn"] for turn in shown["slowest"]]) == (1, [3])
    now[0] += 60
    turns.note(0.4, {"turn": 4})
    assert len(turns.state()["minutes"]) == 2
