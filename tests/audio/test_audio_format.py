from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from duologue.audio.format import (
    ENCODINGS,
    RATES,
    SESSION_FORMAT,
    AudioFormat,
    as_pcm,
    check_gap,
    check_position,
    check_whole_samples,
)
from duologue.errors import ConfigError, InvalidAudioError


@pytest.mark.parametrize(
    ("encoding", "rate", "seconds", "n_bytes"),
    [
        ("pcm_s16le", 16000, 0.02, 640),
        ("pcm_s16le", 16000, 0.1, 3200),
        ("pcm_s16le", 16000, 0.05, 1600),
        ("pcm_s16le", 48000, 0.02, 1920),
        ("mulaw", 8000, 0.02, 160),
        ("alaw", 8000, 0.02, 160),
        ("pcm_s16le", 11025, 0.02, 440),
        ("pcm_s16le", 16000, 0.0, 0),
    ],
)
def test_the_bytes_of_a_frame(encoding: str, rate: int, seconds: float, n_bytes: int) -> None:
    form = AudioFormat(encoding, rate)  # type: ignore[arg-type]  # parametrised text
    assert form.frame_bytes(seconds) == n_bytes
    assert form.seconds(n_bytes) == pytest.approx(seconds, abs=1 / rate)


def test_every_encoding_has_every_rate() -> None:
    for encoding in ENCODINGS:
        for rate in RATES:
            form = AudioFormat(encoding, rate)
            assert form.frame_bytes(1.0) == rate * form.bytes_per_sample


def test_the_session_hears_16_khz_pcm() -> None:
    assert AudioFormat() == SESSION_FORMAT
    assert SESSION_FORMAT.frame_bytes(0.02) == 640


@pytest.mark.parametrize("rate", [0, -16000, 7999, 16001, 96000, True, 16000.5])
def test_a_rate_that_is_not_known_is_refused(rate: int) -> None:
    with pytest.raises(ConfigError, match="16000"):
        AudioFormat("pcm_s16le", rate)


@pytest.mark.parametrize("encoding", ["opus", "", "PCM_S16LE", None])
def test_an_encoding_that_is_not_known_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigError, match="pcm_s16le, mulaw, alaw"):
        AudioFormat(encoding, 16000)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("seconds", [-0.02, math.nan, math.inf])
def test_a_frame_lasts_a_while(seconds: float) -> None:
    with pytest.raises(ConfigError, match="0 seconds or more"):
        SESSION_FORMAT.frame_bytes(seconds)


def test_sound_is_bytes_whatever_holds_them() -> None:
    for data in (b"1234", bytearray(b"1234"), memoryview(b"1234"), memoryview(b"1234").cast("h")):
        assert as_pcm(data) == b"1234"
    for other in ("1234", [1, 2], np.zeros(2, np.int16), None):
        with pytest.raises(InvalidAudioError, match=f"came as {type(other).__name__}; expected bytes"):
            as_pcm(other)


def test_a_gap_is_a_whole_number_of_samples() -> None:
    assert [check_gap(samples) for samples in (0, 320, np.int64(320))] == [0, 320, 320]
    wrongs: tuple[Any, ...] = (-1, 1.5, "320", None, 2**41)
    for wrong in wrongs:
        with pytest.raises(ConfigError, match="A gap is 0 samples or more"):
            check_gap(wrong)


def test_a_position_is_a_number_of_samples() -> None:
    assert [check_position(position) for position in (0, -3, 320.9, np.int64(7))] == [0, -3, 320, 7]
    wrongs: tuple[Any, ...] = (math.nan, math.inf, "end", None, [])
    for wrong in wrongs:
        with pytest.raises(ConfigError, match="A position is a number of samples"):
            check_position(wrong)


def test_bytes_are_whole_samples() -> None:
    for data in (b"", b"12", bytearray(640), memoryview(b"1234"), memoryview(b"1234").cast("h")):
        check_whole_samples(data)
        SESSION_FORMAT.check(data)
    for odd in (b"1", bytearray(641), memoryview(b"123")):
        with pytest.raises(InvalidAudioError, match="not whole samples of 2 bytes"):
            check_whole_samples(odd)
        AudioFormat("mulaw", 8000).check(odd)
