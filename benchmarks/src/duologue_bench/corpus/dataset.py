"""The frozen corpus: labelled turns, pauses and interruptions to measure against. docs/corpus.md describes it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.errors import ConfigError, NotInstalledError
from duologue.store import cache_dir
from duologue_bench.versions import VERSIONS, g711_line, noisy

__all__ = [
    "HALVES",
    "NOMINAL_DBFS",
    "BargeIn",
    "Half",
    "Item",
    "Pause",
    "PauseKind",
    "Sound",
    "Turn",
    "corpus_dir",
    "load",
    "load_barge_ins",
    "version",
]

Half = Literal["dev", "test"]
HALVES: Final[tuple[Half, ...]] = get_args(Half)
"""Tune on `dev`; report on `test`."""

NOMINAL_DBFS: Final = -26.0
"""The level of all speech in the interruptions, the agent's and the user's."""

PauseKind = Literal["hesitation", "filler", "clause", "list", "spelling", "digits", "breath", "labeled", "incomplete"]
"""`breath` is a pause of a real recording as it is; the length of all others was chosen. In recordings of your own
a pause is `labeled`, or the end of an `incomplete` turn."""

_CHECKSUMS: Final = Path(__file__).parent / "CHECKSUMS"


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence of 200 ms or more between two words of one turn."""

    start_s: float
    """From the start of the item: the end of the word before."""
    end_s: float
    """The start of the word after."""
    kind: PauseKind

    @property
    def length_s(self) -> float:
        """Seconds of silence."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says until it is the agent's turn."""

    start_s: float
    """The first sample of speech, from the start of the item."""
    end_s: float
    """The end of the last sample of speech."""
    text: str
    """What is said, fillers and restarts included."""
    pauses: tuple[Pause, ...]
    complete: bool = True
    """False if the user breaks off: the end of the speech is not the end of the turn."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of one of the corpus's files of samples."""

    file: Path
    start: int
    """Sample."""
    length: int
    """Samples."""

    def samples(self) -> NDArray[np.int16]:
        """(length,) int16 at 16 kHz, read-only."""
        return _samples(self.file)[self.start : self.start + self.length]


class Samples(Protocol):
    """The source of an item's audio."""

    def samples(self) -> NDArray[np.int16]:
        """(n,) int16 at 16 kHz."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One caller: silence, one or more turns with gaps for an answer between them, and 3 s of silence or more."""

    id: str
    half: str
    """`dev` or `test`; `labels` for recordings of your own."""
    source: str
    """Synthetic speech (`synthetic`); real telephone `prompts` as recorded; real words put together (`assembled`); real
    people reading or talking (`readings`); for recordings of your own, as labeled."""
    topic: str
    """booking, question, phone, assistant, kiosk, long; for real speech the same as `source`; for recordings of
    your own, their category."""
    voice: str
    """Who speaks: `hibari` with its rate and pitch, or the name of the recording."""
    level_dbfs: float | None
    """The level of the speech without its pauses; None: measured when noise is added."""
    room_s: float
    """Reverberation time; 0 is a dry recording."""
    turns: tuple[Turn, ...]
    seed: int
    """Fixes the noise of its versions."""
    sound: Samples
    real: bool | None = None
    """Whether real people speak; None: all but the source `synthetic` do."""
    question: str = ""
    """What the agent asks before the turn, in recordings of your own; empty: it is not known to have asked anything."""

    @property
    def is_real(self) -> bool:
        """Whether real people speak."""
        return self.source != "synthetic" if self.real is None else self.real

    @property
    def duration_s(self) -> float:
        """Seconds, with the silence around the turns."""
        return (self.sound.length if isinstance(self.sound, Sound) else len(self.sound.samples())) / RATE

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """All pauses inside its turns."""
        return tuple(pause for turn in self.turns for pause in turn.pauses)

    def samples(self, name: str = "clean") -> NDArray[np.int16]:
        """The item in one of VERSIONS, (n,) int16 at 16 kHz; every version has the same labels."""
        return version(self.sound.samples(), name, self.seed, speech_dbfs=self.level_dbfs)


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The agent speaks, and the user interrupts, agrees, coughs or stays silent."""

    id: str
    half: Half
    kind: Literal["barge_in", "backchannel", "noise", "nothing"]
    text: str
    """The user's words; for `noise` what it is; empty for `nothing`."""
    onset_s: float
    """The first sample of the user's sound, counted from the first sample of playout; 0 for `nothing`."""
    end_s: float
    """The end of its last sample."""
    agent_text: str
    agent: Sound
    """The agent's utterance of 4 to 8 s, at NOMINAL_DBFS."""
    sound: Sound
    """The user's track, 2 s longer than the agent's, speech at NOMINAL_DBFS; without echo: see `acoustics.echo`."""
    seed: int

    def playout(self) -> NDArray[np.int16]:
        """What the agent says, (n,) int16 at 16 kHz."""
        return self.agent.samples()

    def samples(self, name: str = "clean") -> NDArray[np.int16]:
        """The user's track in one of VERSIONS, (n,) int16 at 16 kHz; noise is set by NOMINAL_DBFS, speech or not."""
        return version(self.sound.samples(), name, self.seed, speech_dbfs=NOMINAL_DBFS)


def corpus_dir() -> Path:
    """The folder of the built corpus: one in the user's cache for each frozen version; `DUOLOGUE_CORPUS` changes it."""
    if named := os.environ.get("DUOLOGUE_CORPUS"):
        return Path(named)
    return cache_dir() / "corpus" / hashlib.sha256(_CHECKSUMS.read_bytes()).hexdigest()[:12]


def load(half: Half) -> list[Item]:
    """The items of one half, in their order.

    The first use builds the corpus, with progress on stderr: about two minutes. Raises ConfigError for another half,
    NotInstalledError where it is not built and cannot be.
    """
    _check(half)
    folder = _built()
    return [_item(entry, folder) for entry in _manifest(folder)["items"] if entry["half"] == half]


def load_barge_ins(half: Half) -> list[BargeIn]:
    """The interruptions of one half, in their order; builds and raises as `load` does."""
    _check(half)
    folder = _built()
    return [_barge_in(entry, folder) for entry in _manifest(folder)["barge_ins"] if entry["half"] == half]


def version(
    samples: NDArray[np.int16], name: str, item_seed: int, *, speech_dbfs: float | None = None
) -> NDArray[np.int16]:
    """One of VERSIONS of clean samples, (n,) int16 at 16 kHz; the same seed gives the same samples.

    `speech_dbfs` is the level that noise is set by; where it is not given it is measured. Raises ConfigError for a
    name that is not one of VERSIONS.
    """
    if name not in VERSIONS:
        raise ConfigError(f"There is no version {name!r} of the corpus; there are {', '.join(VERSIONS)}.")
    if name == "clean":
        return samples
    if name == "g711":
        return g711_line(samples)
    babble = _samples(_built() / "babble.npy")
    return noisy(samples, float(name.removeprefix("noise")), item_seed, babble, speech_dbfs)


def _check(half: str) -> None:
    if half not in HALVES:
        raise ConfigError(f"The corpus has no half {half!r}; it has {' and '.join(HALVES)}.")


def _built() -> Path:
    folder = corpus_dir()
    if not (folder / "manifest.json").is_file():
        # In a process of its own: the threads and memory of the voices that build it end with it.
        command = [sys.executable, "-m", "duologue_bench.corpus", "--out", str(folder)]
        if subprocess.run(command, check=False).returncode:
            raise NotInstalledError(
                "The corpus could not be built; what it printed says why.",
                hint="Try again with `python -m duologue_bench.corpus`, or name a built corpus in DUOLOGUE_CORPUS.",
            )
    return folder


@cache
def _manifest(folder: Path) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], json.loads((folder / "manifest.json").read_text("utf-8")))


@cache
def _samples(file: Path) -> NDArray[np.int16]:
    loaded: NDArray[np.int16] = np.load(file, mmap_mode="r")
    return loaded


def _item(entry: Mapping[str, Any], folder: Path) -> Item:
    turns = tuple(
        Turn(
            turn["start"] / RATE,
            turn["end"] / RATE,
            turn["text"],
            tuple(Pause(start / RATE, end / RATE, kind) for start, end, kind in turn["pauses"]),
        )
        for turn in entry["turns"]
    )
    return Item(**{**entry, "turns": turns, "sound": _sound(entry["sound"], folder)})


def _barge_in(entry: Mapping[str, Any], folder: Path) -> BargeIn:
    fields = {name: value for name, value in entry.items() if name not in ("onset", "end")}
    fields |= {"agent": _sound(entry["agent"], folder), "sound": _sound(entry["sound"], folder)}
    return BargeIn(**fields, onset_s=entry["onset"] / RATE, end_s=entry["end"] / RATE)


def _sound(entry: tuple[str, int, int], folder: Path) -> Sound:
    file, start, length = entry
    return Sound(folder / file, start, length)
