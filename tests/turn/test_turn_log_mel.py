import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.turn.log_mel import FRAMES, MELS, log_mel

POINTS = ((0, 0), (3, 560), (20, 600), (40, 700), (79, 799), (25, 795))

# From pipecat-ai 1.14.0, `compute_whisper_log_mel_features` on the same signal, padded in front or cut as it does.
EXPECTED = [
    (2.5, (-0.09347, 1.50729, 0.47584, 0.41168, 0.46642, 0.35894), 0.12848, 0.36583),
    (8.0, (0.36873, 0.34705, 0.35329, 0.28056, 0.34125, 0.23115), 0.48117, 0.28084),
    (11.0, (-0.15992, 0.35921, 0.36263, 0.28905, 0.34236, 0.30520), 0.46991, 0.26996),
]


def signal(seconds: float) -> NDArray[np.float32]:
    """A rising tone that comes and goes, in a noise that is plain arithmetic."""
    n = np.arange(int(seconds * 16000))
    time = n / 16000
    tone = np.sin(2 * np.pi * (200 * time + 90 * time * time)) * np.sin(2 * np.pi * 3 * time) ** 2
    return np.asarray(0.3 * tone + 0.05 * ((n * 7919 % 10007) / 10007 - 0.5), np.float32)


@pytest.mark.parametrize(("seconds", "values", "mean", "deviation"), EXPECTED)
def test_it_agrees_with_the_original(seconds: float, values: tuple[float, ...], mean: float, deviation: float) -> None:
    features = log_mel(signal(seconds))
    assert features.shape == (MELS, FRAMES)
    assert features.dtype == np.float32
    np.testing.assert_allclose([features[point] for point in POINTS], values, atol=1e-4)
    assert features.mean() == pytest.approx(mean, abs=1e-4)
    assert features.std() == pytest.approx(deviation, abs=1e-4)


@pytest.mark.parametrize("length", [1, 50, 199, 200, 201, 16000, 127_600, 127_800, 127_801, 127_999, 128_000])
def test_a_short_turn_is_the_same_as_one_with_silence_before_it(length: int) -> None:
    """The frames of the padding, computed once, are what they are when all are computed."""
    short = signal(8)[:length]
    padded = np.concatenate([np.zeros(128_000 - length, np.float32), short])
    assert np.array_equal(log_mel(short), log_mel(padded))


def test_only_the_last_eight_seconds_are_heard() -> None:
    long = signal(11)
    assert np.array_equal(log_mel(long), log_mel(long[-128_000:]))


def test_silence_gives_plain_numbers() -> None:
    assert np.isfinite(log_mel(np.zeros(4000, np.float32))).all()
