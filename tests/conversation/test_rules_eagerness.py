"""Eagerness: a name or a price of cut-offs, and how long the rules wait by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import PLAIN, script

from duologue.conversation import events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.eagerness import NAMED, PRICES, Eagerness, wait_factor
from duologue.conversation.endpointing import wait
from duologue.errors import ConfigError


def test_medium_is_what_is_configured() -> None:
    assert wait_factor("medium") == 1.0
    assert NAMED["high"] < 1.0 < NAMED["low"]


@pytest.fixture(autouse=True)
def nothing_cached() -> None:
    """Each test computes its factors itself: those that random prices left in the cache would take no branch."""
    wait_factor.cache_clear()


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0))
@pytest.mark.no_cover
def test_the_dearer_a_cut_off_the_longer_the_wait(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert PRICES[0][1] <= wait_factor(low) <= wait_factor(high) <= PRICES[-1][1]


@pytest.mark.parametrize(("price", "factor"), [(0.01, 0.8), (100.0, 1.4)])
def test_prices_beyond_the_table_are_its_ends(price: float, factor: float) -> None:
    assert wait_factor(price) == factor


def test_a_price_between_two_of_the_table_is_interpolated() -> None:
    (low, below), (high, above) = PRICES[1:3]
    assert wait_factor((low + high) / 2) == pytest.approx((below + above) / 2)


@pytest.mark.parametrize(("price", "factor"), PRICES)
def test_prices_of_the_table(price: float, factor: float) -> None:
    assert wait_factor(price) == pytest.approx(factor)


@pytest.mark.parametrize("eagerness", ["hasty", 0.0, -1.0, float("nan")])
def test_what_cannot_be_is_refused(eagerness: Eagerness) -> None:
    with pytest.raises(ConfigError, match="eagerness"):
        ConversationConfig(endpointing=Endpointing(eagerness=eagerness))


@pytest.mark.parametrize("probability", [0.05, 0.4, 0.7, 0.95])
def test_all_waits_are_scaled(probability: float) -> None:
    plain, high = Endpointing(), Endpointing(eagerness="high")
    assert wait(probability, 1.0, high) == pytest.approx(NAMED["high"] * wait(probability, 1.0, plain))


def silence_before_the_decision(eagerness: Eagerness) -> float:
    s = script(ConversationConfig(endpointing=PLAIN))
    s.give(inputs.SettingsChanged(eagerness=eagerness))
    s.understand("I would like", probability=0.3)
    s.speech(1.0)
    began = s.pos
    while not s.of(events.TurnDecided):
        s.silence(0.032)
    return (s.pos - began) / 16_000


def test_a_call_is_changed_while_it_goes_on() -> None:
    times = [silence_before_the_decision(eagerness) for eagerness in ("high", "medium", "low")]
    assert times == sorted(times)
    assert len(set(times)) == 3
