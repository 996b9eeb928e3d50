"""Models asked once: the same sound is played under many settings, and what a model says of it does not change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from duologue.errors import InvalidStateError
from duologue.stt import SttModel
from duologue.turn import TurnModel
from duologue.vad import VoiceActivityDetector

__all__ = ["RememberedSpeechToText", "RememberedTurnModel", "RememberedVad"]

Samples = NDArray[np.float32]
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class _Model(Protocol[R_co]):
    def run(self, items: Sequence[Samples]) -> Sequence[R_co]: ...


class _Memory(Generic[R]):
    """Answers by the bytes of the sound; each sound is asked by itself, so that batches cannot change a word."""

    def __init__(self, model: _Model[R]) -> None:
        self._model = model
        self._answers: dict[bytes, R] = {}
        self._lock = Lock()

    def run(self, items: Sequence[Samples]) -> list[R]:
        return [self._one(item) for item in items]

    def _one(self, item: Samples) -> R:
        key = hashlib.blake2b(item.tobytes(), digest_size=16).digest()
        with self._lock:
            if key in self._answers:
                return self._answers[key]
        (answer,) = self._model.run([item])
        with self._lock:
            self._answers[key] = answer
        return answer


class RememberedSpeechToText:
    """An SttModel that is asked once for each stretch of sound; one for each item, so that little is kept."""

    def __init__(self, model: SttModel) -> None:
        self.name = model.name
        self.languages = model.languages
        self.max_batch = model.max_batch
        self.min_partial_s = model.min_partial_s
        self.size = model.size
        self._memory: _Memory[str] = _Memory(model)

    def run(self, items: Sequence[Samples]) -> list[str]:
        """The words of each item."""
        return self._memory.run(items)


class RememberedTurnModel:
    """A TurnModel that is asked once for each stretch of sound; one for each item."""

    def __init__(self, model: TurnModel) -> None:
        self.name = model.name
        self.max_batch = model.max_batch
        self.size = model.size
        self._memory: _Memory[float] = _Memory(model)

    def run(self, items: Sequence[Samples]) -> list[float]:
        """The probability for each item."""
        return self._memory.run(items)


class RememberedVad:
    """A detector for one sound, played again and again from its start: each `open` rewinds.

    The first time through, the real detector scores; its state depends on nothing but the sound, so later runs have its
    scores. Raises InvalidStateError for a second stream at once, and for a reset, which would change that state.
    """

    def __init__(self, vad: VoiceActivityDetector) -> None:
        self.name = vad.name
        self.window = vad.window
        self._vad = vad
        self._row = vad.open()
        self._scores: list[float] = []
        self._at: int | None = None

    def open(self) -> int:
        """Start again at the first window."""
        if self._at is not None:
            raise InvalidStateError("A sound that is remembered is played to one stream at a time.")
        self._at = 0
        return 0

    def reset(self, row: int) -> None:
        """Never happens: recorded sound has no gaps."""
        raise InvalidStateError("A sound that is remembered has no gaps.")

    def close(self, row: int) -> None:
        """The run is over."""
        self._at = None

    def forget(self) -> None:
        """Give the real detector's row back; the last call."""
        self._vad.close(self._row)

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """The score of the next window, (1,)."""
        if self._at is None or len(windows) != 1:
            raise InvalidStateError("A sound that is remembered is played to one stream at a time.")
        if self._at == len(self._scores):
            real: Any = self._vad.score(np.array([self._row], np.intp), windows)
            self._scores.append(float(real[0]))
        self._at += 1
        return np.array([self._scores[self._at - 1]], np.float32)
