from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.level import AUDIBLE_DBFS, dbfs, first_audible, gain, rms
from duologue.errors import ConfigError, InvalidAudioError


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def test_rms_and_decibels() -> None:
    assert rms(pcm(300, -300, 300)) == 300
    assert rms(pcm(-32768, -32768)) == 32768
    assert dbfs(pcm(-32768)) == 0
    assert dbfs(pcm(3277, -3277)) == pytest.approx(-20, abs=0.01)


def test_silence_and_nothing_have_no_level() -> None:
    for quiet in (b"", bytes(640)):
        assert rms(quiet) == 0
        assert dbfs(quiet) == -math.inf
        assert first_audible(quiet) is None


def test_audible_is_above_minus_50_dbfs() -> None:
    edge = 32768 * 10 ** (AUDIBLE_DBFS / 20)
    below, above = math.floor(edge), math.ceil(edge)
    assert first_audible(pcm(below, -below)) is None
    assert first_audible(pcm(below, -above, above)) == 1
    assert first_audible(pcm(-32768)) == 0


@given(st.lists(st.integers(-200, 200), max_size=60))
def test_the_first_audible_sample_is_the_first(samples: list[int]) -> None:
    loud = [index for index, sample in enumerate(samples) if abs(sample) > 103]
    assert first_audible(pcm(*samples)) == (loud[0] if loud else None)


def test_gain_holds_at_full_scale() -> None:
    assert gain(pcm(100, -100), 2.5) == pcm(250, -250)
    assert gain(pcm(30000, -30000), 4) == pcm(32767, -32768)
    assert gain(pcm(1, 2, 3), 0) == bytes(6)
    assert gain(b"", 2) == b""


@pytest.mark.parametrize("factor", [-1, math.nan, math.inf])
def test_a_gain_is_a_number(factor: float) -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        gain(b"12", factor)


def test_half_a_sample_is_refused() -> None:
    for call in (rms, dbfs, first_audible, lambda data: gain(data, 1)):
        with pytest.raises(InvalidAudioError, match="1 bytes are not whole samples"):
            call(b"1")
