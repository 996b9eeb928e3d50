"""Noise suppression on noisy speech: errors of the detector of speech, and of the recognizer, with and without."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.callers.word_errors import word_errors
from duologue.denoise import Denoiser
from duologue.vad import VoiceActivityDetector
from duologue_bench.corpus import Item, Turn
from duologue_bench.versions import NOISES, VERSIONS, noise_of

__all__ = ["DenoiseResult", "measure_by_noise", "measure_denoise", "sample_of"]

THRESHOLD: Final = 0.5
"""Probability from which on a window counts as speech."""
EDGE_S: Final = 0.1
"""Seconds around the edges of labeled speech in which windows are not judged: what an edge is, is a matter of taste."""
LONGEST_S: Final = 20.0
BEFORE_S, AFTER_S = 0.3, 0.3
"""Seconds of audio before and after a turn that the recognizer gets."""


@dataclass(slots=True)
class DenoiseResult:
    """Errors over all items in one version, with one denoiser or without."""

    version: str
    denoiser: str
    """Empty for none."""
    noise: str = ""
    """One of NOISES; empty for any."""
    speech_windows: int = 0
    missed: int = 0
    """Windows of speech that the detector took for none."""
    other_windows: int = 0
    false: int = 0
    """Windows without speech that it took for speech."""
    words: int = 0
    word_errors: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types; rates in percent."""
        return {
            "version": self.version,
            "denoiser": self.denoiser,
            "noise": self.noise,
            "missed_percent": round(100 * self.missed / max(1, self.speech_windows), 2),
            "false_percent": round(100 * self.false / max(1, self.other_windows), 2),
            "word_error_percent": round(100 * self.word_errors / max(1, self.words), 2),
            "speech_windows": self.speech_windows,
            "other_windows": self.other_windows,
            "words": self.words,
        }


def measure_by_noise(
    items: Sequence[Item],
    vad: VoiceActivityDetector,
    recognize: Callable[[NDArray[np.float32]], str],
    makers: Mapping[str, Callable[[], Denoiser] | None],
) -> Iterator[DenoiseResult]:
    """Measure each version, each kind of noise in it by itself, with each of the denoisers by their names."""
    for version in VERSIONS:
        noises = NOISES if version.startswith("noise") else ("",)
        for noise in noises:
            alike = [item for item in items if noise in ("", noise_of(item.seed))]
            for name, make in makers.items() if alike else ():
                result = measure_denoise(alike, version, vad, recognize, make)
                result.noise, result.denoiser = noise, name
                yield result


def sample_of(items: Sequence[Item], count: int) -> list[Item]:
    """So many items of at most 20 s, the same each time, half of them of real people."""
    draw = random.Random(3)
    chosen: list[Item] = []
    for is_real in (True, False):
        short = [item for item in items if item.is_real is is_real and item.duration_s < LONGEST_S]
        draw.shuffle(short)
        chosen += short[: count // 2]
    return chosen


def measure_denoise(
    items: Iterable[Item],
    version: str,
    vad: VoiceActivityDetector,
    recognize: Callable[[NDArray[np.float32]], str],
    make: Callable[[], Denoiser] | None,
) -> DenoiseResult:
    """Run the detector and the recognizer on a version of the items, through a denoiser if `make` makes one.

    `recognize` is given (n,) float32 in -1..1. What a denoiser delays is moved back, so that labels fit.
    """
    result = DenoiseResult(version, "" if make is None else make().name)
    for item in items:
        samples = item.samples(version)
        heard = samples if make is None else _denoised(make(), samples)
        _count_windows(result, item.turns, _scores(vad, heard))
        for turn in item.turns:
            start, end = round((turn.start_s - BEFORE_S) * RATE), round((turn.end_s + AFTER_S) * RATE)
            said = recognize(heard[max(0, start) : end].astype(np.float32) / np.float32(32768))
            errors, words = word_errors(turn.text, said)
            result.word_errors += errors
            result.words += words
    return result


def _denoised(denoiser: Denoiser, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """All of an item, without the denoiser's delay."""
    length = -(-(len(samples) + denoiser.delay) // WINDOW) * WINDOW
    padded = np.zeros(length, np.int16)
    padded[: len(samples)] = samples
    pieces = [denoiser.process(padded[at : at + WINDOW]) for at in range(0, length, WINDOW)]
    return np.concatenate(pieces)[denoiser.delay : denoiser.delay + len(samples)]


def _scores(vad: VoiceActivityDetector, samples: NDArray[np.int16]) -> list[float]:
    """The probability of speech in each whole window."""
    row = vad.open()
    try:
        rows = np.array([row], np.intp)
        windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, 1, WINDOW)
        return [float(vad.score(rows, window)[0]) for window in windows]
    finally:
        vad.close(row)


def _count_windows(result: DenoiseResult, turns: Sequence[Turn], scores: Sequence[float]) -> None:
    """Compare the middle of each window with the labels."""
    speech = [
        (start, end)
        for turn in turns
        for start, end in zip(
            [turn.start_s, *(pause.end_s for pause in turn.pauses)],
            [*(pause.start_s for pause in turn.pauses), turn.end_s],
            strict=True,
        )
    ]
    for number, score in enumerate(scores):
        middle = (number + 0.5) * WINDOW / RATE
        if any(abs(middle - edge) < EDGE_S for stretch in speech for edge in stretch):
            continue
        if any(start < middle < end for start, end in speech):
            result.speech_windows += 1
            result.missed += score < THRESHOLD
        else:
            result.other_windows += 1
            result.false += score >= THRESHOLD
