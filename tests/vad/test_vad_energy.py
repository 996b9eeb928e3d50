import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import InvalidAudioError, InvalidStateError, OverloadedError
from duologue.vad import VoiceActivityDetector
from duologue.vad.energy import Energy

SECOND = 31  # windows


def run(detector: VoiceActivityDetector, row: int, samples: NDArray[np.floating]) -> NDArray[np.bool_]:
    windows = samples[: len(samples) // 512 * 512].clip(-32768, 32767).astype(np.int16).reshape(-1, 512)
    return np.array([detector.score(np.array([row]), window[None])[0] for window in windows]) > 0.5


def speech_in(samples: NDArray[np.floating]) -> NDArray[np.bool_]:
    detector = Energy()
    return run(detector, detector.open(), samples)


def noise(seconds: float, rms: float, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(int(seconds * 16000)) * rms


def voice(seconds: float, rms: float = 3000) -> NDArray[np.float64]:
    """A tone of 150 Hz in syllables: four a second, with dips between them as a voice has."""
    time = np.arange(int(seconds * 16000)) / 16000
    syllables = np.maximum(0, np.sin(2 * np.pi * 4 * time)) ** 0.5
    tone: NDArray[np.float64] = np.sqrt(2) * rms * np.sin(2 * np.pi * 150 * time)
    return tone * syllables


def test_it_is_a_voice_activity_detector() -> None:
    detector: VoiceActivityDetector = Energy()
    assert (detector.name, detector.window) == ("energy", 512)


@pytest.mark.parametrize("background", [0, 3, 30, 200])
def test_a_voice_over_a_quieter_background_is_heard_to_its_ends(background: float) -> None:
    samples = noise(7, background)
    samples[3 * 16000 : 5 * 16000] += voice(2)
    heard = speech_in(samples)
    first, last = np.flatnonzero(heard)[[0, -1]]
    assert abs(first - 3 * 16000 / 512) <= 1
    assert 4.85 * 16000 / 512 <= last <= 5 * 16000 / 512
    assert heard[first:last].mean() > 0.5


def test_speech_in_the_first_window_is_heard() -> None:
    assert speech_in(voice(0.3))[:4].any()


@pytest.mark.parametrize(
    "steady",
    [
        noise(6, 2000),
        np.full(6 * 16000, 9000.0),
        np.sqrt(2) * 3000 * np.sin(2 * np.pi * 440 * np.arange(6 * 16000) / 16000),
        np.sign(np.sin(2 * np.pi * 100 * np.arange(6 * 16000) / 16000)) * 40000,
    ],
    ids=["white noise", "dc", "tone", "clipping"],
)
def test_steady_sound_is_floor_after_a_second_and_a_half(steady: NDArray[np.float64]) -> None:
    heard = speech_in(steady)
    assert not heard[int(1.6 * SECOND) :].any()


def test_a_dc_offset_is_no_sound_and_hides_none() -> None:
    assert not speech_in(noise(2, 5) + 12000).any()
    samples = noise(4, 5)
    samples[2 * 16000 : 3 * 16000] += voice(1)
    assert np.array_equal(speech_in(samples), speech_in(samples + 5000))


def test_silence_and_the_faintest_noise_are_not_speech() -> None:
    assert not speech_in(np.zeros(32000)).any()
    samples = np.zeros(64000)
    samples[32000:] = noise(2, 20)
    assert not speech_in(samples).any()


def test_full_scale_gives_plain_numbers() -> None:
    detector = Energy()
    row = np.array([detector.open()])
    loud = np.where(np.arange(512) % 2, 32767, -32768).astype(np.int16)[None]
    for window in (np.zeros_like(loud), loud, np.zeros_like(loud)):
        assert 0 <= detector.score(row, window)[0] <= 1


def test_a_score_depends_on_its_own_stream_only() -> None:
    rng = np.random.default_rng(5)
    windows = (rng.standard_normal((20, 70, 512)) * rng.uniform(10, 5000, (20, 70, 1))).astype(np.int16)
    batched, single = Energy(), Energy()
    rows = np.array([batched.open() for _ in range(70)], np.intp)
    alone = np.array([single.open()])
    scores = np.array([batched.score(rows, step) for step in windows])
    expected = np.array([single.score(alone, step[33:34])[0] for step in windows])
    assert np.array_equal(scores[:, 33], expected)


def test_reset_and_reuse_forget_the_floor() -> None:
    detector = Energy()
    row = detector.open()
    assert run(detector, row, noise(0.1, 3000)).any()
    assert not run(detector, row, noise(3, 3000))[2 * SECOND :].any()
    detector.reset(row)
    assert run(detector, row, noise(0.1, 3000)).all()
    run(detector, row, noise(3, 3000))
    detector.close(row)
    assert detector.open() == row
    assert run(detector, row, noise(0.1, 3000)).all()


def test_bad_batches_are_refused() -> None:
    detector = Energy(max_rows=1)
    row = detector.open()
    with pytest.raises(OverloadedError):
        detector.open()
    with pytest.raises(InvalidStateError):
        detector.score(np.array([row + 1]), np.zeros((1, 512), np.int16))
    with pytest.raises(InvalidAudioError):
        detector.score(np.array([row]), np.zeros((1, 320), np.int16))
    assert detector.score(np.zeros(0, np.intp), np.zeros((0, 512), np.int16)).shape == (0,)
