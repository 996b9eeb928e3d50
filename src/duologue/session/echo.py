"""What of the microphone's sound is our own voice coming back."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from duologue.audio.echo import EchoEstimator
from duologue.audio.format import FRAME, RATE
from duologue.audio.resample import Resampler

__all__ = ["EchoGuard"]

TAIL = RATE // 2
"""Samples after the agent's last frame in which its echo may still arrive."""
ALERT = 2 * RATE
"""Samples after an echo in which every window is looked at, and freed of it, before it is understood."""
UNSURE = round(0.7 * RATE)
"""If the first possible speech comes this soon after the agent's first audio in a call..."""
LEARNING = 10
"""...it is not decided whose it is for so many windows of it: as many as it takes to find the delay of an echo..."""
SURE = 0.75
"""...or until playout explains this share of it..."""
SURE_ECHOES = 3
"""...in so many windows in a row: by chance it explains less, and not for long..."""
NOT_HEARD = 12
"""...or until so many windows of the agent's audio left no echo..."""
LONGEST_DOUBT = RATE
"""...and for at most so many samples."""
ECHOES = 4
"""Windows of echo in a row that make sure that there is one."""
PROVEN = 47
"""Where our own voice was not heard for so many windows, 1.5 s..."""
LOUDER = 16.0
"""...what has so many times the energy of the loudest of them (12 dB) is no echo: chance often explains a piece of the
user's voice."""
NEWEST = 8
"""The newest of them do not count as that: words often begin in windows that do not seem to be speech."""
MOST_NOTED = 1.5
"""Seconds of frames that are kept as they were sent: as long as the estimator remembers."""


class EchoGuard:
    """Keeps what was played in line with what is heard.

    It costs nothing while the agent is silent, and next to nothing while only the agent speaks: frames are kept as they
    were sent, and brought to the microphone's rate when something is to be explained by them. `chunk` is how
    long a frame is, in seconds.
    """

    def __init__(self, rate: int, threshold: float, chunk: float = FRAME) -> None:
        self._rate = rate
        self._threshold = threshold
        self._echo_estimator: EchoEstimator | None = None
        self._resampler: Resampler | None = None
        self._noted: deque[tuple[int, bytes]] = deque(maxlen=math.ceil(MOST_NOTED / chunk))
        """Position and frame of audio that the estimator has not got yet."""
        self._next = self._until = 0
        self._sounding = False
        self._held = np.zeros(0, np.int16)
        """What was sent and did not sound before the client paused."""
        self._alert_until = 0
        self._echoes = 0
        self._first: int | None = None
        """Where our first sound could be heard, while nothing else was."""
        self._doubt_until = 0
        """Position up to which it is unknown whether the input is an echo, unless it is known before."""
        self._measured = self._silent = self._sure = 0
        """Windows since the doubt began: those that may be speech, others, and the surest echoes in a row."""
        self._unheard = 0
        """Windows without speech while we sounded, since there was last an echo."""
        self._loudest = 0.0
        """The energy of the loudest of them, the newest left out..."""
        self._newest: deque[float] = deque(maxlen=NEWEST)
        """...and the energies of those."""

    def played(self, pos: int, frame: bytes) -> None:
        """Note a frame of the agent's audio, sent when the input was at `pos`."""
        if self._echo_estimator is None:
            self._echo_estimator = EchoEstimator()
            self._first = pos
        start = max(pos, self._next)
        self._noted.append((start, frame))
        self._sounds_until(start + self._samples(frame))

    def paused(self, pos: int) -> None:
        """Note that the client fell silent when the input was at `pos`, and keeps what has not sounded."""
        if self._echo_estimator is not None:
            self._tell()
            self._held = self._echo_estimator.take_back(pos)
            self._next = pos

    def resumed(self, pos: int) -> None:
        """Note that the client resumed playback."""
        held, self._held = self._held, self._held[:0]
        if len(held):
            assert self._echo_estimator is not None, "it held them"
            start = max(pos, self._next)
            self._echo_estimator.play(start, held)
            self._sounds_until(start + len(held))

    def flushed(self, pos: int) -> None:
        """Note that the client fell silent, and forgot what had not sounded."""
        self.paused(pos)
        self._held = self._held[:0]

    def _samples(self, frame: bytes) -> int:
        return len(frame) // 2 * RATE // self._rate

    def _sounds_until(self, pos: int) -> None:
        self._next, self._until = pos, pos + TAIL
        self._sounding = True

    def _tell(self) -> None:
        """Tell the estimator what was noted; frames that follow each other as one piece."""
        assert self._echo_estimator is not None, "noted frames are for it"
        if self._resampler is None:
            self._resampler = Resampler(self._rate, RATE)
        while self._noted:
            start, frame = self._noted.popleft()
            piece, end = [frame], start + self._samples(frame)
            while self._noted and self._noted[0][0] == end:
                piece.append(self._noted.popleft()[1])
                end += self._samples(piece[-1])
            self._echo_estimator.play(start, np.frombuffer(self._resampler.process(b"".join(piece)), np.int16))

    def active(self, pos: int) -> bool:
        """True while our own voice may be in what is heard at `pos`; the playout is forgotten when that is over."""
        if self._echo_estimator is not None and self._sounding and pos >= self._until:
            self._echo_estimator.stop()
            self._noted.clear()
            self._sounding = False
        return self._sounding

    def alert(self, pos: int) -> bool:
        """True if an echo was heard shortly before `pos`: there may be some of it in every window."""
        return pos < self._alert_until

    def unheard(self, end: int, mic: NDArray[np.int16]) -> None:
        """Note that `mic`, the window that ends at `end`, is no speech; to be called while `active`."""
        if end <= self._next:
            self._silent += 1
            self._unheard += 1
            if len(self._newest) == NEWEST:
                self._loudest = max(self._loudest, self._newest[0])
            self._newest.append(_energy(mic))

    def echo_ratio(self, end: int, mic: NDArray[np.int16], is_speech: bool) -> float:
        """The share of the energy of `mic`, the window that ends at `end`, that our own voice explains; 0 to 1.

        To be asked while `active` for the windows that may be speech, and for all while `alert`; the others need no
        explanation, and this costs more than all else that is done for a window. `is_speech`: it may be speech. Where
        our voice went `unheard` for long, nothing is explained of what is much louder.
        """
        assert self._echo_estimator is not None, "asked only while active"
        self._tell()
        share = self._echo_estimator.echo_ratio(end, mic)
        if not is_speech:
            return share
        if self._first is not None:
            if end < self._first + UNSURE:
                self._doubt_until = end + LONGEST_DOUBT
                self._measured = self._silent = self._sure = 0
            self._first = None
        self._measured += 1
        if self._sure < SURE_ECHOES:
            self._sure = self._sure + 1 if share >= SURE else 0
        self._echoes = self._echoes + 1 if share >= self._threshold else 0
        if self._echoes >= ECHOES:
            self._alert_until = end + ALERT
            self._unheard, self._loudest = 0, 0.0
            self._newest.clear()
        elif self._unheard >= PROVEN and _energy(mic) > LOUDER * self._loudest:
            return 0.0
        return share

    def in_doubt(self, end: int) -> bool:
        """True while it is undecided whether speech in the window that ends at `end` is the agent's echo."""
        if end < self._doubt_until and (self.is_heard or self._measured >= LEARNING or self._silent >= NOT_HEARD):
            self._doubt_until = 0
        return end < self._doubt_until

    @property
    def is_heard(self) -> bool:
        """True if speech that was in doubt was our own echo."""
        return self._sure >= SURE_ECHOES

    @property
    def residual(self) -> NDArray[np.int16]:
        """The last window that was given to `echo_ratio`, without its echo."""
        assert self._echo_estimator is not None, "read only after `echo_ratio`"
        return self._echo_estimator.residual


def _energy(mic: NDArray[np.int16]) -> float:
    samples = mic.astype(np.float32)
    return float(samples @ samples)
