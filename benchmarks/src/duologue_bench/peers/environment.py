"""The peers' environments, made in the user's cache: pinned versions, so that anyone can check the ratios."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from duologue.errors import NotInstalledError
from duologue.store import cache_dir, package_file

__all__ = ["ENVIRONMENTS", "SCRIPTS", "Environment", "prepare"]

SCRIPTS: Final = Path(__file__).parent / "scripts"
"""A folder for each peer, with the scripts that drive it in process."""

INSTALL_S: Final = 1200.0


@dataclass(frozen=True, slots=True)
class Environment:
    """What a peer's scripts need beside themselves."""

    name: str
    """Of the folder of its scripts."""
    requirements: tuple[str, ...]
    recordings: tuple[str, ...]
    """Files of the package moonshine-voice."""
    first: str = ""
    """The script that is run once, after all is there."""


ENVIRONMENTS: Final = (
    Environment(
        "pipecat",
        (
            "pipecat-ai==1.14.0",
            "deepgram-sdk==7.17.0",
            "numpy==2.4.6",
            "onnxruntime==1.32.0",
            "soundfile==0.13.1",
            "soxr==1.0.0",
        ),
        ("beckett.wav", "two_cities.wav"),
    ),
    Environment(
        "livekit",
        (
            "livekit-agents==1.8.9",
            "livekit==1.1.21",
            "livekit-local-inference==0.2.7",
            "livekit-plugins-deepgram==1.8.9",
            "livekit-plugins-elevenlabs==1.8.9",
            "livekit-plugins-openai==1.8.9",
            "numpy==2.4.6",
        ),
        ("beckett.wav",),
        "make_phrase.py",
    ),
)


def prepare(scripts: Path, tell: Callable[[str], None], environments: tuple[Environment, ...] = ENVIRONMENTS) -> Path:
    """The folder to measure the peers in: `scripts` if each peer in it has its environment, else one in the cache.

    A peer whose scripts are not in `scripts` is left out. Made once; again when scripts or versions change.

    Raises:
        NotInstalledError: An environment cannot be made.
    """
    there = [one for one in environments if list((scripts / one.name).glob("bench_*.py"))]
    if all((scripts / one.name / "venv").is_dir() for one in there):
        return scripts
    target = cache_dir() / "peers"
    for one in there:
        _make(one, scripts / one.name, target / one.name, tell)
    return target


def _make(one: Environment, scripts: Path, folder: Path, tell: Callable[[str], None]) -> None:
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for script in scripts.glob("*.py"):
        shutil.copyfile(script, folder / script.name)
    for recording in one.recordings:
        shutil.copyfile(package_file("moonshine_voice", "assets", recording), folder / "assets" / recording)
    stamp, wanted = folder / "installed.txt", "\n".join(one.requirements)
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        tell(f"Installing {one.requirements[0]} in {folder / 'venv'}: a minute or two, once.")
        _run(sys.executable, "-m", "venv", "--clear", "venv", folder=folder)
        _run("venv/bin/python", "-m", "pip", "install", "--quiet", *one.requirements, folder=folder)
        stamp.write_text(wanted, "utf-8")
    if one.first:
        _run("venv/bin/python", one.first, folder=folder)


def _run(program: str, *arguments: str, folder: Path) -> None:
    command = [program if program.startswith("/") else str(folder / program), *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"The peer {folder.name} was not installed within {INSTALL_S:g} s.") from error
    if done.returncode:
        reason = ((done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"])[-1]
        raise NotInstalledError(f"The peer {folder.name} cannot be installed: {reason}.", hint="Is there a network?")
