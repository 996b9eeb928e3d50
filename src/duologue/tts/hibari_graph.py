"""Hibari's graph as duologue runs it: built from the weights in its package, without what it is exported with.

The exported graph has 1731 nodes, turns each array around for every convolution, and makes half a second of silence
around each clause that is then cut off. Here rows are times throughout, and the decoder, where most of the work is, is
given only the frames in which the voice is to be heard. The integer products are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from duologue.graph import CONTRIB, Graph
from duologue.store import check_pinned

__all__ = ["BINS", "load_graph"]

BINS = 601
"""Of a spectrum: each 20 Hz, from 0 to 12 kHz."""
_SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
_HEADS = 2
_QUIET = 0.0
"""The energy below which a frame may be left out. Silence is at -1.9; what can be heard (-50 dBFS) begins near 0.05."""
_AROUND = 4
"""Pairs of frames decoded before and after what is louder: the decoder and the windows look around them."""


def load_graph(path: Path) -> bytes:
    """The ONNX model, serialised, from the package's file.

    From `ids` (1, L) int64 and `speed` (1,) float32 to, float32, for each of n frames of 12.5 ms: `levels`
    (n, 3 * BINS) of the harmonics, the noise and the rest, and `harmonic_turns` and `rest_turns` (n, BINS); `f0` (2 N,)
    Hz, of all frames; `durations` (L,) int64, of each phoneme in pairs of frames, N in sum; and `start` (1,) int64: the
    n are the frames from 2 * start on. Raises NotInstalledError where the file is not the one that is pinned.
    """
    check_pinned(path, _SHA256, "hibari-tts==0.2.1")
    return _build(_Source(path))


class _Product(NamedTuple):
    """A product with quantised weights (in, out), and what is added to it."""

    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]

    def part(self, columns: NDArray[np.int_], gain: float = 1.0) -> _Product:
        """Some of its columns, times `gain`."""
        times = np.float32(gain)
        return _Product(self.weights[:, columns], self.scale[columns] * times, self.bias[columns] * times)


class _Source:
    """The weights in the package's file."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx import numpy_helper

        self._array = numpy_helper.to_array
        self._tensors = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}

    def array(self, name: str) -> NDArray[Any]:
        """The tensor of that name."""
        return self._array(self._tensors[name])

    def product(self, weights: str, bias: str, gain: NDArray[np.float32] | float = 1.0) -> _Product:
        """The product of that name, each of its columns times `gain`."""
        quantised, scale = (self.array(f"{weights}_{part}") for part in ("quantized", "scale"))
        added = self.array(bias)
        times = np.broadcast_to(np.float32(gain), added.shape)
        return _Product(quantised, scale * times, added * times)


class _Graph(Graph):
    """A graph of Hibari's layers."""

    def rows(self, start: str, stop: str) -> Any:
        """The whole numbers from `start` to before `stop`, each in a row."""
        numbers = self.add("Range", *(self.add("Squeeze", end) for end in (start, stop)), self.constant(1, np.int64))
        return self.add("Unsqueeze", numbers, self.whole(1))

    def product(self, rows: str, by: _Product, name: str = "") -> Any:
        """`rows`, quantised as a whole, times the weights."""
        weights, scale, bias = self.constant(by.weights, np.int8), self.constant(by.scale), self.constant(by.bias)
        return self.add("DynamicQuantizeMatMul", rows, weights, scale, "", bias, name=name, domain=CONTRIB)

    def linear(self, rows: str, weights: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> Any:
        """`rows` times weights (in, out) that are not quantised."""
        product = self.add("MatMul", rows, self.constant(weights))
        return product if bias is None else self.add("Add", product, self.constant(bias))

    def normalised(self, rows: str, source: _Source, name: str) -> Any:
        """Each row at zero mean and unit variance, then scaled and moved."""
        scale, offset = (self.constant(source.array(f"{name}.{part}")) for part in ("weight", "bias"))
        return self.add("LayerNormalization", rows, scale, offset, axis=-1, epsilon=1e-5)

    def convolved(self, rows: str, weights: NDArray[np.float32], bias: NDArray[np.float32], spread: int = 1) -> Any:
        """Rows (1, 1, T, in) convolved in time with weights (out, in of a group, K), with K // 2 rows on either side.

        In two dimensions, since onnxruntime takes rows as they are only for those.
        """
        width, inner, taps = weights.shape
        groups, pad = width // inner if inner == 1 else 1, taps // 2 * spread
        columns = self.add("Transpose", rows, perm=[0, 3, 1, 2])
        columns = self.add(
            "Conv",
            columns,
            self.constant(weights[:, :, None]),
            self.constant(bias),
            group=groups,
            kernel_shape=[1, taps],
            dilations=[1, spread],
            pads=[0, pad, 0, pad],
        )
        return self.add("Transpose", columns, perm=[0, 2, 3, 1])

    def block(self, rows: str, source: _Source, name: str, weights: list[str], gelu: str, spread: int = 1) -> Any:
        """A ConvNeXt block (Liu et al. 2022, arXiv 2201.03545) whose products have those names."""
        inner = self.convolved(rows, source.array(f"{name}.dw.weight"), source.array(f"{name}.dw.bias"), spread)
        inner = self.normalised(inner, source, f"{name}.norm")
        inner = self.product(inner, source.product(weights[0], f"{name}.pw1.bias"))
        inner = self.add(gelu, inner, domain=CONTRIB)
        inner = self.product(inner, source.product(weights[1], f"{name}.pw2.bias", source.array(f"{name}.gamma")))
        return self.add("Add", rows, inner)


def _build(source: _Source) -> bytes:
    from onnx import TensorProto

    graph = _Graph()
    sound = _text(graph, source, "m.text", 4, "", "", "/Transpose_2")
    melody = _text(graph, source, "pn.text", 6, "_1", "_4", "/Transpose_25")
    ends = _ends(graph, source, melody)
    count = graph.add("Gather", ends, graph.whole(-1))
    # Which phoneme each pair of frames is of: as many come before it as have ended.
    pairs = graph.rows(graph.whole(0), count)
    phonemes = graph.add("Cast", graph.add("GreaterOrEqual", pairs, ends), to=7)  # 7: int64
    phonemes = graph.add("ReduceSum", phonemes, graph.whole(1), keepdims=0)
    contour = _contour(graph, source, melody, phonemes)
    _decode(graph, source, sound, phonemes, contour, count)
    return graph.serialised(
        [("ids", TensorProto.INT64, [1, "l"]), ("speed", TensorProto.FLOAT, [1])],
        [
            ("levels", TensorProto.FLOAT, ["n", 3 * BINS]),
            ("harmonic_turns", TensorProto.FLOAT, ["n", BINS]),
            ("rest_turns", TensorProto.FLOAT, ["n", BINS]),
            ("f0", TensorProto.FLOAT, ["all"]),
            ("durations", TensorProto.INT64, ["l"]),
            ("start", TensorProto.INT64, [1]),
        ],
    )


def _text(graph: _Graph, source: _Source, root: str, times: int, conv: str, layer: str, inner: str) -> Any:
    """What an encoder makes of the phonemes, (1, L, width): its one layer of attention is run so many times.

    The last three are parts of the names of its weights.
    """
    rows = graph.add("Gather", graph.constant(source.array(f"{root}.emb.weight")), "ids")
    rows = graph.add("Unsqueeze", rows, graph.whole(0))
    for i in range(2):
        weights = [f"/convs.{i}/pw{part}{conv}/Transpose_output_0" for part in (1, 2)]
        rows = graph.block(rows, source, f"{root}.convs.{i}", weights, "Gelu")
    rows = graph.add("Squeeze", rows, graph.whole(0))
    name = f"{root}.attn"
    all_three = source.product(f"{inner}_output_0", f"{name}.self_attn.in_proj_bias")
    out, first, second = (
        source.product(f"/{part}{layer}/Transpose_output_0", f"{name}.{bias}.bias")
        for part, bias in (("out_proj", "self_attn.out_proj"), ("linear1", "linear1"), ("linear2", "linear2"))
    )
    width = len(out.bias)
    for _ in range(times):
        heads = graph.product(graph.normalised(rows, source, f"{name}.norm1"), all_three)
        heads = graph.add("Split", heads, graph.whole(width, width, width), outs=3, axis=-1)
        heads = graph.add("MultiHeadAttention", *heads, domain=CONTRIB, num_heads=_HEADS)
        rows = graph.add("Add", rows, graph.product(heads, out))
        wide = graph.product(graph.normalised(rows, source, f"{name}.norm2"), first)
        wide = graph.add("Gelu", wide, domain=CONTRIB)
        rows = graph.add("Add", rows, graph.product(wide, second))
    return graph.normalised(rows, source, f"{root}.norm")


def _ends(graph: _Graph, source: _Source, melody: str) -> Any:
    """By which pair of frames each phoneme has ended, (L,); how long it lasts is an output."""
    rows = graph.add("Unsqueeze", melody, graph.whole(0))
    rows = graph.convolved(rows, source.array("pn.dur.0.weight"), source.array("pn.dur.0.bias"))
    rows = graph.add("Gelu", rows, domain=CONTRIB)
    rows = graph.linear(rows, source.array("pn.dur.2.weight")[0], source.array("pn.dur.2.bias"))
    one = graph.constant(1.0)
    times = graph.add("Sub", graph.add("Exp", graph.add("Reshape", rows, graph.whole(-1))), one)
    times = graph.add("Max", graph.add("Round", graph.add("Div", times, "speed")), one)
    times = graph.add("Cast", times, name="durations", to=7)
    return graph.add("CumSum", times, graph.constant(0, np.int64))


def _contour(graph: _Graph, source: _Source, melody: str, phonemes: str) -> Any:
    """Pitch and energy, (N, 4): of the first and of the second frame of each pair; the pitch in Hz is an output."""
    rows = graph.linear(melody, source.array("pn.pro_in.weight")[:, :, 0].T, source.array("pn.pro_in.bias"))
    rows = graph.add("Unsqueeze", graph.add("Gather", rows, phonemes, axis=1), graph.whole(0))
    for i, spread in enumerate((1, 2, 4, 8, 1, 2)):
        weights = [f"/pro.{i}/pw{part}/Transpose_output_0" for part in (1, 2)]
        rows = graph.block(rows, source, f"pn.pro.{i}", weights, "Gelu", spread)
    rows = graph.linear(rows, source.array("pn.pro_out.weight")[:, :, 0].T, source.array("pn.pro_out.bias"))
    pitch, energy = graph.add("Split", rows, graph.whole(2, 2), outs=2, axis=-1)
    pitch = graph.add("Mul", pitch, graph.constant(100.0))
    graph.add("Reshape", pitch, graph.whole(-1), name="f0")
    pitch = graph.add("Log", graph.add("Add", graph.add("Relu", pitch), graph.constant(1.0)))
    pitch = graph.add("Div", pitch, graph.constant(5.0))
    return graph.add("Reshape", graph.add("Concat", pitch, energy, axis=-1), graph.whole(-1, 4))


def _decode(graph: _Graph, source: _Source, sound: str, phonemes: str, contour: str, count: str) -> None:
    """The spectrum of each frame from the first to the last that is loud, and of some around these."""
    energy = graph.add("Slice", contour, graph.whole(2), graph.whole(4), graph.whole(1))
    loudest = graph.add("ReduceMax", energy, graph.whole(1), keepdims=0)
    loud = graph.add("Cast", graph.add("Greater", loudest, graph.constant(_QUIET)), to=1)  # 1: float
    # Where none is loud, the first is the first of all, and the last the last.
    first, last = (graph.add("ArgMax", loud, axis=0, select_last_index=i) for i in (0, 1))
    start = graph.add("Max", graph.add("Sub", first, graph.whole(_AROUND)), graph.whole(0), name="start")
    stop = graph.add("Min", graph.add("Add", last, graph.whole(_AROUND + 1)), count)
    at = graph.rows(start, stop)

    # The first convolution hears 7 frames, in which there are 4 pairs for the first frame of a pair and 4 for the
    # second. What each phoneme adds to a frame at each of these places is computed once, and then looked up.
    weights = np.pad(source.array("m.dec_in.weight"), ((0, 0), (0, 0), (1, 1)))  # (256, 130, 9)
    width = len(weights)
    first_of_pair = weights[:, :, 0:8].reshape(width, 130, 4, 2).sum(axis=-1)
    second_of_pair = weights[:, :, 1:9].reshape(width, 130, 4, 2).sum(axis=-1)
    places = np.stack([first_of_pair, second_of_pair], axis=2)[:, :128]  # (256, 128, 2, 4)
    table = graph.add("Pad", graph.add("Squeeze", sound, graph.whole(0)), graph.whole(0, 0, 1, 0))  # behind the last
    table = graph.linear(table, places.transpose(1, 2, 3, 0).reshape(128, 8 * width))
    table = graph.add("Reshape", table, graph.whole(-1, width))
    padded = graph.add("Pad", phonemes, graph.whole(2, 2), graph.add("Size", "ids"))
    which = graph.add("Gather", padded, graph.add("Add", at, graph.whole(0, 1, 2, 3, 1, 2, 3, 4)))
    which = graph.add("Add", graph.add("Mul", which, graph.whole(8)), graph.whole(*range(8)))
    rows = graph.add("Reshape", graph.add("Gather", table, which), graph.whole(-1, 4, width))
    rows = graph.add("ReduceSum", rows, graph.whole(1), keepdims=0)

    # And pitch and energy: 2 frames of each of 5 pairs.
    seen = np.zeros((5, 2, 2, 2, width), np.float32)  # pair, pitch or energy, frame of it, frame of the pair heard for
    for place in range(10):
        for frame in range(2):
            if 0 <= place - frame - 1 < 7:
                seen[place // 2, :, place % 2, frame] = weights[:, 128:, place - frame].T
    padded = graph.add("Pad", contour, graph.whole(2, 0, 2, 0))
    near = graph.add("Gather", padded, graph.add("Add", at, graph.whole(0, 1, 2, 3, 4)))
    bias = np.tile(source.array("m.dec_in.bias"), 2)
    near = graph.linear(graph.add("Reshape", near, graph.whole(-1, 20)), seen.reshape(20, 2 * width), bias)
    rows = graph.add("Add", rows, graph.add("Reshape", near, graph.whole(-1, width)))

    rows = graph.add("Unsqueeze", rows, graph.whole(0, 1))
    for i in range(8):
        names = [f"/dec.{i}/pw{part}/Transpose_output_0" for part in (1, 2)]
        rows = graph.block(rows, source, f"m.dec.{i}", names, "FastGelu")
    rows = graph.normalised(graph.add("Squeeze", rows, graph.whole(0, 1)), source, "m.dec_norm")
    head = source.product("/head/Transpose_output_0", "m.head.bias")
    harmonics, turns, noise, rest, rest_turns = (np.arange(i * BINS, (i + 1) * BINS) for i in range(5))
    levels = graph.product(rows, head.part(np.concatenate([harmonics, noise, rest])))
    graph.add("Exp", graph.add("Min", levels, graph.constant(7.0)), name="levels")
    turned = graph.add("Tanh", graph.product(rows, head.part(turns)))
    graph.add("Mul", turned, graph.constant(0.5), name="harmonic_turns")
    graph.product(rows, head.part(rest_turns, 0.5 / np.pi), name="rest_turns")
