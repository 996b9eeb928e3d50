"""What the agent did is held against the label, and counted for whom it belongs to."""

from pathlib import Path
from typing import Any, Literal

import pytest

from duologue_bench.barge_in import Echo
from duologue_bench.corpus import BargeIn, Sound
from duologue_bench.yield_figures import figures, group, summary, yield_latency
from duologue_bench.yielding import Moment, Outcome, judge

Kind = Literal["barge_in", "backchannel", "noise", "nothing"]
NOWHERE = Sound(Path("nowhere.npy"), 0, 0)
ECHO = Echo(-20, 0.12, 0.2)


def item(kind: Kind = "barge_in", name: str = "a") -> BargeIn:
    onset, end = (0.0, 0.0) if kind == "nothing" else (2.0, 3.0)
    return BargeIn(name, "dev", kind, "Stop.", onset, end, "Well.", NOWHERE, NOWHERE, 1)


def outcome(*moments: tuple[Any, float], kind: Kind = "barge_in", name: str = "a", echo: Echo | None = None) -> Outcome:
    return judge(item(kind, name), [Moment(what, at, "with_cause") for what, at in moments], echo)


def test_an_interruption_is_timed_from_its_label() -> None:
    o = outcome(("ducked", 2.06), ("paused", 2.12), ("interrupted", 2.9))
    assert o.ducked_s == pytest.approx(0.06)
    assert o.yielded_s == pytest.approx(0.12)
    assert o.taken
    assert not o.spoilt
    assert (len(o.users), o.own) == (1, ())


def test_words_that_interrupt_a_ducked_agent_silence_it() -> None:
    o = outcome(("ducked", 2.06), ("interrupted", 3.5))
    assert o.yielded_s == pytest.approx(1.5)
    assert o.users[0].reason == "with_cause"


def test_what_happens_while_the_user_is_silent_is_the_agents_own() -> None:
    o = outcome(("ducked", 0.9), ("paused", 1.0), ("resumed", 1.5), ("paused", 2.1), ("interrupted", 2.8))
    assert [y.at_s for y in o.own] == [1.0]
    assert [y.at_s for y in o.users] == [2.1]
    assert o.own_ducks == 1
    assert not o.spoilt
    assert outcome(("paused", 1.0), ("interrupted", 1.4)).spoilt
    assert outcome(("paused", 2.1), ("resumed", 2.5), ("paused", 4.0)).own[0].at_s == 4.0
    assert outcome(("paused", 0.2), kind="nothing").own[0].at_s == 0.2


def test_an_agent_that_went_on_was_not_silenced_later() -> None:
    o = outcome(("paused", 2.1), ("resumed", 2.7), ("interrupted", 3.1), kind="backchannel")
    assert o.taken
    assert [y.taken for y in o.users] == [False, True]


def test_an_agent_that_never_yields() -> None:
    o = outcome()
    assert (o.ducked_s, o.yielded_s, o.taken) == (None, None, False)


def test_figures() -> None:
    told = [
        outcome(("ducked", 2.05), ("paused", 2.1), ("interrupted", 2.9), name="a"),
        outcome(("ducked", 2.05), ("paused", 2.2), ("interrupted", 2.9), name="b"),
        outcome(name="c"),
        outcome(("paused", 1.0), ("interrupted", 1.4), name="d"),
        outcome(("paused", 2.1), ("resumed", 2.6), kind="backchannel", name="e"),
        outcome(("paused", 2.1), ("interrupted", 2.6), kind="backchannel", name="f"),
        outcome(kind="noise", name="g"),
        outcome(("ducked", 0.5), kind="nothing", name="h"),
    ]
    f = figures(told)
    assert f["plays"] == 8
    assert f["onset_to_paused_s"]["p50"]["value"] == pytest.approx(0.2)
    assert f["onset_to_paused_s"]["p95"]["value"] is None  # one was never yielded to
    assert f["onset_to_ducked_s"]["p50"]["value"] == pytest.approx(0.05)
    assert f["missed"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert f["self_interrupted"]["paused"]["value"] == pytest.approx(1 / 8)
    assert f["self_interrupted"]["user_silent_paused"] == {"value": 0.0, "low": 0.0, "high": 0.0, "count": 1}
    assert f["self_interrupted"]["ducked_times_a_play"] == pytest.approx(1 / 8)
    assert f["backchannels"]["paused"]["value"] == 1.0
    assert f["backchannels"]["floor_taken"]["value"] == 0.5
    assert f["noises"]["floor_taken"]["value"] == 0.0
    assert f["resumed_after_s"]["p50"]["value"] == pytest.approx(0.5)
    assert yield_latency(told, 0.5).count == 3


def test_groups_are_by_level() -> None:
    told = [outcome(), outcome(echo=ECHO), outcome(("paused", 1.0), echo=Echo(-10, 0.3, 0.4))]
    assert list(summary(told)) == ["none", "-10", "-20", "echo"]
    assert [len(group(told, name)) for name in ("none", "-10", "-20", "-30", "echo")] == [1, 1, 1, 0, 2]
    by_delay = summary(told)["echo"]["self_interrupted"]["by_delay_paused"]
    assert {delay: share["value"] for delay, share in by_delay.items()} == {"0.1": 0.0, "0.3": 1.0}
