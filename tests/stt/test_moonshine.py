from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidAudioError, NotInstalledError
from duologue.stt import SttModel
from duologue.stt.moonshine import Moonshine
from duologue.testing.speech import Clip, real_speech
from duologue.testing.wer import word_error_rate, word_errors

pytestmark = pytest.mark.models

RATE = 16_000


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine()


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    return {clip.name: clip for clip in real_speech()}


def noise(seconds: float, level: float) -> NDArray[np.float32]:
    return (np.random.default_rng(0).normal(size=int(seconds * RATE)) * level).astype(np.float32)


def tone(seconds: float, *hertz: float) -> NDArray[np.float32]:
    times = np.arange(int(seconds * RATE)) / RATE
    return sum((0.2 * np.sin(2 * np.pi * f * times) for f in hertz), np.zeros(len(times))).astype(np.float32)


def test_it_is_an_stt_model(moonshine: Moonshine) -> None:
    model: SttModel = moonshine
    assert isinstance(model, SttModel)
    assert model.languages == {"en"}
    assert model.size(np.zeros(8_000, np.float32)) == 0.5


def test_at_most_five_words_in_a_hundred_of_real_speech_are_wrong(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    by_length = sorted(clips.values(), key=lambda clip: len(clip.samples()))
    pairs = []
    for at in range(0, len(by_length), 4):
        batch = by_length[at : at + 4]
        pairs += list(zip([c.text for c in batch], moonshine.run([c.samples() for c in batch]), strict=True))
    assert sum(word_errors(*pair)[1] for pair in pairs) > 200
    assert word_error_rate(pairs) <= 0.05


def test_a_batch_gives_what_single_runs_give(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    items = [clips[name].samples() for name in ("cards-1", "austen-0880", "command-1", "cards-4")]
    assert moonshine.run(items) == [moonshine.run([item])[0] for item in items]


def test_the_longest_may_finish_first(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    few_words = np.concatenate([clips["cards-3"].samples(), np.zeros(4 * RATE, np.float32)])
    items = [clips["command-1"].samples(), few_words, clips["cards-1"].samples(), clips["cards-4"].samples()]
    assert len(few_words) == max(map(len, items))
    assert moonshine.run(items) == [moonshine.run([item])[0] for item in items]


def test_threads_may_share_it(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    items = [clips[name].samples() for name in ("cards-1", "command-1", "cards-4")] * 2
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda item: moonshine.run([item])[0], items))
    assert together == [moonshine.run([item])[0] for item in items]


def test_a_word_cut_off_at_its_last_sound_is_written_once(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    sound = clips["cards-1"].samples()
    loud = np.flatnonzero(np.abs(sound) > 0.02)
    assert word_errors("Ten of clubs.", moonshine.run([sound[loud[0] : loud[-1] + 1]])[0])[0] == 0


def test_quiet_speech_is_understood(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    item = clips["command-1"].samples() * np.float32(0.005)
    assert word_errors(clips["command-1"].text, moonshine.run([item])[0])[0] == 0


@pytest.mark.parametrize(
    "item",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(RATE, np.float32),
        np.full(100, 0.5, np.float32),
        np.full(RATE, 0.5, np.float32),
        noise(0.05, 0.1),
        noise(1.0, 0.0001),
        noise(1.0, 0.001),
        noise(3.0, 0.1),
        tone(1.0, 440),
        tone(0.5, 1000),
    ],
    ids=["empty", "one sample", "zeros", "6 ms", "offset", "50 ms", "dither", "hiss", "noise", "a tone", "a beep"],
)
def test_sound_without_speech_is_no_words(moonshine: Moonshine, item: NDArray[np.float32]) -> None:
    assert moonshine.run([item]) == [""]


def test_nothing_gives_nothing(moonshine: Moonshine) -> None:
    assert moonshine.run([]) == []


def test_items_without_speech_keep_their_places(moonshine: Moonshine, clips: dict[str, Clip]) -> None:
    silence = np.zeros(RATE, np.float32)
    assert moonshine.run([silence, clips["cards-3"].samples(), silence]) == ["", "Seven of clubs.", ""]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.array([0, np.nan, 0], np.float32), "not finite"),
        (np.array([np.inf], np.float32), "not finite"),
        (np.zeros((2, 10), np.float32), "shape"),
        (np.zeros(10, np.int16), "int16"),
        (np.zeros(RATE * 30 + 1, np.float32), "30 s at most"),
    ],
)
def test_bad_audio_is_refused(moonshine: Moonshine, item: NDArray[np.float32], message: str) -> None:
    with pytest.raises(InvalidAudioError, match=message):
        moonshine.run([item])


@pytest.mark.parametrize("seconds", [0.0, -1.0, 100.0])
def test_segments_that_it_cannot_take_are_refused_when_it_is_made(seconds: float) -> None:
    with pytest.raises(ConfigError, match="takes up to"):
        Moonshine(max_segment_s=seconds)


def test_the_longest_segment_is_a_choice(clips: dict[str, Clip]) -> None:
    with pytest.raises(InvalidAudioError, match="Cut it at its pauses"):
        Moonshine(max_segment_s=0.5).run([clips["cards-1"].samples()])


def test_without_onnxruntime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NotInstalledError, match=r"onnxruntime.*duologue\[local\]"):
        Moonshine()
