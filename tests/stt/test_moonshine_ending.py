from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.stt.moonshine_ending import MAX_ODDS, ending_features, ending_odds
from duologue.stt.moonshine_graphs import WIDTH


def states(seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=(2, WIDTH)) * scale).astype(np.float32)


def test_no_words_have_no_opinion() -> None:
    assert ending_odds("", states()) == 0.0


def test_the_opinion_is_bounded() -> None:
    found = [ending_odds("Yes.", states(seed, scale=1e3)) for seed in range(8)]
    assert set(found) == {-MAX_ODDS, MAX_ODDS}


def test_the_opinion_is_linear_in_the_states_within_its_bounds() -> None:
    some = states(scale=0.1)
    here, middle, there = (ending_odds("Yes.", some * np.float32(factor)) for factor in (0.0, 0.5, 1.0))
    assert len({here, middle, there}) == 3 or abs(here) == MAX_ODDS
    assert abs(there - middle) == pytest.approx(abs(middle - here), abs=1e-4) or MAX_ODDS in map(abs, (here, there))


@pytest.mark.parametrize(("words", "word_at"), [("Hello.", 0), ("Hello?", 0), ("Hello,", 0), ("Hello", 1)])
def test_the_last_word_is_read_where_the_step_after_it_chose_the_mark(words: str, word_at: int) -> None:
    some = states()
    features = ending_features(words, some)
    assert np.array_equal(features[:WIDTH], some[word_at])
    assert np.array_equal(features[WIDTH:], some[1])
