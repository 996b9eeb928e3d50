"""Graphs for onnxruntime: built node by node from weights that are at hand, and run on one thread."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Self

import numpy as np

from duologue.errors import NotInstalledError

__all__ = ["CONTRIB", "Graph", "open_session"]

CONTRIB = "com.microsoft"
"""The domain of onnxruntime's own operators."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
_LARGE = 1 << 20
"""Bytes from which on an array has pages of its own, which go back when it does. Left to itself, glibc raises this to
32 MB, and what models make on several threads leaves holes that are kept."""


class Graph:
    """A graph that grows node by node; the values between them are known by their names.

    The constants of a graph inside `outer` are kept in that: onnxruntime would hold them twice. Equal ones are kept
    once. Raises ImportError where onnx is missing.
    """

    def __init__(self, outer: Self | None = None) -> None:
        from onnx import helper, numpy_helper

        self._make, self._tensor = helper, numpy_helper.from_array
        self._nodes: list[Any] = []
        self._inside = outer is not None
        self._constants: dict[tuple[Any, ...], Any] = {} if outer is None else outer._constants

    def add(
        self, operator: str, *inputs: str, outs: int = 1, name: str = "", domain: str = "", **attributes: Any
    ) -> Any:
        """Add a node; returns the name of its output (`name`, where it is given), or a list of `outs` names."""
        prefix = "inner" if self._inside else "v"
        names = [name or f"{prefix}{len(self._nodes)}.{i}" for i in range(outs)]
        self._nodes.append(self._make.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0] if outs == 1 else names

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """The name of a value that never changes."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._tensor(array, f"c{len(self._constants)}")
        return str(self._constants[key].name)

    def whole(self, *values: int) -> str:
        """The name of a list of whole numbers."""
        return self.constant(values, np.int64)

    def finish(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """The graph with these inputs and outputs, each a name, a type and a shape."""
        begin, end = ([self._make.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs))
        constants = [] if self._inside else [*self._constants.values()]
        return self._make.make_graph(self._nodes, "duologue", begin, end, constants)

    def serialised(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> bytes:
        """The model of that graph."""
        opsets = [self._make.make_opsetid("", 18), self._make.make_opsetid(CONTRIB, 1)]
        model = self._make.make_model(self.finish(inputs, outputs), opset_imports=opsets, ir_version=9)
        return bytes(model.SerializeToString())


def open_session(graph: bytes | str) -> Any:
    """A session of onnxruntime that runs a model, or the file of one, on the thread that calls it.

    All that are opened here share what they calculate in, which grows by what is asked for. Left to itself, each has
    its own, which doubles when it is too small, and keeps a plan of it for every length that it has ever seen.

    Raises NotInstalledError where onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise NotInstalledError(
            "The package 'onnxruntime' is not installed.",
            hint="Install the local models: pip install 'duologue[local]'.",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    _share_memory(onnxruntime)
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@cache
def _share_memory(onnxruntime: Any) -> None:
    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    settings = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})  # by what is asked for, not by doubling
    onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use), settings)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE)
