"""Words asked for once: the same sound is played under many settings, and what is understood of it does not change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from duologue.stt import SttModel

__all__ = ["RememberedSpeechToText"]


class RememberedSpeechToText:
    """An SttModel that is asked once for each stretch of sound, by itself, so that batches cannot change a word.

    One for each item, so that little is kept.
    """

    def __init__(self, model: SttModel) -> None:
        self.name = model.name
        self.languages = model.languages
        self.max_batch = model.max_batch
        self.min_partial_s = model.min_partial_s
        self.size = model.size
        self._model = model
        self._answers: dict[bytes, str] = {}
        self._lock = Lock()

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words of each item."""
        return [self._one(item) for item in items]

    def _one(self, item: NDArray[np.float32]) -> str:
        key = hashlib.blake2b(item.tobytes(), digest_size=16).digest()
        with self._lock:
            if key in self._answers:
                return self._answers[key]
        (answer,) = self._model.run([item])
        with self._lock:
            self._answers[key] = answer
        return answer
