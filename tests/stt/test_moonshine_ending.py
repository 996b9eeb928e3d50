from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.stt.moonshine_ending import MAX_ODDS, ending_features, ending_odds, melody_features, sound_estimate
from duologue.stt.moonshine_graphs import HEAD_WIDTH, HEADS, LAYERS, WIDTH


def states(seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=(2, WIDTH)) * scale).astype(np.float32)


def sound(frames: int = 50, seed: int = 0, scale: float = 1.0) -> NDArray[np.float32]:
    """What the decoder reads of the sound."""
    shape = 2 * LAYERS, HEADS, frames, HEAD_WIDTH
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def test_no_words_have_no_opinion() -> None:
    assert ending_odds("", states()) == 0.0


def test_the_opinion_is_bounded() -> None:
    found = [ending_odds("Yes.", states(seed, scale=1e3)) for seed in range(8)]
    assert set(found) == {-MAX_ODDS, MAX_ODDS}


def test_the_opinion_is_linear_in_the_states_within_its_bounds() -> None:
    some = next(each for each in map(states, range(100)) if abs(ending_odds("Yes.", each)) < 2.0)
    nearby = states(seed=100, scale=0.01)
    here, middle, there = (ending_odds("Yes.", some + np.float32(factor) * nearby) for factor in (0.0, 0.5, 1.0))
    assert there != middle
    assert there - middle == pytest.approx(middle - here, abs=1e-4)


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_the_estimate_is_a_probability_that_is_never_certain() -> None:
    found = [odds(sound_estimate(sound(seed=seed, scale=1e3))) for seed in range(8)]
    assert found == [pytest.approx(math.copysign(MAX_ODDS, one)) for one in found]
    assert len({one > 0 for one in found}) == 2


def test_the_estimate_is_linear_in_what_was_heard_last() -> None:
    some = sound(scale=0.02)
    here, middle, there = (odds(sound_estimate(some * np.float32(factor))) for factor in (0.0, 0.5, 1.0))
    assert there != middle
    assert there - middle == pytest.approx(middle - here, abs=1e-4)


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 21, 22, 23, 200])
def test_melody_is_read_from_the_last_frames_however_few_there_are(frames: int) -> None:
    some = sound(frames)
    found = melody_features(some)
    heard = some[0].transpose(1, 0, 2).reshape(frames, WIDTH)
    assert found.shape == (2 * WIDTH,)
    assert np.allclose(found[:WIDTH], heard[-8:].mean(axis=0), atol=1e-5)
    assert np.allclose(found[WIDTH:], (heard[-22:-8] if frames > 8 else heard).mean(axis=0), atol=1e-5)
    longer = np.concatenate([sound(30, seed=9), some], axis=2)
    if frames >= 22:
        assert np.array_equal(melody_features(longer), found)


@pytest.mark.parametrize(("words", "word_at"), [("Hello.", 0), ("Hello?", 0), ("Hello,", 0), ("Hello", 1)])
def test_the_last_word_is_read_where_the_step_after_it_chose_the_mark(words: str, word_at: int) -> None:
    some = states()
    features = ending_features(words, some)
    assert np.array_equal(features[:WIDTH], some[word_at])
    assert np.array_equal(features[WIDTH:], some[1])
