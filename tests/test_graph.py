"""Graphs are built node by node, keep equal constants once, and run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from duologue.errors import NotInstalledError
from duologue.graph import Graph, open_session

FLOAT, WHOLE, BOOL = 1, 7, 9
"""Types of ONNX."""

pytestmark = pytest.mark.models


def test_a_graph_computes_what_its_nodes_say() -> None:
    graph = Graph()
    doubled = graph.add("Mul", "x", graph.constant(2.0))
    graph.add("Add", doubled, graph.constant(1.0), name="y")
    session = open_session(graph.serialised([("x", FLOAT, ["n"])], [("y", FLOAT, ["n"])]))
    (found,) = session.run(None, {"x": np.array([1, 2], np.float32)})
    assert found.tolist() == [3, 5]


def test_equal_constants_are_one_and_unequal_ones_are_not() -> None:
    graph = Graph()
    assert graph.whole(1, 2) == graph.whole(1, 2)
    names = {graph.constant(1.0), graph.constant([1.0]), graph.constant(1, np.int64), graph.constant(2.0)}
    assert len(names) == 4


def test_a_graph_inside_another_keeps_its_constants_there() -> None:
    graph = Graph()
    body = Graph(graph)
    body.add("Add", "sum", body.constant(3.0), name="more")
    body.add("Identity", "going", name="go")
    step = body.finish(
        [("step", WHOLE, []), ("going", BOOL, []), ("sum", FLOAT, [])], [("go", BOOL, []), ("more", FLOAT, [])]
    )
    graph.add("Loop", "times", "", "x", name="y", body=step)
    session = open_session(graph.serialised([("times", WHOLE, []), ("x", FLOAT, [])], [("y", FLOAT, [])]))
    (found,) = session.run(None, {"times": np.array(4), "x": np.array(1, np.float32)})
    assert found == 13
    assert len(step.initializer) == 0


def test_without_onnxruntime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NotInstalledError, match=r"'onnxruntime' is not installed.*duologue\[local\]"):
        open_session(b"")


PROGRAM = """
import numpy as np
from onnx import TensorProto
from duologue_bench.memory import private_bytes
from duologue.graph import Graph, open_session

def chain():
    graph = Graph()
    rows = "rows"
    for _ in range(4):
        rows = graph.add("Add", rows, graph.constant([1.0]))
    return graph.serialised([("rows", TensorProto.FLOAT, ["n"])], [(rows, TensorProto.FLOAT, ["n"])])

sessions = [open_session(chain()) for _ in range(8)]
before = private_bytes()
for size in (1_000_000, 1_700_000, 2_900_000, 4_000_000):
    for session in sessions:
        (out,) = session.run(None, {"rows": np.zeros(size, np.float32)})
        assert out[0] == 4.0
        del out
print((private_bytes() - before) // 1_000_000)
"""


def test_sessions_share_what_they_calculate_in_and_give_large_arrays_back() -> None:
    """Eight sessions that work on arrays of up to 16 MB; with memory of their own they kept 400 MB."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 150
