"""WebRTC's noise suppression: the same samples whatever the pieces, later by its delay, with less noise."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from pywebrtc_audio import NoiseSuppressor

from duologue import denoise
from duologue.audio.format import RATE, WINDOW
from duologue.denoise import check_denoiser, make_denoiser
from duologue.denoise.webrtc import FILTER_DELAY, WebRtcDenoiser
from duologue.errors import ConfigError, NotInstalledError

RNG = np.random.default_rng(0)
NOISE: NDArray[np.int16] = RNG.normal(0, 300, 4 * RATE).astype(np.int16)


def tone() -> NDArray[np.int16]:
    """A tone that rises, half a second on and half a second off."""
    times = np.arange(4 * RATE) / RATE
    is_on = times % 1 < 0.5
    sound: NDArray[np.int16] = (5_000 * np.sin(2 * np.pi * (300 + 100 * times) * times) * is_on).astype(np.int16)
    return sound


def in_windows(denoiser: WebRtcDenoiser, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.concatenate([denoiser.process(samples[at : at + WINDOW]) for at in range(0, len(samples), WINDOW)])


@pytest.mark.parametrize("piece", [32, 512, 640, 16_000])
def test_pieces_do_not_change_what_comes_out(piece: int) -> None:
    samples = tone() + NOISE
    denoiser = WebRtcDenoiser(level=2)
    pieces = [denoiser.process(samples[at : at + piece]) for at in range(0, len(samples), piece)]
    assert {len(each) for each in pieces} == {piece}
    whole = NoiseSuppressor(RATE, 1, 2).process(samples)
    ahead = denoiser.delay - FILTER_DELAY
    assert np.array_equal(np.concatenate(pieces)[ahead:], whole[: len(samples) - ahead])


def test_it_lags_by_its_delay() -> None:
    samples = tone()
    heard = in_windows(WebRtcDenoiser(), samples).astype(np.float64)
    middle = samples[RATE : 3 * RATE].astype(np.float64)
    match = [np.dot(middle, heard[RATE + lag : 3 * RATE + lag]) for lag in range(400)]
    assert int(np.argmax(match)) == WebRtcDenoiser.delay


@pytest.mark.parametrize(("level", "decibels"), [(0, 4), (1, 8), (2, 12), (3, 14)])
def test_noise_is_reduced_by_its_level_and_speech_is_kept(level: int, decibels: float) -> None:
    samples = tone() + NOISE
    heard = in_windows(WebRtcDenoiser(level=level), samples).astype(np.float64)
    quiet = slice(int(3.7 * RATE), int(3.95 * RATE))
    loud = slice(int(3.1 * RATE), int(3.45 * RATE))

    def gain(part: slice) -> float:
        before, after = (np.square(sound[part].astype(np.float64)).mean() for sound in (samples, heard))
        return float(10 * np.log10(after / before))

    assert gain(quiet) < -decibels
    assert gain(loud) > -1.5


def test_a_reset_forgets_everything() -> None:
    denoiser = WebRtcDenoiser()
    first = in_windows(denoiser, tone() + NOISE)
    denoiser.reset()
    assert np.array_equal(in_windows(denoiser, tone() + NOISE), first)


def test_names_and_levels_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_denoiser("webrtc").name == "webrtc"
    assert make_denoiser("webrtc") is not make_denoiser("webrtc")
    with pytest.raises(ConfigError, match=r"no denoiser 'krisp'.*webrtc"):
        check_denoiser("krisp")
    with pytest.raises(ConfigError, match="level is 4"):
        WebRtcDenoiser(level=4)
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    with pytest.raises(NotInstalledError, match=r"duologue\[denoise\]"):
        check_denoiser("webrtc")


def test_another_package_may_bring_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "none"

        @staticmethod
        def load() -> object:
            return lambda: "a denoiser"

    class Broken(Point):
        name = "broken"

        @staticmethod
        def load() -> object:
            raise ImportError("no such module", name="krisp")

    monkeypatch.setattr(denoise, "entry_points", lambda group: [Point, Broken] if group == "duologue.denoise" else [])
    denoise._factory.cache_clear()
    assert str(make_denoiser("none")) == "a denoiser"
    with pytest.raises(NotInstalledError, match="needs krisp"):
        make_denoiser("broken")
    denoise._factory.cache_clear()
