"""Long recordings: where speech is found, how it is cut, and that all of its words come in order."""

import asyncio
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from duologue.cli.transcript import LONGEST, PADDING, stretches, transcribe_long
from duologue.testing.fakes import FakeSpeechToText, PeakVad

RATE = 16_000


def sound(*parts: tuple[float, int]) -> NDArray[np.int16]:
    """Seconds, and how loud they are."""
    return np.concatenate([np.full(round(seconds * RATE), level, np.int16) for seconds, level in parts])


def spans(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    vad = PeakVad()
    found = stretches(vad, samples)
    assert not vad.rows
    return found


def test_in_silence_there_is_nothing_to_understand() -> None:
    assert spans(sound((60, 0))) == []
    assert spans(sound((0, 0))) == []
    assert spans(sound((0.01, 30_000))) == []


def test_speech_is_found_with_a_little_around_it() -> None:
    ((start, end),) = spans(sound((2, 0), (1, 30_000), (2, 0)))
    assert 2 * RATE - PADDING - 512 <= start <= 2 * RATE - PADDING + 512
    assert 3 * RATE + PADDING <= end <= 3 * RATE + PADDING + 0.2 * RATE


def test_at_the_ends_there_is_no_more_than_the_recording() -> None:
    assert spans(sound((1, 30_000))) == [(0, RATE)]


def test_a_short_pause_stays_inside_and_a_long_one_divides() -> None:
    assert len(spans(sound((1, 30_000), (0.5, 0), (1, 30_000)))) == 1
    assert len(spans(sound((1, 30_000), (2.0, 0), (1, 30_000)))) == 2


def test_what_is_too_long_is_cut_where_it_is_quietest() -> None:
    samples = sound((10, 30_000), (0.1, 13_000), (12, 30_000), (0.1, 13_000), (8, 30_000))
    found = spans(samples)
    assert found[0][0] == 0
    assert found[-1][1] == len(samples)
    assert all(end == start for (_, end), (start, _) in pairwise(found))
    assert all(end - start <= LONGEST * RATE for start, end in found)
    assert abs(found[0][1] - 10.05 * RATE) < 0.1 * RATE
    assert abs(found[1][1] - 22.15 * RATE) < 0.1 * RATE


def test_the_words_of_all_stretches_come_in_order() -> None:
    samples = sound(*[(1, 30_000), (2, 0)] * 3)
    stt = FakeSpeechToText("one", "", "three")
    assert asyncio.run(transcribe_long(stt, PeakVad(), samples)) == "one three"


def test_words_are_shown_as_they_come() -> None:
    shown: list[str] = []
    stt = FakeSpeechToText("good", "good morning", "good morning")
    words = transcribe_long(stt, PeakVad(), sound((0.3, 30_000)), on_partial=shown.append)
    assert asyncio.run(words).startswith("good")
    assert shown[-1].startswith("good")
