import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal
from duologue_bench.corpus.gate import audible, stretches

TWO_MS = RATE // 500 + RATE // 400


def voiced(seconds: float) -> Signal:
    n = round(seconds * RATE)
    return 0.2 * np.random.RandomState(n).standard_normal(n)


def silence(seconds: float) -> Signal:
    return np.zeros(round(seconds * RATE))


def test_edges_are_true_to_two_milliseconds() -> None:
    signal = np.concatenate([silence(0.5), voiced(1.0), silence(0.3), voiced(0.4), silence(1.0)])
    found = stretches(signal)
    wanted = [(0.5, 1.5), (1.8, 2.2)]
    assert len(found) == 2
    for (start, end), (start_s, end_s) in zip(found, wanted, strict=True):
        assert abs(start - start_s * RATE) <= TWO_MS
        assert abs(end - end_s * RATE) <= TWO_MS


@pytest.mark.parametrize(("gap", "count"), [(0.18, 1), (0.22, 2)])
def test_silence_of_200_ms_is_a_pause(gap: float, count: int) -> None:
    assert len(stretches(np.concatenate([voiced(0.5), silence(gap), voiced(0.5)]))) == count


def test_labels_do_not_depend_on_the_level() -> None:
    signal = np.concatenate([silence(0.2), voiced(0.7), silence(0.4), voiced(0.2), silence(0.3)])
    assert stretches(signal) == stretches(signal * 0.01)


def test_noise_rumble_and_clicks_are_not_speech() -> None:
    signal = np.concatenate([silence(0.5), voiced(1.0), silence(1.0)])
    times = np.arange(len(signal)) / RATE
    noisy = (
        signal + 0.001 * np.random.RandomState(1).standard_normal(len(signal)) + 0.05 * np.sin(2 * np.pi * 30 * times)
    )
    noisy[30_000:30_200] += 0.1
    (found,) = stretches(noisy)
    assert abs(found[0] - 0.5 * RATE) <= 2 * TWO_MS
    assert abs(found[1] - 1.5 * RATE) <= 2 * TWO_MS


def test_silence_has_no_speech() -> None:
    assert stretches(silence(1.0)) == []
    assert not audible(silence(1.0)).any()
