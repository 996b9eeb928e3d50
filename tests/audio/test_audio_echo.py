from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.echo import EchoEstimator
from duologue.audio.format import WINDOW
from duologue.audio.wav import read_wav_16k
from duologue.errors import InvalidAudioError
from duologue.store import package_file

RATE = 16000
LEAD = 960
"""Samples of playout that are handed out before they sound."""
Sound = NDArray[np.float64]


@cache
def speech(file: str, start: float, seconds: float) -> Sound:
    """Real speech, its loud parts at -22 dBFS."""
    samples = read_wav_16k(package_file("moonshine_voice", "assets", file)).samples
    piece = samples[int(start * RATE) : int((start + seconds) * RATE)].astype(float)
    energy = by_window(piece)
    loud = energy[energy > energy.max() / 1000].mean()
    leveled: Sound = np.rint(piece * 32768 * 10 ** (-22 / 20) / np.sqrt(loud))
    return leveled


def by_window(sound: Sound) -> Sound:
    """Mean energy of each window."""
    mean: Sound = (sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW) ** 2).mean(axis=1)
    return mean


def agent() -> Sound:
    return speech("two_cities.wav", 0, 6)


def user() -> Sound:
    return speech("beckett.wav", 0, 3.5)


def noise(n: int, dbfs: float = -60) -> Sound:
    return np.random.default_rng(0).standard_normal(n) * 32768 * 10 ** (dbfs / 20)


def echo_of(playout: Sound, decibels: float, delay: float, start: float = 0.0) -> Sound:
    n = int(delay * RATE)
    heard = np.concatenate((np.zeros(n), playout))[: len(playout)] * 10 ** (decibels / 20)
    heard[: int(start * RATE)] = 0
    return heard


def late(sound: Sound, seconds: float, length: int) -> Sound:
    return np.concatenate((np.zeros(int(seconds * RATE)), sound, np.zeros(length)))[:length]


def listen(estimator: EchoEstimator, playout: Sound, mic: Sound, start: int = 0, leave_out: int = 0) -> Sound:
    """What a session does: hand out 20 ms of playout at a time, and ask for each window of the microphone.

    Where `leave_out` is given, every so many windows are not asked for, and their answers are NaN.
    """
    played = playout.astype(np.int16)
    heard = np.clip(np.rint(mic), -32768, 32767).astype(np.int16)
    out = 0
    answers = []
    for end in range(WINDOW, len(heard) + 1, WINDOW):
        while out < min(len(played), end + LEAD):
            estimator.play(start + out, played[out : out + 320])
            out += 320
        left_out = leave_out and end // WINDOW % leave_out == 0
        answers.append(np.nan if left_out else estimator.echo_ratio(start + end, heard[end - WINDOW : end]))
    return np.array(answers)


def audible(sound: Sound) -> NDArray[np.bool_]:
    energy = by_window(sound)
    heard: NDArray[np.bool_] = (energy > 4 * by_window(noise(len(sound))).mean()) & (energy > energy.max() / 1000)
    return heard


LEVELS = pytest.mark.parametrize("decibels", [-10, -20, -30])
DELAYS = pytest.mark.parametrize("delay", [0.05, 0.1375, 0.3])


@LEVELS
@DELAYS
def test_an_agent_that_hears_itself_is_explained(decibels: float, delay: float) -> None:
    echo = echo_of(agent(), decibels, delay)
    estimator = EchoEstimator()
    answers = listen(estimator, agent(), echo + noise(len(echo)))[audible(echo)]
    assert len(answers) > 40
    assert (answers > 0.7).mean() > 0.97
    assert np.median(answers) > 0.95
    assert estimator.delay == pytest.approx(delay, abs=0.0005)


@LEVELS
@DELAYS
def test_a_user_who_speaks_over_the_echo_is_not(decibels: float, delay: float) -> None:
    echo = echo_of(agent(), decibels, delay)
    over = late(user() * 10 ** ((decibels + 3) / 20), 2.5, len(echo))
    answers = listen(EchoEstimator(), agent(), echo + over + noise(len(echo)))
    louder = (by_window(over) >= by_window(echo)) & audible(over)
    assert louder.sum() > 30
    assert (answers[louder] < 0.5).mean() > 0.8
    assert np.median(answers[louder]) < 0.3


@LEVELS
def test_an_echo_whose_delay_changes_is_known_by_its_level_meanwhile(decibels: float) -> None:
    near, far = (echo_of(agent(), decibels, delay) for delay in (0.05, 0.3))
    length = min(len(near), len(far)) // WINDOW * WINDOW
    at = length // 2
    echo = np.concatenate((near[:at], far[at:length]))
    answers = listen(EchoEstimator(), agent(), echo + noise(length))[audible(echo)]
    assert (answers >= 0.5).mean() > 0.97


def test_a_user_whose_microphone_hears_no_echo_is_not() -> None:
    for start in (0.0, 1.0):
        over = late(user(), start, len(agent()))
        answers = listen(EchoEstimator(), agent(), over + noise(len(over)))[audible(over)]
        assert (answers < 0.5).mean() > 0.95
        assert np.median(answers) < 0.2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda echo: np.tanh(echo / 3000) * 3000,
        lambda echo: echo - 0.9 * np.concatenate(([0], echo[:-1])),
        lambda echo: echo + 0.3 * np.concatenate((np.zeros(20), echo[:-20])),
        lambda echo: echo + 150 * np.sin(np.arange(len(echo)) * 2 * np.pi * 50 / RATE) + 200,
        lambda echo: np.interp(np.arange(len(echo)) * 1.0001, np.arange(len(echo)), echo),
    ],
    ids=["loudspeaker overdriven", "loudspeaker without bass", "reflection", "hum and offset", "clocks that drift"],
)
def test_an_echo_that_is_not_clean(spoil: Callable[[Sound], Sound]) -> None:
    echo = echo_of(agent(), -15, 0.12)
    answers = listen(EchoEstimator(), agent(), spoil(echo) + noise(len(echo)))[audible(spoil(echo)) & audible(echo)]
    assert (answers > 0.7).mean() > 0.85


def test_no_playout_explains_nothing() -> None:
    estimator = EchoEstimator()
    mic = user().astype(np.int16)
    assert estimator.echo_ratio(WINDOW, mic[:WINDOW]) == 0.0
    estimator.play(100_000, mic)
    assert estimator.echo_ratio(WINDOW, mic[:WINDOW]) == 0.0
    assert estimator.echo_ratio(100_000 + len(mic) + 20 * WINDOW, mic[:WINDOW]) == 0.0
    estimator.stop()
    assert estimator.echo_ratio(100_000 + len(mic), mic[:WINDOW]) == 0.0


def test_silence_is_explained() -> None:
    answers = listen(EchoEstimator(), agent(), np.zeros(len(agent())))
    assert set(answers.tolist()) == {1.0}
    quiet_playout = listen(EchoEstimator(), np.zeros(RATE), np.zeros(RATE))
    assert set(quiet_playout.tolist()) == {1.0}


def test_a_user_over_silent_playout_is_not_explained() -> None:
    answers = listen(EchoEstimator(), np.zeros(len(user())), user())[audible(user())]
    assert (answers < 0.1).mean() > 0.95


def test_the_delay_is_remembered_for_the_next_time() -> None:
    estimator = EchoEstimator()
    echo = echo_of(agent(), -20, 0.2)
    listen(estimator, agent(), echo + noise(len(echo)))
    estimator.stop()
    again = speech("two_cities.wav", 20, 2)
    echo = echo_of(again, -20, 0.2)
    answers = listen(estimator, again, echo + noise(len(echo)), start=10_000_000)[audible(echo)]
    assert (answers > 0.7).all()
    assert estimator.delay == pytest.approx(0.2, abs=0.0005)


def test_a_delay_that_changes_is_found_again() -> None:
    estimator = EchoEstimator()
    echo = np.concatenate((echo_of(agent(), -20, 0.1)[: 3 * RATE], echo_of(agent(), -20, 0.16)[3 * RATE :]))
    answers = listen(estimator, agent(), echo + noise(len(echo)))
    settled = audible(echo) & (np.arange(len(answers)) * WINDOW > 3.8 * RATE)
    assert (answers[settled] > 0.7).mean() > 0.97
    assert estimator.delay == pytest.approx(0.16, abs=0.0005)


def test_windows_may_be_left_out() -> None:
    echo = echo_of(agent(), -20, 0.1)
    answers = listen(EchoEstimator(), agent(), echo + noise(len(echo)), leave_out=4)
    asked = audible(echo) & ~np.isnan(answers)
    assert (answers[asked] > 0.7).mean() > 0.97


def test_playout_that_was_never_heard_is_taken_back() -> None:
    """The same sound, once played and once interrupted before it sounded."""
    played = agent().astype(np.int16)[:RATE]
    for taken_back in (False, True):
        estimator = EchoEstimator()
        estimator.play(0, played)
        if taken_back:
            estimator.play(0, played[:0])
        answers = [estimator.echo_ratio(end, played[end - WINDOW : end]) for end in range(WINDOW, RATE, WINDOW)]
        assert (np.median(answers) < 0.1) == taken_back


def test_playout_is_placed_by_position() -> None:
    """Pieces with a pause between them, one that overlaps, and one far later."""
    sound = agent().astype(np.int16)
    estimator = EchoEstimator()
    line = np.zeros(4 * RATE, np.int16)
    for start, n in ((0, 5000), (8000, 4000), (10000, 6000), (60000, 4000)):
        piece = sound[start : start + n]
        estimator.play(start, piece)
        line[start : start + n] = piece
    delayed = np.concatenate((np.zeros(1600, np.int16), line))
    answers = [estimator.echo_ratio(end, delayed[end - WINDOW : end]) for end in range(60000 + 2000, 4 * RATE, WINDOW)]
    assert np.median(answers) > 0.9


def test_playout_longer_than_the_memory_leaves_its_end() -> None:
    sound = agent().astype(np.int16)[: 3 * RATE]
    estimator = EchoEstimator()
    estimator.play(0, sound)
    ends = range(3 * RATE - 8 * WINDOW, 3 * RATE, WINDOW)
    assert np.median([estimator.echo_ratio(end, sound[end - WINDOW : end]) for end in ends]) > 0.9


def test_memory_comes_with_playout_and_goes_with_it() -> None:
    tracemalloc.start()
    try:
        estimator = EchoEstimator()
        assert tracemalloc.get_traced_memory()[0] < 4_000
        estimator.play(0, np.zeros(320, np.int16))
        estimator.echo_ratio(WINDOW, np.ones(WINDOW, np.int16))
        assert tracemalloc.get_traced_memory()[0] < 130_000
        estimator.stop()
        assert tracemalloc.get_traced_memory()[0] < 45_000
    finally:
        tracemalloc.stop()


def test_bad_input_is_refused() -> None:
    estimator = EchoEstimator()
    with pytest.raises(InvalidAudioError, match="one-dimensional int16"):
        estimator.play(0, np.zeros(320, np.float32))
    with pytest.raises(InvalidAudioError, match=r"\(512,\) int16"):
        estimator.echo_ratio(320, np.zeros(320, np.int16))
    with pytest.raises(InvalidAudioError, match=r"\(512,\) int16"):
        estimator.echo_ratio(512, np.zeros(512, np.float32))


def test_what_is_left_of_an_echo_is_soft_and_what_is_left_of_a_user_is_not() -> None:
    playout = agent().astype(np.int16)
    echo = echo_of(agent(), -10, 0.1)
    over = late(user(), 2.5, len(echo))
    mic = (echo + over + noise(len(echo))).astype(np.int16)
    estimator = EchoEstimator()
    estimator.play(0, playout[: WINDOW * 2])
    left = []
    for end in range(WINDOW, len(mic) - WINDOW, WINDOW):
        estimator.play(end, playout[end : end + WINDOW])
        estimator.echo_ratio(end, mic[end - WINDOW : end])
        left.append(estimator.residual)
    rest = np.concatenate(left).astype(float)
    alone, both = slice(RATE, int(2.4 * RATE)), slice(int(2.6 * RATE), len(rest))
    assert np.square(rest[alone]).sum() < 0.01 * np.square(echo[alone]).sum()
    assert np.square(rest[both] - over[both]).sum() < 0.5 * np.square(over[both]).sum()


def test_what_is_taken_back_can_be_played_later() -> None:
    estimator = EchoEstimator()
    assert len(estimator.take_back(0)) == 0
    playout = agent().astype(np.int16)[:2000]
    estimator.play(100, playout)
    np.testing.assert_array_equal(estimator.take_back(1000), playout[900:])
    assert len(estimator.take_back(1000)) == 0
