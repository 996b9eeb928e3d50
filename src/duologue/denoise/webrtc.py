"""WebRTC's noise suppression: a spectral filter for steady noise, without weights.

Source: WebRTC's `modules/audio_processing/ns`, in the package pywebrtc-audio 0.2 (Apache-2.0; WebRTC's own code BSD-3).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.errors import ConfigError, NotInstalledError

__all__ = ["WebRtcDenoiser"]

FRAME: Final = RATE // 100
"""Samples in 10 ms, which it filters at a time."""
FILTER_DELAY: Final = 96
"""Samples by which its filter lags: the overlap of its spectra."""


class WebRtcDenoiser:
    """Noise suppression of 6 to 21 dB for one call, delayed by 14 ms.

    `level`: 0 to 3 for 6, 12, 18 and 21 dB at most. Raises NotInstalledError where pywebrtc-audio is missing.
    """

    name = "webrtc"
    delay: int = FILTER_DELAY + 128

    def __init__(self, *, level: int = 1) -> None:
        if level not in (0, 1, 2, 3):
            raise ConfigError(f"level is {level!r}; expected 0, 1, 2 or 3.")
        try:
            from pywebrtc_audio import NoiseSuppressor
        except ImportError as error:
            raise NotInstalledError(
                "WebRTC's noise suppression needs pywebrtc-audio, which is missing.",
                hint="pip install 'duologue[denoise]'",
            ) from error
        self._filter: Any = NoiseSuppressor(RATE, 1, level)
        self._waiting = np.zeros(0, np.int16)
        """Less than a frame, which the next piece completes."""
        self._ready = self._silence()
        """Filtered, and not returned yet."""

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the next piece, as long as `samples`, which are (n,) int16 at 16 kHz, a multiple of 32."""
        given = np.concatenate((self._waiting, samples))
        whole = len(given) // FRAME * FRAME
        self._waiting = given[whole:]
        ready = np.concatenate((self._ready, self._filter.process(given[:whole]))) if whole else self._ready
        self._ready = ready[len(samples) :]
        return ready[: len(samples)]

    def reset(self) -> None:
        """Forget what was heard, as after a gap; what it knows of the noise, too."""
        self._filter.reset()
        self._waiting = np.zeros(0, np.int16)
        self._ready = self._silence()

    def _silence(self) -> NDArray[np.int16]:
        # Pieces of a multiple of 32 samples leave up to 128 waiting; with so many ahead each can be returned whole.
        return np.zeros(self.delay - FILTER_DELAY, np.int16)
