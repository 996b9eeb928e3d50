"""Packages for some tests, in folders of their own: they are large, or pin packages of ours.

The folders are in the user's cache. Each is made once, by the first test that needs it, of the file of its name in
`requirements/`: `python tests/environment.py livekit realtime`. What the development environment has comes from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, get_args

from duologue.store import cache_dir

__all__ = ["Environment", "environment"]

Environment = Literal["livekit", "realtime"]

CACHE = cache_dir() / "tests"
INSTALL_TIMEOUT_S = 600.0


def environment(name: Environment) -> Path:
    """Make the folder if it is not there, and have imports find what is in it."""
    requirements = Path(__file__).parent / "requirements" / f"{name}.txt"
    tag = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{name}-{tag}-{sys.implementation.cache_tag}"
    if not folder.is_dir():
        _install(requirements, folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return folder


def _install(requirements: Path, folder: Path) -> None:
    """Install into a folder beside it, which takes its name when all is there. One process does so, others wait."""
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return
        made = tempfile.mkdtemp(prefix=f"{requirements.stem}-", dir=CACHE)
        try:
            done = subprocess.run(
                [*pip, "--no-compile", "--target", made, "--requirement", str(requirements)],
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{requirements.name} cannot be installed:\n{done.stderr[-2000:]}")
            os.replace(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    for name in get_args(Environment):
        if name in sys.argv[1:] or len(sys.argv) == 1:
            print(environment(name))
