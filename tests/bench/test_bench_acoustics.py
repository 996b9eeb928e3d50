import math

import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue.errors import ConfigError
from duologue_bench.acoustics import active_dbfs, coloured, echo, from_int16, gain_of, reverberate, to_int16


def tone(seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


def test_silence_does_not_count_in_the_level_of_speech() -> None:
    speech = np.concatenate([np.zeros(3 * RATE), tone(), np.zeros(RATE)])
    assert active_dbfs(speech) == pytest.approx(20 * math.log10(0.1 / math.sqrt(2)), abs=0.1)
    assert active_dbfs(np.zeros(RATE)) == -math.inf
    assert active_dbfs(np.zeros(0)) == -math.inf


def test_sixteen_bits_there_and_back() -> None:
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    assert (to_int16(from_int16(samples)) == samples).all()
    assert (to_int16(np.array([2.0, -2.0])) == [32767, -32768]).all()


def test_coloured_noise_is_fixed_by_its_seed_and_falls_with_frequency() -> None:
    pink = coloured(RATE, 5)
    assert np.square(pink).mean() == pytest.approx(1)
    assert (pink == coloured(RATE, 5)).all()
    assert pink[0] != coloured(RATE, 6)[0]
    power = np.square(np.abs(np.fft.rfft(pink)))
    octave, next_octave = power[500:1000].mean(), power[1000:2000].mean()
    assert 10 * math.log10(next_octave / octave) == pytest.approx(-3, abs=0.7)


def test_a_room_changes_nothing_before_the_sound_and_adds_a_tail() -> None:
    dry = np.concatenate([np.zeros(RATE // 2), tone(0.5), np.zeros(RATE // 2)])
    wet = reverberate(dry, 0.3, 1)
    assert np.abs(wet[: RATE // 2]).max() < 1e-9
    assert (np.abs(wet - dry)[RATE // 2 : RATE // 2 + 40] < 1e-9).all()
    tail = wet[RATE : RATE + RATE // 4]
    assert 0.001 < np.abs(tail).max() < 0.1
    assert reverberate(dry, 0.0, 1) is dry
    with pytest.raises(ConfigError, match="0 to 1 s"):
        reverberate(dry, -0.1, 1)


@pytest.mark.parametrize("delay_s", [0.05, 0.12, 0.3])
@pytest.mark.parametrize("level_db", [-10.0, -20.0, -30.0])
@pytest.mark.parametrize("room_s", [0.0, 0.2])
def test_an_echo_is_as_late_and_as_soft_as_asked(delay_s: float, level_db: float, room_s: float) -> None:
    playout = to_int16(np.concatenate([tone(2.0), np.zeros(RATE)]))
    heard = echo(playout, level_db, delay_s, room_s)
    assert heard.shape == playout.shape
    first = int(np.flatnonzero(heard)[0])
    assert 0 <= first - delay_s * RATE < 20
    assert active_dbfs(from_int16(heard)) - active_dbfs(from_int16(playout)) == pytest.approx(level_db, abs=0.6)


def test_an_echo_of_silence_and_one_that_is_too_late_are_silence() -> None:
    assert not echo(np.zeros(100, np.int16), -10, 0.05).any()
    assert not echo(to_int16(tone(0.1)), -10, 0.2).any()
    with pytest.raises(ConfigError, match="before its sound"):
        echo(to_int16(tone(0.1)), -10, -0.1)


def test_decibels() -> None:
    assert gain_of(-20) == pytest.approx(0.1)
