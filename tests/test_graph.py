import subprocess
import sys

import pytest

pytestmark = pytest.mark.models

PROGRAM = """
import numpy as np
from onnx import TensorProto
from duologue.bench.memory import private_bytes
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
