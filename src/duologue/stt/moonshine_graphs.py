"""Moonshine's graphs as duologue runs them: built from the weights in its package, without what they are exported with.

The exported decoder spends more time on the shapes of its arrays than on their products: 900 nodes a token, where the
network has 132. Here sizes are known, attention is one node, what the decoder reads of the audio is computed once, and
the loop over tokens is part of the graph. The integer products are the same, so the same words come out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.graph import CONTRIB, Graph
from duologue.store import cached_arrays, check_pinned

__all__ = [
    "END",
    "FRAMES",
    "HEADS",
    "HEAD_WIDTH",
    "LAYERS",
    "STEP",
    "WIDTH",
    "Graphs",
    "load_graphs",
]

LAYERS, HEADS, HEAD_WIDTH = 6, 8, 36
WIDTH = HEADS * HEAD_WIDTH
STEP = 64
"""Samples from one frame of the first layer to the next; each hears 127."""
FRAMES = 4096
"""Frames at most of the encoder's output, 24 ms each."""
END = 2
"""The token that ends a text."""
_TOKENS = 1024
_TURNED = 32
"""Of the 36 numbers of a head, those that are turned by their position."""
_VOCABULARY = 32_768
_SHA256 = {
    "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
}
_REVISION = 4
"""Raised when the graphs below change, so that a cache of older ones is not read."""


class Graphs(NamedTuple):
    """Two ONNX models, serialised.

    `encoder`: from `blocks` (n, 64) float32, the samples in order, to (96, T, 36) float32, what the decoder reads of
    the sound: keys, then values, of each of its layers, by head.

    `decoder`: the next tokens of B texts, `steps` at most, until one of them ends. From `token` (B, 1) int64, the last
    of each, and `start` (B, 1) int64, its place in the text; `hidden` (B, 1, 1, T), 0 if there is sound and a large
    negative number if there is none; `memory0` to `memory11` (B, 8, T, 36) as the encoder gives them; `past0` to
    `past11` (B, 8, P, 36), keys and values of the tokens before, of a shorter text at the end; `length` (1,) int64,
    P + 1; and `unsaid` (B, 1, 1, P + `steps`), 0 if there is a token and a large negative number where there is
    none. To the past that has grown, the tokens and their probabilities, (n, B, 1, 1) each, and the last layer's output
    at each step, (n, B, 1, `WIDTH`).
    """

    encoder: bytes
    decoder: bytes


def load_graphs(find: Callable[[str], Path], cache: Path) -> Graphs:
    """The graphs, from the cache where it is sound and else from the package's files, which then renew it.

    `find` gives the path of a file of the package. Raises NotInstalledError where a file is not the one that is pinned,
    or a package is needed to read it and missing.
    """
    files = {name: find(name) for name in _SHA256}
    for name, path in files.items():
        check_pinned(path, _SHA256[name], "moonshine-voice==0.1.0")

    def build() -> dict[str, NDArray[Any]]:
        encoder, decoder = (_Source(path) for path in files.values())
        built = {"encoder": _encoder(encoder, decoder), "decoder": _decoder(decoder)}
        return {name: np.frombuffer(graph, np.uint8) for name, graph in built.items()}

    arrays = cached_arrays(cache / f"moonshine-{_REVISION}-{_SHA256['encoder_model.ort'][:16]}.npz", build, _is_sound)
    return Graphs(arrays["encoder"].tobytes(), arrays["decoder"].tobytes())


def _is_sound(arrays: dict[str, NDArray[Any]]) -> bool:
    return all(name in arrays and arrays[name].dtype == np.uint8 for name in ("encoder", "decoder"))


class _Product(NamedTuple):
    """A product with quantised weights: weights (in, out), their scale and zero point, and the bias if there is one."""

    weights: NDArray[np.uint8]
    scale: float
    zero: int
    bias: NDArray[np.float32] | None


class _Source:
    """The weights in one file of the package, by the names of the nodes that use them."""

    def __init__(self, path: Path) -> None:
        try:
            import onnx
            import onnxruntime
            from onnx import numpy_helper
        except ImportError as error:
            raise NotInstalledError(
                f"The package {error.name!r} is not installed.", hint="pip install 'duologue[local]'"
            ) from error
        self._array = numpy_helper.to_array
        self._tensors: dict[str, Any] = {}
        self._nodes: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:  # onnxruntime alone reads its own format, and it writes ONNX
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.optimized_model_filepath = str(Path(folder, "model.onnx"))
            options.add_session_config_entry("session.save_model_format", "ONNX")
            options.log_severity_level = 3
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self._collect(onnx.load(options.optimized_model_filepath).graph)

    def _collect(self, graph: Any) -> None:
        self._tensors.update({tensor.name: tensor for tensor in graph.initializer})
        for node in graph.node:
            self._nodes.setdefault(node.name, node)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    self._collect(attribute.g)

    def array(self, name: str) -> NDArray[np.float32]:
        """The tensor of that name."""
        return self._array(self._tensors[name])

    def input(self, node: str, index: int) -> NDArray[Any]:
        """What the node reads at that place."""
        return self.array(self._nodes[node].input[index])

    def product(self, name: str) -> _Product:
        """The product that a layer of that name does."""
        node = self._nodes[f"{name}/MatMul_quant"]
        scale, zero = (3, 5) if node.op_type == "MatMulIntegerToFloat" else (2, 3)
        bias = node.input[4] if node.op_type == "DynamicQuantizeMatMul" and len(node.input) > 4 else ""
        return _Product(
            self.array(node.input[1]),  # type: ignore[arg-type]  # this tensor holds bytes
            float(self.array(node.input[scale])),
            int(self.array(node.input[zero])),
            self.array(bias) if bias else None,
        )


class _Graph(Graph):
    """A graph of Moonshine's layers."""

    def product(self, rows: str, *parts: _Product) -> Any:
        """`rows`, quantised as a whole, times the weights of all parts side by side.

        Weights with a sign give the same numbers as those without, and take a quarter less time; only where an
        instruction set has no sums of this width are rare ones of large numbers cut off.
        """
        widths = [part.weights.shape[1] for part in parts]
        inputs = [
            rows,
            self.constant(np.concatenate([part.weights.astype(np.int16) - 128 for part in parts], axis=1), np.int8),
            self.constant(np.repeat([part.scale for part in parts], widths)),
            self.constant(np.repeat([part.zero - 128 for part in parts], widths), np.int8),
        ]
        if parts[0].bias is not None:
            inputs.append(self.constant(parts[0].bias))
        return self.add("DynamicQuantizeMatMul", *inputs, domain=CONTRIB)

    def normalised(self, rows: str, scale: NDArray[np.float32]) -> Any:
        """Each row at zero mean and unit variance, then scaled."""
        return self.add("LayerNormalization", rows, self.constant(scale), axis=-1, epsilon=1e-5)

    def split(self, rows: str, *widths: int) -> Any:
        """The rows cut into pieces of these widths."""
        return self.add("Split", rows, self.whole(*widths), outs=len(widths), axis=2)

    def turned(self, rows: str, positions: str, tables: Sequence[str]) -> Any:
        """Queries and keys side by side, turned by their position (Su et al. 2021, arXiv 2104.09864)."""
        return self.add(
            "RotaryEmbedding",
            rows,
            positions,
            *tables,
            domain=CONTRIB,
            interleaved=1,
            num_heads=2 * HEADS,
            rotary_embedding_dim=_TURNED,
        )

    def attention(self, *inputs: str, outs: int = 1) -> Any:
        """Attention of all heads: query, key, value, then what onnxruntime's MultiHeadAttention takes besides."""
        scale = HEAD_WIDTH**-0.5
        return self.add("MultiHeadAttention", *inputs, outs=outs, domain=CONTRIB, num_heads=HEADS, scale=scale)

    def tables(self, positions: int) -> list[str]:
        """Cosines and sines to turn by."""
        angles = np.arange(positions)[:, None] * 10_000.0 ** (-np.arange(0, _TURNED, 2) / _TURNED)
        return [self.constant(np.cos(angles)), self.constant(np.sin(angles))]


def _encoder(source: _Source, decoder: _Source) -> bytes:
    from onnx import TensorProto

    graph = _Graph()
    whole = graph.whole
    # A frame of 127 samples is a block of 64 and all but the last sample of the next.
    before, after = (graph.add("Slice", "blocks", whole(a), whole(b), whole(0)) for a, b in ((0, -1), (1, 2**31)))
    first = np.pad(source.array("conv1.weight_add_tensor")[:, 0].T, ((0, 1), (0, 0)))
    rows = graph.add("Tanh", graph.add("MatMul", graph.add("Concat", before, after, axis=1), graph.constant(first)))
    rows = graph.add("Reshape", rows, whole(1, 1, -1))
    rows = graph.add("InstanceNormalization", rows, graph.constant([1.0]), graph.constant([0.0]), epsilon=1e-5)
    rows = graph.add("Transpose", graph.add("Reshape", rows, whole(1, -1, WIDTH)), perm=[0, 2, 1])
    # The scale and offset of that normalisation go into the convolution that follows.
    scale, offset = source.input("/groupnorm/Mul", 1)[:, 0], source.input("/groupnorm/Add", 1)[:, 0]
    second = source.array("conv2.weight_add_tensor")
    bias = source.array("conv2.bias") + np.einsum("oit,i->o", second, offset)
    rows = graph.add("Conv", rows, graph.constant(second * scale[:, None]), graph.constant(bias), strides=[3])
    rows = graph.add("Gelu", rows, domain=CONTRIB)
    third = [graph.constant(source.array(name)) for name in ("conv3.weight_add_tensor", "conv3.bias")]
    rows = graph.add("Gelu", graph.add("Conv", rows, *third, strides=[2]), domain=CONTRIB)
    rows = graph.add("Transpose", rows, perm=[0, 2, 1])

    tables, start = graph.tables(FRAMES), whole(0)
    for i in range(LAYERS):
        name = f"/layers.{i}"
        norms = [source.array(f"layers.{i}.{norm}.weight") for norm in ("input_layernorm", "post_attention_layernorm")]
        parts = [source.product(f"{name}/self_attn/{part}_proj") for part in "qkv"]
        both, value = graph.split(graph.product(graph.normalised(rows, norms[0]), *parts), 2 * WIDTH, WIDTH)
        query, key = graph.split(graph.turned(both, start, tables), WIDTH, WIDTH)
        heard = graph.product(graph.attention(query, key, value), source.product(f"{name}/self_attn/o_proj"))
        rows = graph.add("Add", rows, heard)
        inner = graph.product(graph.normalised(rows, norms[1]), source.product(f"{name}/mlp/fc1"))
        inner = graph.product(graph.add("Gelu", inner, domain=CONTRIB), source.product(f"{name}/mlp/fc2"))
        rows = graph.add("Add", rows, inner)
    rows = graph.normalised(rows, source.array("layer_norm.weight"))

    # What each layer of the decoder reads of the sound does not depend on the words.
    layers = [f"/model/decoder/layers.{i}/encoder_attn/{part}_proj" for i in range(LAYERS) for part in "kv"]
    memory = graph.product(rows, *(decoder.product(layer) for layer in layers))
    memory = graph.add("Reshape", memory, whole(-1, len(layers) * HEADS, HEAD_WIDTH))
    memory = graph.add("Transpose", memory, perm=[1, 0, 2])
    return graph.serialised(
        [("blocks", TensorProto.FLOAT, ["n", STEP])],
        [(memory, TensorProto.FLOAT, [len(layers) * HEADS, "t", HEAD_WIDTH])],
    )


def _decoder(source: _Source) -> bytes:
    from onnx import TensorProto

    layers = range(2 * LAYERS)
    graph = _Graph()
    body = _Graph(graph)
    grown, token, probability, state, going = _next_token(source, body)
    pasts = [(f"grown{i}", TensorProto.FLOAT, ["b", HEADS, None, HEAD_WIDTH]) for i in layers]
    one = ["b", 1, 1]
    step = body.finish(
        [
            ("step", TensorProto.INT64, []),
            ("going", TensorProto.BOOL, []),
            ("last", TensorProto.INT64, ["b", 1]),
            *pasts,
        ],
        [
            (going, TensorProto.BOOL, []),
            (body.add("Reshape", token, body.constant([-1, 1], np.int64)), TensorProto.INT64, ["b", 1]),
            *((name, *kind) for name, (_, *kind) in zip(grown, pasts, strict=True)),
            (token, TensorProto.INT64, one),
            (probability, TensorProto.FLOAT, one),
            (state, TensorProto.FLOAT, ["b", 1, WIDTH]),
        ],
    )
    states = ["token", *(f"past{i}" for i in layers)]
    _, *ends = graph.add("Loop", "steps", "", *states, outs=len(states) + 3, body=step)
    return graph.serialised(
        [
            ("steps", TensorProto.INT64, []),
            ("token", TensorProto.INT64, ["b", 1]),
            ("start", TensorProto.INT64, ["b", 1]),
            ("length", TensorProto.INT64, [1]),
            ("unsaid", TensorProto.FLOAT, ["b", 1, 1, "s"]),
            ("hidden", TensorProto.FLOAT, ["b", 1, 1, "t"]),
            *((f"memory{i}", TensorProto.FLOAT, ["b", HEADS, "t", HEAD_WIDTH]) for i in layers),
            *((f"past{i}", TensorProto.FLOAT, ["b", HEADS, "p", HEAD_WIDTH]) for i in layers),
        ],
        [
            *((name, TensorProto.FLOAT, ["b", HEADS, None, HEAD_WIDTH]) for name in ends[:-3]),
            (ends[-3], TensorProto.INT64, [None, *one]),
            (ends[-2], TensorProto.FLOAT, [None, *one]),
            (ends[-1], TensorProto.FLOAT, [None, "b", 1, WIDTH]),
        ],
    )


def _next_token(source: _Source, graph: _Graph) -> tuple[list[str], str, str, str, str]:
    """One step: the past that has grown, the likeliest next tokens, their probabilities, the last layer's output, and
    whether all go on."""

    def scale(name: str) -> NDArray[np.float32]:
        return source.array(f"model.decoder.{name}.weight_merged_0")

    root = "/model/decoder"
    embedding = "model.decoder.embed_tokens.weight_merged_0"
    table = graph.constant(source.array(f"{embedding}_quantized"), np.uint8)
    step, zero = (
        graph.constant(source.array(f"{embedding}_{part}"), dtype)
        for part, dtype in (("scale", np.float32), ("zero_point", np.uint8))
    )
    rows = graph.add("DequantizeLinear", graph.add("Gather", table, "last"), step, zero)
    position = graph.add("Add", "start", "step")
    unsaid = graph.add("Slice", "unsaid", graph.whole(0), graph.add("Add", "length", "step"), graph.whole(3))
    tables = graph.tables(_TOKENS)
    grown: list[str] = []
    for i in range(LAYERS):
        name = f"{root}/layers.{i}"
        parts = [source.product(f"{name}/self_attn/{part}_proj") for part in "qkv"]
        inner = graph.product(graph.normalised(rows, scale(f"layers.{i}.input_layernorm")), *parts)
        both, value = graph.split(inner, 2 * WIDTH, WIDTH)
        query, key = graph.split(graph.turned(both, position, tables), WIDTH, WIDTH)
        past = [f"grown{2 * i}", f"grown{2 * i + 1}"]
        said, *longer = graph.attention(query, key, value, "", "", unsaid, *past, outs=3)
        grown += longer
        rows = graph.add("Add", rows, graph.product(said, source.product(f"{name}/self_attn/o_proj")))

        query = graph.normalised(rows, scale(f"layers.{i}.post_attention_layernorm"))
        query = graph.product(query, source.product(f"{name}/encoder_attn/q_proj"))
        heard = graph.attention(query, f"memory{2 * i}", f"memory{2 * i + 1}", "", "", "hidden")
        rows = graph.add("Add", rows, graph.product(heard, source.product(f"{name}/encoder_attn/o_proj")))

        inner = graph.normalised(rows, scale(f"layers.{i}.final_layernorm"))
        up, gate = graph.split(graph.product(inner, source.product(f"{name}/mlp/fc1")), 4 * WIDTH, 4 * WIDTH)
        inner = graph.add("Mul", up, graph.add("QuickGelu", gate, domain=CONTRIB, alpha=1.0))
        rows = graph.add("Add", rows, graph.product(inner, source.product(f"{name}/mlp/fc2")))
    rows = graph.normalised(rows, scale("norm"))
    probabilities = graph.add("Softmax", graph.product(rows, source.product("/proj_out")), axis=-1)
    probability, token = graph.add("TopK", probabilities, graph.constant([1], np.int64), outs=2, axis=-1)
    away = graph.add("Sub", token, graph.constant(END, np.int64))
    nearest = graph.add("ReduceMin", graph.add("Abs", away), keepdims=0)
    return grown, token, probability, rows, graph.add("Cast", nearest, to=9)  # 9: bool
