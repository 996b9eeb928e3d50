"""Voice activity from loudness alone: what is louder than the quietest recent moment. For tests and tiny machines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import WINDOW
from duologue.vad.bank import Bank

__all__ = ["Energy"]

HISTORY = 47
"""Windows (1.5 s) whose quietest is the noise floor: longer than a vowel, shorter than a phrase without any pause."""
STARTING_DB = -45.0
"""The floor of a stream of which nothing is known, dBFS."""
LOWEST_DB = -60.0
"""No floor is taken to be below this, so that a whisper of line noise after digital silence is not speech."""
EXCESS_DB = 9.0
"""Above the floor by this much, speech and noise are equally likely."""
SLOPE_DB = 1.5


class Energy:
    """A voice activity detector without a model: the level of a window against the lowest of the last 1.5 s.

    Sound that stays steady, whether a tone, a hum, noise or clipping, is speech for 1.5 s and floor from then on; a DC
    offset counts for nothing. It cannot tell a voice from a door. A row's score depends on nothing but its own stream,
    to the last bit. Raises OverloadedError from `open` beyond `max_rows`.
    Source: minimum statistics, Martin 2001, doi 10.1109/89.928915, without its smoothing.
    """

    name = "energy"
    window = WINDOW

    def __init__(self, *, max_rows: int = 4096) -> None:
        self._bank = Bank(np.full(HISTORY, STARTING_DB, np.float32), max_rows=max_rows)

    def open(self) -> int:
        """Take a row for a new stream, with a floor of -45 dBFS."""
        return self._bank.open()

    def reset(self, row: int) -> None:
        """Forget what the stream heard, as after a gap."""
        self._bank.reset(row)

    def close(self, row: int) -> None:
        """Give the row back."""
        self._bank.close(row)

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """How far each window stands out from its stream's noise floor, as a probability.

        `rows` (B,) names the streams, each once; `windows` (B, 512) int16 holds their next samples at 16 kHz. Returns
        (B,) float32. Raises InvalidStateError for rows that are not open or are named twice, and InvalidAudioError for
        windows of another shape or type.
        """
        self._bank.check(rows, windows, WINDOW)
        samples = windows.astype(np.float32) / 32768
        power = np.maximum(samples.var(axis=1), 1e-9)
        level = 10 * np.log10(power)
        history = self._bank.state[rows]
        history[:, :-1] = history[:, 1:]
        history[:, -1] = level
        self._bank.state[rows] = history
        floor = np.maximum(history.min(axis=1), LOWEST_DB)
        scores: NDArray[np.float32] = 1 / (1 + np.exp((EXCESS_DB - (level - floor)) / SLOPE_DB))
        return scores.astype(np.float32, copy=False)
