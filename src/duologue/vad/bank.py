"""A bank of states: one row for each live stream, all in one array, so that a batch is a single gather and scatter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.errors import InvalidAudioError, InvalidStateError, OverloadedError

__all__ = ["Bank"]


class Bank:
    """Rows of per-stream state, taken and given back, in an array that doubles as it fills, up to a bound.

    `blank` (width,) float32 is the state of a stream that has heard nothing. Raises OverloadedError from `open` where
    all `max_rows` are taken, and InvalidStateError where a row is named that is not open.
    """

    def __init__(self, blank: NDArray[np.float32], *, max_rows: int) -> None:
        if max_rows < 1:
            raise ValueError(f"a bank needs room for at least one row, and max_rows is {max_rows}")
        self._blank = blank
        self._max_rows = max_rows
        self._free: list[int] = []
        self._is_open = np.zeros(0, bool)
        self.state: NDArray[np.float32] = np.zeros((0, len(blank)), np.float32)
        """(capacity, width) float32; replaced by a larger one as the bank grows."""

    def open(self) -> int:
        """Take a row, blank."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._is_open[row] = True
        self.state[row] = self._blank
        return row

    def reset(self, row: int) -> None:
        """Make an open row blank again."""
        self._check(row)
        self.state[row] = self._blank

    def close(self, row: int) -> None:
        """Give a row back."""
        self._check(row)
        self._is_open[row] = False
        self._free.append(row)

    def check(self, rows: NDArray[np.intp], windows: NDArray[np.int16], window: int) -> None:
        """Raise unless `rows` (B,) are open and differ, and `windows` is (B, window) int16."""
        if rows.ndim != 1 or windows.shape != (len(rows), window) or windows.dtype != np.int16:
            raise InvalidAudioError(
                f"Windows of shape {windows.shape} and type {windows.dtype} came with rows of shape {rows.shape}.",
                hint=f"Give (B, {window}) int16 samples at 16 kHz with (B,) rows.",
            )
        named = rows.tolist()
        if len(set(named)) != len(named):
            raise InvalidStateError(
                "A batch names the same row twice.", hint="A stream has one next window: name it once."
            )
        for row in named:
            self._check(row)

    def _check(self, row: int) -> None:
        if not 0 <= row < len(self._is_open) or not self._is_open[row]:
            raise InvalidStateError(f"Row {row} is not open.", hint="Use a row from `open()` until `close(row)`.")

    def _grow(self) -> None:
        old = len(self.state)
        new = min(max(16, 2 * old), self._max_rows)
        if new == old:
            raise OverloadedError(f"All {self._max_rows} voice activity rows are taken.")
        state = np.zeros((new, len(self._blank)), np.float32)
        state[:old] = self.state
        self.state = state
        self._is_open = np.concatenate([self._is_open, np.zeros(new - old, bool)])
        self._free.extend(range(new - 1, old - 1, -1))
