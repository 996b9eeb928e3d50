"""The voice that the corpus was frozen with."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.graph import open_session
from duologue.store import package_file
from duologue.tts.hibari import FRAME_S, LAG_S, Hibari

__all__ = ["PackageHibari"]

_DURATIONS = "/Clip_output_0"
"""The tensor inside the package's graph that holds the frames of each phoneme."""


class PackageHibari(Hibari):
    """Hibari with the package's own graph and synthesis, which take more time and move pauses by some milliseconds."""

    @cached_property
    def _own(self) -> Any:
        import onnx

        graph = onnx.load(package_file("hibari", "assets", "hibari.onnx"))
        graph.graph.output.append(onnx.ValueInfoProto(name=_DURATIONS))
        return open_session(graph.SerializeToString())

    def sound(self, ids: list[int], noise: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The sound of phonemes, at 24 kHz, and by when each has ended, in seconds from its beginning."""
        from hibari import dsp

        *spectra, durations = self._own.run(None, {"ids": np.array([ids], np.int64), "speed": self._speed})
        sound = dsp.synth(*(spectrum[0] for spectrum in spectra), noise)
        return sound, np.cumsum(durations.ravel()) * FRAME_S - LAG_S
