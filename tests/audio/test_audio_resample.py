from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from duologue.audio.format import RATES
from duologue.audio.resample import FILE_RATES, Resampler, resample
from duologue.errors import ConfigError, InvalidAudioError

PAIRS = [pair for pair in itertools.product(RATES, RATES) if pair[0] != pair[1]]
LIVE_PAIRS = [(24000, 16000), (24000, 8000), (8000, 16000), (48000, 16000), (16000, 8000), (44100, 16000)]


def live(samples: NDArray[np.int16], rate_in: int, rate_out: int, chunks: Sequence[int] = ()) -> NDArray[np.int16]:
    """Everything that comes out, with the input cut at `chunks` and the rest as one piece."""
    resampler = Resampler(rate_in, rate_out)
    out, at = b"", 0
    for n in chunks:
        out += resampler.process(samples[at : at + n])
        at += n
    out += resampler.process(samples[at:].tobytes()) + resampler.flush()
    return np.frombuffer(out, np.int16)


def tone(hertz: float, rate: int, seconds: float = 0.5, amplitude: float = 10000) -> NDArray[np.int16]:
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.int16)


def decibels(samples: NDArray[np.int16], amplitude: float = 10000) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(float)
    return 20 * math.log10(max(middle.std(), 1e-3) / (amplitude / math.sqrt(2)))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_lag_is_under_3_ms(rate_in: int, rate_out: int) -> None:
    click = np.zeros(rate_in // 5, np.int16)
    click[rate_in // 10] = 30000
    out = live(click, rate_in, rate_out).astype(float)
    near = np.arange(len(out)) / rate_out - 0.1
    lag = float((out**2 * near).sum() / (out**2).sum())
    assert 0 < lag < 0.003
    assert lag == pytest.approx(Resampler(rate_in, rate_out).lag, abs=1 / rate_in + 1 / rate_out)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PAIRS),
    st.integers(0, 2**32 - 1),
    st.integers(0, 3000),
    st.lists(st.one_of(st.integers(0, 5), st.integers(0, 700)), max_size=12),
)
def test_chunks_do_not_matter(pair: tuple[int, int], seed: int, n: int, chunks: list[int]) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, n).astype(np.int16)
    assert live(samples, *pair, chunks).tolist() == live(samples, *pair).tolist()


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if 11025 not in pair])
def test_20_ms_in_give_20_ms_out(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out)
    frame = bytes(2 * (rate_in // 50))
    assert {len(resampler.process(frame)) for _ in range(30)} == {2 * (rate_out // 50)}


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_constant_stays_what_it_is(rate_in: int, rate_out: int) -> None:
    out = live(np.full(rate_in // 10, 12345, np.int16), rate_in, rate_out)
    assert set(out[rate_out // 100 : -rate_out // 100].tolist()) == {12345}


@pytest.mark.parametrize(("rate_in", "rate_out"), LIVE_PAIRS)
def test_speech_passes_and_what_would_fold_does_not(rate_in: int, rate_out: int) -> None:
    low = min(rate_in, rate_out)
    for share in (0.04, 0.2, 0.4):
        assert decibels(live(tone(share * low, rate_in), rate_in, rate_out)) == pytest.approx(0, abs=0.1)
        assert decibels(resample(tone(share * low, rate_in), rate_in, rate_out)) == pytest.approx(0, abs=0.05)
    if rate_in > rate_out:
        for share in (0.52, 0.6, 0.65):
            assert decibels(live(tone(share * low, rate_in), rate_in, rate_out)) < -55
            assert decibels(resample(tone(share * low, rate_in), rate_in, rate_out)) < -75


@pytest.mark.parametrize(("rate_in", "rate_out"), [(8000, 16000), (16000, 48000), (24000, 44100)])
def test_no_image_above_the_old_band(rate_in: int, rate_out: int) -> None:
    image = 0.6 * rate_in
    for out in (
        live(tone(rate_in - image, rate_in), rate_in, rate_out),
        resample(tone(rate_in - image, rate_in), rate_in, rate_out),
    ):
        middle = out[len(out) // 4 : -len(out) // 4].astype(float)
        spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle))))
        at = round(image / rate_out * len(middle))
        assert spectrum[at - 3 : at + 4].max() < 10 ** (-55 / 20) * spectrum.max()


def test_full_scale_is_held_not_wrapped() -> None:
    square = np.where(np.arange(2400) // 100 % 2, 32767, -32768).astype(np.int16)
    for out in (live(square, 24000, 16000), resample(square, 24000, 16000)):
        middle = out[40:-40].reshape(-1)
        steps = np.abs(np.diff(middle.astype(int)))
        assert middle.max() == 32767
        assert middle.min() == -32768
        assert (steps > 40000).sum() <= 2 * 24


def test_flush_gives_the_rest_and_begins_anew() -> None:
    resampler = Resampler(24000, 16000)
    piece = tone(440, 24000, 0.1).tobytes()
    first = resampler.process(piece) + resampler.flush()
    assert len(first) == 2 * (1600 + 20)
    assert resampler.process(piece) + resampler.flush() == first


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(16000, 16000)
    assert resampler.lag == 0
    assert resampler.process(b"1234") == b"1234"
    assert resampler.process(np.array([1, 2], np.int16)) == b"\x01\x00\x02\x00"
    assert resampler.flush() == b""
    samples = tone(440, 16000)
    again = resample(samples, 16000, 16000)
    assert again.tolist() == samples.tolist()
    assert again is not samples


@pytest.mark.parametrize("rate_in", FILE_RATES)
@pytest.mark.parametrize("rate_out", [8000, 16000])
def test_a_whole_piece_keeps_its_length_and_its_place(rate_in: int, rate_out: int) -> None:
    for n in (0, 1, 7, 1001):
        assert len(resample(np.ones(n, np.int16), rate_in, rate_out)) == round(n * rate_out / rate_in)
    out = resample(tone(500, rate_in, 0.2), rate_in, rate_out)
    error = (out - tone(500, rate_out, 0.2).astype(float))[len(out) // 4 : -len(out) // 4]
    assert np.abs(error).max() <= 1.5


def test_a_long_piece_is_the_same_in_blocks() -> None:
    samples = np.random.default_rng(3).integers(-20000, 20000, 200_000).astype(np.int16)
    whole = resample(samples, 48000, 16000)
    part = resample(samples[90_000:120_000], 48000, 16000)
    assert whole[30_200:39_800].tolist() == part[200:9800].tolist()


def test_bad_input_is_refused() -> None:
    for rates in ((16000, 12345), (0, 16000), (96000, 16000)):
        with pytest.raises(ConfigError, match="is not one of 8000"):
            Resampler(*rates)
    with pytest.raises(ConfigError, match="12345 is not one of 8000"):
        resample(np.zeros(1, np.int16), 12345, 16000)
    resampler = Resampler(24000, 16000)
    with pytest.raises(InvalidAudioError, match="3 bytes are not whole samples"):
        resampler.process(b"123")
    for wrong in (np.zeros(4, np.float32), np.zeros((2, 2), np.int16)):
        with pytest.raises(InvalidAudioError, match="one-dimensional int16"):
            resampler.process(wrong)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(InvalidAudioError, match="one-dimensional int16"):
            resample(wrong, 24000, 16000)  # type: ignore[arg-type]  # wrong on purpose
