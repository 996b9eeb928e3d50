import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidAudioError, InvalidStateError
from duologue.vad import VoiceActivityDetector
from duologue.vad.webrtc import WebRtcVad

RNG = np.random.default_rng(0)
TIME = np.arange(3 * 16_000) / 16_000
VOICE: NDArray[np.float64] = (
    np.sum([np.sin(2 * np.pi * 140 * k * TIME) / k for k in range(1, 12)], axis=0)
    * (np.sin(2 * np.pi * 4 * TIME) > -0.5)
    * 4000
)
SILENCE = RNG.standard_normal(3 * 16_000) * 3


def windows(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return samples[: len(samples) // 512 * 512].astype(np.int16).reshape(-1, 512)


def test_it_tells_a_voice_from_silence_in_each_stream() -> None:
    detector: VoiceActivityDetector = WebRtcVad()
    rows = np.array([detector.open(), detector.open()])
    scores = np.array(
        [detector.score(rows, np.stack(pair)) for pair in zip(windows(VOICE), windows(SILENCE), strict=True)]
    )
    assert (detector.name, detector.window) == ("webrtc", 512)
    assert scores[:, 0].mean() > 0.6
    assert scores[10:, 1].max() == 0.0
    assert set(np.round(scores[:, 0] * 12) / 12) <= {n / d for d in (3, 4) for n in range(d + 1)}


def test_a_score_depends_on_the_stream_alone() -> None:
    alone, shared = WebRtcVad(), WebRtcVad()
    row = alone.open()
    first, second = shared.open(), shared.open()
    for voice, silence in zip(windows(VOICE), windows(SILENCE), strict=True):
        (expected,) = alone.score(np.array([row]), voice[None])
        assert shared.score(np.array([second, first]), np.stack([silence, voice]))[1] == expected
    shared.reset(first)
    fresh = WebRtcVad()
    new = fresh.open()
    for voice in windows(VOICE):
        assert fresh.score(np.array([new]), voice[None]) == shared.score(np.array([first]), voice[None])


def test_what_cannot_be_scored_is_refused() -> None:
    detector = WebRtcVad()
    row = detector.open()
    with pytest.raises(InvalidAudioError):
        detector.score(np.array([row]), np.zeros((1, 480), np.int16))
    detector.close(row)
    with pytest.raises(InvalidStateError):
        detector.score(np.array([row]), np.zeros((1, 512), np.int16))
    with pytest.raises(ConfigError, match="0, 1, 2 or 3"):
        WebRtcVad(mode=4)
