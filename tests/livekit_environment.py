"""Plugins of LiveKit for tests, in a folder of their own: their tree is 200 MB, and pins packages of ours.

The folder is in the user's cache, and is made once: `python tests/livekit_environment.py`, or the first test that
needs it. What the development environment has comes from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from duologue.store import cache_dir

__all__ = ["livekit_environment"]

REQUIREMENTS = Path(__file__).with_name("livekit-requirements.txt")
INSTALL_TIMEOUT_S = 600.0
TAG = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
FOLDER = cache_dir() / "tests" / f"livekit-{TAG}-{sys.implementation.cache_tag}"


def livekit_environment() -> Path:
    """Make the folder if it is not there, and have imports find what is in it."""
    if not FOLDER.is_dir():
        _install()
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return FOLDER


def _install() -> None:
    """Install into a folder beside it, which takes its name when all is there: another process may be as far."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix="livekit-", dir=FOLDER.parent)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    try:
        done = subprocess.run(
            [*pip, "--target", made, "--requirement", str(REQUIREMENTS)],
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"The plugins of LiveKit cannot be installed:\n{done.stderr[-2000:]}")
        try:
            os.replace(made, FOLDER)
        except OSError:
            if not FOLDER.is_dir():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    print(livekit_environment())
