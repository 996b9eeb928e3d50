"""WebRTC's voice activity detector: small, without weights, and quick to call noise speech.

Source: WebRTC's `common_audio/vad`, in the package webrtcvad-wheels 2.0.14 (MIT).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.errors import ConfigError, NotInstalledError
from duologue.vad.bank import Bank

try:
    import webrtcvad
except ImportError as _error:
    raise NotInstalledError(
        "WebRTC's detector needs webrtcvad, which is missing.", hint="pip install 'duologue[webrtc]'"
    ) from _error

__all__ = ["WebRtcVad"]

FRAME: Final = RATE // 100
"""Samples in 10 ms, the shortest frame that it judges."""


class WebRtcVad:
    """A voice activity detector that judges each 10 ms, speech or none; a window's score is the share of speech.

    It needs no model file. It takes loud noise for speech far more often than Silero:
    docs/providers/webrtc.md has figures.

    Args:
        mode: How strict it is, from 0 (most is speech) to 3 (least is).
        max_rows: The most streams.
    """

    name = "webrtc"
    window = WINDOW

    def __init__(self, *, mode: int = 2, max_rows: int = 4096) -> None:
        if mode not in (0, 1, 2, 3):
            raise ConfigError(f"mode is {mode!r}; expected 0, 1, 2 or 3.")
        self._mode = mode
        self._bank = Bank(np.zeros(1, np.float32), max_rows=max_rows)
        self._streams: dict[int, tuple[Any, NDArray[np.int16]]] = {}
        """By row: the detector of the stream, and the samples that are left of its last window."""

    def open(self) -> int:
        """Take a row for a new stream. Raises OverloadedError beyond `max_rows`."""
        row = self._bank.open()
        self._streams[row] = self._blank()
        return row

    def reset(self, row: int) -> None:
        """Forget what the stream heard, as after a gap."""
        self._bank.reset(row)
        self._streams[row] = self._blank()

    def close(self, row: int) -> None:
        """Give the row back."""
        self._bank.close(row)
        del self._streams[row]

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """The share of each window's 10 ms frames that is speech.

        `rows` (B,) names the streams, each once; `windows` (B, 512) int16 holds their next samples at 16 kHz. Returns
        (B,) float32. Raises InvalidStateError for rows that are not open or are named twice, and InvalidAudioError for
        windows of another shape or type.
        """
        self._bank.check(rows, windows, WINDOW)
        scores = np.empty(len(rows), np.float32)
        for i, row in enumerate(rows.tolist()):
            detector, rest = self._streams[row]
            samples = np.concatenate((rest, windows[i]))
            frames = len(samples) // FRAME
            pcm = samples.tobytes()
            size = 2 * FRAME
            speech = sum(detector.is_speech(pcm[at : at + size], RATE) for at in range(0, frames * size, size))
            scores[i] = speech / frames
            self._streams[row] = (detector, samples[frames * FRAME :])
        return scores

    def _blank(self) -> tuple[Any, NDArray[np.int16]]:
        return webrtcvad.Vad(self._mode), np.zeros(0, np.int16)
