"""The input of a call whose noise is suppressed: each window is filtered when it is read to be scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.conversation.inputs import Gap
from duologue.denoise import Denoiser, make_denoiser
from duologue.session.config import SessionConfig
from duologue.session.input_buffer import InputBuffer

__all__ = ["DenoisedInput", "input_of"]


def input_of(config: SessionConfig, window: int) -> InputBuffer:
    """The input of a session whose detector scores `window` samples. Raises ConfigError or NotInstalledError."""
    max_bytes, max_lag = config.max_buffer_bytes, int(config.max_input_lag * RATE)
    if config.denoise:
        return DenoisedInput(make_denoiser(config.denoise), window=window, max_bytes=max_bytes, max_lag=max_lag)
    return InputBuffer(window=window, max_bytes=max_bytes, max_lag=max_lag)


class DenoisedInput(InputBuffer):
    """An InputBuffer that holds denoised audio up to its position, and audio as it came from there on.

    So the detector, the recognizer, a responder that hears audio and a recording get the same samples.
    """

    def __init__(self, denoiser: Denoiser, *, window: int, max_bytes: int, max_lag: int) -> None:
        super().__init__(window=window, max_bytes=max_bytes, max_lag=max_lag)
        self._denoiser = denoiser

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` without its noise, and go past it."""
        start = self.position
        super().read_window(out)
        cleaned = self._denoiser.process(out)
        out[:] = cleaned
        self.replace(start, cleaned)

    def next_gap(self) -> Gap | None:
        """The gap before the next whole window; what was heard before it says nothing of what comes after."""
        gap = super().next_gap()
        if gap is not None:
            self._denoiser.reset()
        return gap
