"""Smart Turn v3.2: whether a turn has ended, from the melody of its last eight seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.errors import InvalidAudioError, NotInstalledError, ProviderError
from duologue.graph import open_session
from duologue.turn.install import HOW_TO_INSTALL, smart_turn_path
from duologue.turn.log_mel import log_mel

__all__ = ["SmartTurn"]


class SmartTurn:
    """The Smart Turn model on one thread; any number of threads may call it at once.

    A judgement costs the same whatever the length of the turn, and batches save nothing: 1 to 9 ms for the features and
    about 70 for the model on one core. Ask it in silence, and where the words leave doubt.

    Loads onnxruntime and the weights when constructed. Raises NotInstalledError where either is missing.
    Source: Daily, https://github.com/pipecat-ai/smart-turn (BSD-2-Clause).
    """

    name = "smart_turn"
    max_batch = 1

    def __init__(self, path: Path | None = None) -> None:
        path = path or smart_turn_path()
        if path is None or not path.is_file():
            raise NotInstalledError("The weights of Smart Turn are not on this machine.", hint=HOW_TO_INSTALL)
        self._session = open_session(str(path))

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`."""
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[float]:
        """The probability, for each item, that the user has finished.

        An item is (n,) float32, 16 kHz mono in -1..1; only its last 8 s are heard. Raises InvalidAudioError for an item
        of another shape, empty, or with samples that are not numbers.
        """
        return [self._judge(item) for item in items]

    def _judge(self, item: NDArray[np.float32]) -> float:
        if item.ndim != 1 or not len(item) or not np.isfinite(item).all():
            raise InvalidAudioError(
                f"A turn to judge has the shape {item.shape}, or samples that are not finite.",
                hint="Give (n,) float samples at 16 kHz in -1..1, at least one.",
            )
        outputs = self._session.run(None, {"input_features": log_mel(item)[None]})
        probability = float(outputs[0][0, 0])
        if not 0 <= probability <= 1:
            raise ProviderError(f"Smart Turn gave {probability}, which is no probability.", provider=self.name)
        return probability
