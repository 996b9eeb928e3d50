import hashlib
import io
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from numpy.typing import NDArray

from duologue.errors import NotInstalledError
from duologue.store import cache_dir, cached_arrays, package_file


def test_a_file_of_a_package_is_found_without_importing_it() -> None:
    assert package_file("duologue", "server", "console", "index.html").is_file()


@pytest.mark.parametrize(("package", "said"), [("no_such_package", "is not installed"), ("duologue", "has no file")])
def test_what_is_not_there_is_said_plainly(package: str, said: str) -> None:
    with pytest.raises(NotInstalledError, match=said):
        package_file(package, "weights.onnx")


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


# --- a user without a home ---


def test_without_a_home_there_is_no_cache_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUOLOGUE_CACHE", raising=False)

    def no_home(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(platformdirs, "user_cache_path", no_home)
    assert cached_arrays(cache_dir() / "x.npz", lambda: ARRAYS, lambda _: True) is ARRAYS
    assert not cache_dir().exists()
    with pytest.raises(OSError, match="Not a directory"):
        cache_dir().mkdir(parents=True)


@pytest.mark.models
def test_a_user_who_is_not_in_the_list_and_has_no_home_can_check_the_installation() -> None:
    """As in a container that runs under any number."""
    strangers = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    if subprocess.run([*strangers, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    hidden = ("HOME", "XDG_CACHE_HOME", "DUOLOGUE_CACHE")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [*strangers, sys.executable, "-m", "duologue", "doctor", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert "Traceback" not in done.stderr
    assert "All that a conversation needs is here." in done.stdout + done.stderr


# --- a cache that was damaged ---

ARRAYS: dict[str, NDArray[Any]] = {"weights": np.arange(64, dtype=np.float32), "more": np.ones((3, 4), np.int64)}


def made_again(path: Path) -> bool:
    """Whether the arrays at `path` had to be derived; then it is whole again."""
    derived = []

    def derive() -> dict[str, Any]:
        derived.append(True)
        return ARRAYS

    arrays = cached_arrays(path, derive, lambda found: found.keys() == ARRAYS.keys())
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
    return bool(derived)


def test_what_was_derived_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "arrays.npz"
    assert made_again(path)
    assert not made_again(path)


def test_any_byte_that_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    made_again(path)
    content = path.read_bytes()
    dice = random.Random(5)
    for _ in range(300):
        damaged = bytearray(content)
        kind = dice.randrange(4)
        if kind == 0:
            del damaged[dice.randrange(len(damaged)) :]
        elif kind == 1:
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        elif kind == 2:
            damaged += bytes(dice.randrange(1, 9))
        else:
            damaged[:] = dice.randbytes(dice.randrange(len(content)))
        path.write_bytes(damaged)
        assert made_again(path)
        assert not made_again(path)


def huge() -> bytes:
    """Arrays that claim more memory than there is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,), }"
        header += b" " * (64 - (10 + len(header) + 1) % 64) + b"\n"
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100))
    return content.getvalue()


def locked(flag: bool) -> bytes:
    """A member that needs a password, or a method of compression that nobody knows."""
    content = io.BytesIO()
    np.savez(content, **ARRAYS)  # type: ignore[arg-type]  # arrays by name
    data = bytearray(content.getvalue())
    for magic, offset in ((b"PK\x01\x02", 8 if flag else 10), (b"PK\x03\x04", 6 if flag else 8)):
        data[data.index(magic) + offset] |= 1 if flag else 99
    return bytes(data)


@pytest.mark.parametrize("content", [b"", b"PK", huge(), locked(True), locked(False), b"\x93NUMPY" + bytes(99)])
def test_a_file_that_is_whole_and_no_cache_is_made_again(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(content)
    assert made_again(path)
    path.write_bytes(hashlib.sha256(content).digest() + content)
    assert made_again(path)
    assert not made_again(path)


def test_a_folder_in_its_place_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    path.mkdir()
    assert made_again(path)
