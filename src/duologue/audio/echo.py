"""Estimates how much of the microphone's audio is echo: our own playout, which came back through the air or the line.

The estimate is good enough to distinguish a user who interrupts from the agent's own voice. It is no echo canceller.
The delay is the peak of a generalized cross-correlation (Knapp and Carter 1976) between playout and microphone,
summed over time. Around the delay a short FIR filter is fitted by recursive least squares. It predicts the echo; the
rest of the microphone's audio is not explained by playout.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.errors import InvalidAudioError

__all__ = ["EchoEstimator"]

_PARTS: Final = 16
"""Windows of delay that are searched: 16 are 512 ms."""
_RING: Final = 24576
_TAPS: Final = 48
_AHEAD: Final = 12
"""Taps before the peak, whose position is known to two samples only, and which may be smeared."""
_BAND: Final = slice(6, 257)
"""Bins of a transform over two windows, 94 to 4000 Hz: speech, without hum and hiss."""
_WHITEN: Final = 0.8
"""0 is plain cross-correlation, which follows pitch; 1 is the phase transform, which follows noise."""
_KEEP_PEAK: Final = 0.9
_KEEP_FIT: Final = 0.95
_KEEP_ENERGY: Final = 0.4
"""The share of each running sum that is kept from one window to the next."""
_BETTER: Final = 1.3
"""The peak of a new delay must exceed that of the present delay by this factor."""
_LEAK: Final = 0.12
"""Share of an echo's energy that is reverberation, which the filter cannot predict."""
_KEEP_LEAK: Final = 0.5
"""Share of that energy that is left after a window: 0.3 s of reverberation."""
_SURE: Final = 0.8
"""If the last ratio was at least this, the delay is searched for only in one of `_LOOK_EVERY` windows."""
_LOOK_EVERY: Final = 4
_FOREIGN: Final = 0.5
"""The filter does not learn from a window of which it leaves more than this share, because the user speaks in it."""
_MAX_FOREIGN_WINDOWS: Final = 16
"""After this many such windows in a row the filter learns again: then the echo has probably changed."""
_TAUGHT: Final = 24
"""Windows from which the filter has to learn before any window is left out."""
_PROVEN: Final = 4
"""So many windows in a row with a ratio of `_SURE` are an echo, whose level is learned: chance explains fewer."""
_KEEP_GAIN: Final = 0.9
"""The share of the learned level that is kept from one such window to the next."""
_LOUDER: Final = 1.5
"""An echo seldom has more than so many times its usual energy (2 dB)."""
_FAINT: Final = 0.7
"""The ratio of a window that is no louder than an echo of the playout would be, if the filter predicts less of it."""
_REACH: Final = 3
"""Windows of playout whose loudest tells how loud an echo would be: reverberation follows what is loud."""
_RIDGE: Final = 1e-3
_PRIOR: Final = 1e5
"""Regularizes the fit while playout is quiet: the energy of one window at -67 dBFS."""
_FLOOR_RISE: Final = 1.04
"""The factor by which the estimate of the background noise may grow in each window."""
_FLOOR_START: Final = WINDOW * 16.0**2
"""The first estimate of the background noise: -66 dBFS, so that a user who speaks first is not taken for noise."""
_EYE: Final = np.eye(_TAPS, dtype=np.float32)


class EchoEstimator:
    """Estimates which fraction of the microphone's energy is echo of one session's playout.

    Playout is remembered for 1.5 s. Its memory (about 80 kB) is allocated at the first `play` and freed by `stop`; what
    was learned about the echo stays for the next time (30 kB). Not thread-safe.
    """

    __slots__ = (
        "_cross",
        "_delay",
        "_floor",
        "_foreign",
        "_gain",
        "_gram",
        "_heard",
        "_left",
        "_looked",
        "_peaks",
        "_playout",
        "_rest",
        "_room",
        "_run",
        "_seen",
        "_share",
        "_softened",
        "_spectra",
        "_taps",
        "_taught",
    )

    def __init__(self) -> None:
        self._playout: _Playout | None = None
        self._spectra = np.zeros((0, 0), np.complex64)  # of the last windows of playout, newest first
        self._seen = -1  # position after the last window
        self._peaks = np.zeros(0, np.float32)  # correlation by delay, in steps of two samples
        self._delay = 0
        self._gram = np.zeros((0, 0), np.float32)
        self._cross = np.zeros(0, np.float32)
        self._floor = _FLOOR_START
        self._heard = self._left = 0.0  # energy of the microphone, and the part of it that is not explained
        self._room = 0.0  # energy of the reverberation
        self._share = 0.0
        self._softened = 0.0  # the ratio that was returned last
        self._run = 0  # windows in a row that are surely echo
        self._gain = 0.0  # energy of the echo as a share of the playout's; 0 until there was an echo
        self._rest = np.zeros(0, np.float32)
        self._looked = 0
        self._taps: NDArray[np.float32] | None = None
        self._taught = 0  # windows from which the filter has learned
        self._foreign = 0  # windows in a row from which it did not learn

    @property
    def residual(self) -> NDArray[np.int16]:
        """The last window (512,) without its echo, and softer the larger the share of echo was."""
        soft = self._rest * (1.0 - self._softened)
        left: NDArray[np.int16] = np.clip(np.rint(soft), -32768, 32767).astype(np.int16)
        return left

    @property
    def delay(self) -> float:
        """Seconds from playout to its echo, as estimated now; 0 before the first echo."""
        return self._delay / RATE

    def play(self, pos: int, samples: NDArray[np.int16]) -> None:
        """Record that playout (n,) at 16 kHz was handed out so that it begins at the input position `pos`.

        It replaces what was recorded from `pos` on: with no samples, it takes back what was not played. Gaps between
        pieces count as silence. At most 0.8 s may be recorded ahead of the microphone.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise InvalidAudioError(
                f"Samples are one-dimensional int16, not {samples.ndim}-dimensional {samples.dtype}."
            )
        if self._playout is None:
            self._playout = _Playout(pos)
            if not len(self._peaks):
                self._peaks = np.zeros(_PARTS * WINDOW // 2, np.float32)
                self._gram = np.zeros((_TAPS, _TAPS), np.float32)
                self._cross = np.zeros(_TAPS, np.float32)
        self._playout.put(pos, samples)

    def take_back(self, pos: int) -> NDArray[np.int16]:
        """Forget the playout from `pos` on, because it was not played after all, and return it (n,)."""
        if self._playout is None or pos >= self._playout.end:
            return np.zeros(0, np.int16)
        taken = self._playout.read(pos, self._playout.end).astype(np.int16)
        self._playout.put(pos, taken[:0])
        return taken

    def stop(self) -> None:
        """Forget the playout: `echo_ratio` is 0 until the next `play`.

        Call it when the last echo has come in, about 0.5 s after the last audio was played.
        """
        self._playout = None
        self._spectra = np.zeros((0, 0), np.complex64)
        self._seen = -1

    def echo_ratio(self, pos_end: int, mic: NDArray[np.int16]) -> float:
        """Return the fraction, 0 to 1, of the microphone's audio before `pos_end` that is echo of the playout.

        `mic` (512,) is the window that ends at `pos_end`. The ratio also takes the windows just before into account, so
        call it for each window in order while the agent can be heard. Background noise does not count. For silence the
        ratio is 1; without playout it is 0. Raises InvalidAudioError unless `mic` is one window.
        """
        if mic.dtype != np.int16 or mic.shape != (WINDOW,):
            raise InvalidAudioError(f"A window is ({WINDOW},) int16, not {mic.shape} {mic.dtype}.")
        if self._playout is None or not self._playout.reaches(pos_end):
            return 0.0
        heard = mic.astype(np.float32)
        heard -= heard.mean()
        self._follow(self._playout, pos_end)
        self._looked += 1
        if self._share < _SURE or self._looked >= _LOOK_EVERY:
            self._looked = 0
            self._find_delay(heard)
        echo = self._predict(self._playout, pos_end, heard)
        self._rest = left = heard - echo
        energy = float(heard @ heard)
        self._share = share = self._weigh(energy, float(left @ left), float(echo @ echo))
        self._softened = self._at_least_faint(share, energy, self._playout.loudest(pos_end - self._delay))
        return self._softened

    def _at_least_faint(self, share: float, energy: float, playout: float) -> float:
        """Return the ratio of a window with this energy, at least `_FAINT` if it is no louder than the echo has been.

        The filter loses an echo for a few windows when its delay changes or when something else has disturbed it. The
        level of an echo stays. `playout` is the energy of the loudest window that may be heard.
        """
        self._run = self._run + 1 if share >= _SURE else 0
        if self._run >= _PROVEN and playout > _PRIOR:
            gain = energy / playout
            self._gain = _KEEP_GAIN * self._gain + (1 - _KEEP_GAIN) * gain if self._gain else gain
        return max(share, _FAINT) if energy <= _LOUDER * self._gain * playout else share

    def _follow(self, playout: _Playout, pos_end: int) -> None:
        if pos_end == self._seen + WINDOW:
            self._spectra[1:] = self._spectra[:-1]
            self._spectra[0] = np.fft.rfft(playout.read(pos_end - 2 * WINDOW, pos_end))[_BAND]
        else:
            windows = sliding_window_view(playout.read(pos_end - (_PARTS + 1) * WINDOW, pos_end), 2 * WINDOW)
            self._spectra = np.fft.rfft(windows[::-WINDOW])[:, _BAND].astype(np.complex64)
            self._heard = self._left = self._room = 0.0
        self._seen = pos_end

    def _find_delay(self, heard: NDArray[np.float32]) -> None:
        cross = self._spectra * np.fft.rfft(heard, 2 * WINDOW)[_BAND].conj()
        cross /= np.abs(cross) ** _WHITEN + 1
        padded = np.zeros((_PARTS, WINDOW // 2 + 1), np.complex64)
        padded[:, _BAND] = cross
        # Overlap-save: in each part's circular correlation the lags 1 to WINDOW / 2 are valid; longest delay first.
        lags = np.fft.irfft(padded)[:, WINDOW // 2 : 0 : -1]
        self._peaks *= _KEEP_PEAK
        self._peaks += lags.reshape(-1)

        best = int(self._peaks.argmax())
        now = self._delay // 2
        if abs(best - now) > 2 and self._peaks[best] > _BETTER * self._peaks[max(0, now - 1) : now + 2].max():
            self._delay = 2 * best
            self._gram[:] = 0
            self._cross[:] = 0
            self._taught = 0

    def _predict(self, playout: _Playout, pos_end: int, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        end = pos_end - self._delay + _AHEAD
        delayed = sliding_window_view(playout.read(end - WINDOW - _TAPS + 1, end), _TAPS).copy()
        if self._taps is not None and self._taught >= _TAUGHT:
            echo: NDArray[np.float32] = delayed @ self._taps
            left = heard - echo
            if self._share >= _SURE:
                self._foreign = 0
            if left @ left > _FOREIGN * (heard @ heard) and self._foreign < _MAX_FOREIGN_WINDOWS:
                self._foreign += 1
                return echo
        self._taught += 1
        self._gram *= _KEEP_FIT
        self._gram += delayed.T @ delayed
        self._cross *= _KEEP_FIT
        self._cross += heard @ delayed
        ridge = _RIDGE * self._gram.trace() / _TAPS + _PRIOR
        self._taps = np.linalg.solve(self._gram + ridge * _EYE, self._cross)
        return delayed @ self._taps

    def _weigh(self, heard: float, left: float, echo: float) -> float:
        self._floor = min(self._floor * _FLOOR_RISE, max(left, 1.0))
        self._room = _KEEP_LEAK * self._room + echo
        self._heard = _KEEP_ENERGY * self._heard + max(0.0, heard - self._floor)
        self._left = _KEEP_ENERGY * self._left + max(0.0, left - self._floor - _LEAK * self._room)
        return 1.0 - min(1.0, self._left / self._heard) if self._heard > 0 else 1.0


class _Playout:
    """The last 1.5 s of playout by position; zeros where there was none."""

    __slots__ = ("_first", "_samples", "end")

    def __init__(self, pos: int) -> None:
        self._first = self.end = pos
        self._samples = np.zeros(_RING, np.int16)

    def put(self, pos: int, samples: NDArray[np.int16]) -> None:
        if not self._first <= pos <= self.end + _RING:
            self._first = self.end = pos
        if pos > self.end:
            self._store(self.end, np.zeros(pos - self.end, np.int16))
        self._store(pos, samples)

    def _store(self, pos: int, samples: NDArray[np.int16]) -> None:
        self.end = pos + len(samples)
        self._first = max(self._first, self.end - _RING)
        samples = samples[-_RING:]
        at = (self.end - len(samples)) % _RING
        head = samples[: _RING - at]
        self._samples[at : at + len(head)] = head
        self._samples[: len(samples) - len(head)] = samples[len(head) :]

    def reaches(self, pos: int) -> bool:
        """Return whether any playout could be heard in the window before `pos`."""
        return self._first < pos and self.end > pos - (_PARTS + 1) * WINDOW

    def loudest(self, end: int) -> float:
        """Return the energy of the loudest of the last windows before `end`."""
        windows = self.read(end - _REACH * WINDOW, end).reshape(_REACH, WINDOW)
        return float(np.einsum("ij,ij->i", windows, windows).max())

    def read(self, start: int, end: int) -> NDArray[np.float32]:
        out = np.zeros(end - start, np.float32)
        low, high = max(start, self._first), min(end, self.end)
        if low < high:
            at = low % _RING
            cut = min(high - low, _RING - at)
            out[low - start : low - start + cut] = self._samples[at : at + cut]
            out[low - start + cut : high - start] = self._samples[: high - low - cut]
        return out
