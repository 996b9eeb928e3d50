"""A call with denoise hears each window without its noise, and a call without has nothing of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.denoise import make_denoiser
from duologue.errors import ConfigError, NotInstalledError
from duologue.server.application import Application
from duologue.session import SessionConfig
from duologue.session.denoised_input import DenoisedInput, input_of
from duologue.session.input_buffer import InputBuffer
from duologue.testing.agents import ScriptedAgent

WINDOW = 512


class Halving:
    """In the place of a filter: halves each sample, and notes when it forgets."""

    name = "halving"
    delay = 0

    def __init__(self) -> None:
        self.resets = 0

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        halves: NDArray[np.int16] = samples // 2
        return halves

    def reset(self) -> None:
        self.resets += 1


def ramp(windows: int) -> NDArray[np.int16]:
    return np.arange(windows * WINDOW, dtype=np.int16)


def test_what_is_scored_is_what_is_recognized_later() -> None:
    hearing = DenoisedInput(Halving(), window=WINDOW, max_bytes=100_000, max_lag=16_000)
    hearing.write(ramp(3).tobytes())
    out = np.zeros(WINDOW, np.int16)
    hearing.read_window(out)
    hearing.read_window(out)
    assert np.array_equal(out, ramp(2)[WINDOW:] // 2)
    assert np.array_equal(hearing.read(0, 2 * WINDOW), ramp(2) // 2)
    assert np.array_equal(hearing.read(2 * WINDOW, 3 * WINDOW), ramp(3)[2 * WINDOW :])  # not scored yet
    assert hearing.position == 2 * WINDOW


def test_a_gap_is_forgotten_and_no_gap_is_not() -> None:
    filter_ = Halving()
    hearing = DenoisedInput(filter_, window=WINDOW, max_bytes=100_000, max_lag=16_000)
    hearing.write(ramp(1).tobytes())
    assert hearing.next_gap() is None
    hearing.read_window(np.zeros(WINDOW, np.int16))
    assert filter_.resets == 0
    hearing.skip(1_000, "lost")
    gap = hearing.next_gap()
    assert gap is not None
    assert (gap.start, gap.end, filter_.resets) == (WINDOW, WINDOW + 1_000, 1)


def test_it_is_off_by_default_and_costs_nothing_then() -> None:
    assert type(input_of(SessionConfig(), WINDOW)) is InputBuffer
    assert type(input_of(SessionConfig(denoise="webrtc"), WINDOW)) is DenoisedInput
    assert make_denoiser("webrtc").delay == 224


def test_a_server_finds_out_at_its_start_that_it_cannot_denoise(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no denoiser 'krisp'"):
        Application(ScriptedAgent, say=lambda _: None, config=SessionConfig(denoise="krisp"))
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    with pytest.raises(NotInstalledError, match="denoise"):
        Application(ScriptedAgent, say=lambda _: None, config=SessionConfig(denoise="webrtc"))
