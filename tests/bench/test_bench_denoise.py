"""The measurement of noise suppression counts what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.vad.energy import Energy
from duologue_bench.corpus import Item, Pause, Turn
from duologue_bench.denoise import EDGE_S, measure_denoise, sample_of


class Sound:
    """Two seconds of a tone with half a second of silence in the middle, between silences of a second."""

    def samples(self) -> NDArray[np.int16]:
        times = np.arange(4 * RATE) / RATE
        sounds = ((times >= 1) & (times < 1.75)) | ((times >= 2.25) & (times < 3))
        tone: NDArray[np.int16] = (8_000 * np.sin(2 * np.pi * 400 * times) * sounds).astype(np.int16)
        return tone


def item(number: int = 0, source: str = "readings") -> Item:
    turn = Turn(1.0, 3.0, "one two", (Pause(1.75, 2.25, "breath"),))
    return Item(f"i{number}", "dev", source, source, "somebody", None, 0.0, (turn,), number, Sound())


class Delayed:
    """Gives what it is given a window later, or silence."""

    name = "delayed"
    delay = WINDOW

    def __init__(self, gain: int = 1) -> None:
        self._held = np.zeros(WINDOW, np.int16)
        self._gain = gain

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        held, self._held = self._held, samples * np.int16(self._gain)
        return held

    def reset(self) -> None:
        raise AssertionError("a recording has no gaps")


@pytest.mark.parametrize("make", [None, Delayed])
def test_windows_and_words_are_compared_with_the_labels(make: Any) -> None:
    given: list[int] = []

    def recognize(audio: NDArray[np.float32]) -> str:
        given.append(len(audio))
        return "one too"

    found = measure_denoise([item()], "clean", Energy(), recognize, make).as_dict()
    assert (found["missed_percent"], found["false_percent"]) == (0, 0)
    assert (found["words"], found["word_error_percent"]) == (2, 50)
    assert given == [round(2.6 * RATE)]
    judged = (4 - 2 * 4 * EDGE_S) * RATE / WINDOW  # four edges
    assert found["speech_windows"] + found["other_windows"] == pytest.approx(judged, abs=4)
    assert found["denoiser"] == ("" if make is None else "delayed")


def test_speech_that_is_suppressed_is_missed() -> None:
    found = measure_denoise([item()], "clean", Energy(), lambda _: "", lambda: Delayed(gain=0)).as_dict()
    assert (found["missed_percent"], found["false_percent"], found["word_error_percent"]) == (100, 0, 100)


def test_half_of_the_sample_are_real_people_and_it_is_the_same_each_time() -> None:
    items = [item(n, "synthetic" if n % 2 else "readings") for n in range(20)]
    chosen = sample_of(items, 6)
    assert [each.is_real for each in chosen] == [True] * 3 + [False] * 3
    assert sample_of(items, 6) == chosen
