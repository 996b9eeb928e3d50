from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hibari import dsp
from numpy.typing import NDArray

from duologue.tts.hibari_wave import HOP, Frames, waveform

pytestmark = pytest.mark.models

BINS = 601


def spectra(frames: int = 60, noise: float = -100.0) -> list[NDArray[np.float32]]:
    """What hibari's own graph gives: a voice that falls from 200 Hz, with silence and a gap, and a rest 20 dB below."""
    draw = np.random.default_rng(7)
    levels = draw.normal(-2, 1, (BINS, frames))
    turns = draw.normal(0, 0.3, (BINS, frames))
    f0 = np.linspace(200, 100, frames)
    f0[:10] = f0[30:34] = f0[-10:] = 0
    loud = np.repeat([-100, 0, -100], [6, frames - 12, 6])
    parts = [levels + loud, turns, levels + loud + noise, levels + loud - 2.3, draw.uniform(-9, 9, (BINS, frames)), f0]
    return [part.astype(np.float32) for part in parts]


def as_frames(parts: list[NDArray[np.float32]], start: int = 0, stop: int | None = None) -> Frames:
    harmonics, turns, noise, rest, rest_turns = (part.T[start:stop] for part in parts[:5])
    levels = np.exp(np.concatenate([harmonics, noise, rest], axis=1))
    return Frames(levels, np.float32(0.5) * np.tanh(turns), rest_turns / np.float32(2 * np.pi), parts[5], start)


def db(signal: Any, error: Any) -> float:
    return float(10 * np.log10(np.square(signal).mean() / np.square(error).mean()))


def test_it_sounds_as_the_package_s_own() -> None:
    parts = spectra()
    own = dsp.synth(*parts, np.random.default_rng(0))
    assert len(own) == 60 * HOP
    assert db(own, own - waveform(as_frames(parts), np.random.default_rng(0))) > 55


def test_frames_from_the_middle_are_those_of_the_whole() -> None:
    parts = spectra()
    whole = waveform(as_frames(parts), np.random.default_rng(0))
    inner = waveform(as_frames(parts, 4, 57), np.random.default_rng(0))
    assert inner == pytest.approx(whole[4 * HOP : 57 * HOP], abs=1e-4)


def test_noise_is_as_loud_as_the_package_s_own() -> None:
    parts = spectra(200, noise=1.0)
    parts[0] -= 100
    own = dsp.synth(*parts, np.random.default_rng(0))
    assert db(own, waveform(as_frames(parts), np.random.default_rng(0))) == pytest.approx(0, abs=0.3)


def test_noise_is_fixed_by_its_generator() -> None:
    frames = as_frames(spectra(noise=0.0))
    first, again, other = (waveform(frames, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert db(first, first - other) < 10


def test_without_a_voice_there_are_no_pulses() -> None:
    parts = spectra()
    parts[5][:] = 0
    parts[3] -= 100
    assert np.abs(waveform(as_frames(parts), np.random.default_rng(0))).max() < 1e-30
