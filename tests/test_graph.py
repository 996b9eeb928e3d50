"""Graphs are built node by node, keep equal constants once, and run."""

from __future__ import annotations

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
