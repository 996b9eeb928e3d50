"""Makes the files of the corpus: the samples of each half, a bed of many voices, and the manifest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal, active_dbfs, gain_of, to_int16
from duologue_bench.corpus.barge_ins import agent_utterances, interruptions
from duologue_bench.corpus.dataset import HALVES
from duologue_bench.corpus.draw import seed_of, uniform
from duologue_bench.corpus.items import SPEEDS, recorded_items, synthetic_items
from duologue_bench.corpus.recordings import Recordings
from duologue_bench.corpus.texts import parse_marked, read_lines
from duologue_bench.corpus.utterance import Voice, synthesize
from duologue_bench.corpus.voice import PackageHibari

__all__ = ["build"]

_MANIFEST = "manifest.json"
_BABBLE_S = 30
_BABBLE_VOICES = 8


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Write the whole corpus into a folder.

    It is made in a place of its own and moved when it is whole, so that processes that build at once, each for itself,
    do not mix their files. The manifest comes last, so that a build cut short does not count.

    The same packages on the same kind of processor give the same bytes. Raises NotInstalledError where a package is
    missing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as place:
        _write(Path(place), progress)
        folder.mkdir(exist_ok=True)
        for file in sorted(Path(place).iterdir(), key=lambda file: file.name == _MANIFEST):
            file.replace(folder / file.name)


def _write(folder: Path, progress: Callable[[str], None]) -> None:
    progress("loading recordings")
    recordings = Recordings()
    voice: Callable[[float], Voice] = cache(lambda speed: PackageHibari(speed=speed))
    items: list[dict[str, Any]] = []
    barge_ins: list[dict[str, Any]] = []
    for half in HALVES:
        reel = _Reel(folder / f"{half}.npy")
        for source in (synthetic_items(half, voice), recorded_items(half, recordings.read)):
            for draft in source:
                items.append({**draft.entry, "sound": reel.add(draft.samples)})
                progress(f"{half}: {len(items)} items, {reel.minutes:.0f} minutes")
        reel.save()
        reel = _Reel(folder / f"{half}_barge_in.npy")
        agent = [(text, reel.add(samples), len(samples)) for text, samples in agent_utterances(half, voice)]
        for one in interruptions(half, voice, [length for *_, length in agent]):
            text, sound, _ = agent[one.agent]
            barge_ins.append({**one.entry, "agent_text": text, "agent": sound, "sound": reel.add(one.samples)})
            progress(f"{half}: {len(barge_ins)} interruptions")
        reel.save()
    reel = _Reel(folder / "babble.npy")
    reel.add(to_int16(_babble(voice)))
    reel.save()
    (folder / _MANIFEST).write_text(json.dumps({"items": items, "barge_ins": barge_ins}, indent=1), "utf-8")


class _Reel:
    """Samples one after another, which become one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: list[NDArray[np.int16]] = []
        self._length = 0

    @property
    def minutes(self) -> float:
        return self._length / RATE / 60

    def add(self, samples: NDArray[np.int16]) -> tuple[str, int, int]:
        """Append; gives the file's name, the first sample and the number of samples."""
        start = self._length
        self._pieces.append(samples)
        self._length += len(samples)
        return self._path.name, start, len(samples)

    def save(self) -> None:
        np.save(self._path, np.concatenate(self._pieces))


def _babble(voice: Callable[[float], Voice]) -> Signal:
    """Many people who talk at once, none louder than another; it ends as it begins, so that it can be repeated."""
    lines = [line for _, line in read_lines("babble")]
    bed = np.zeros(_BABBLE_S * RATE)
    for speaker in range(_BABBLE_VOICES):
        pitch = uniform(0.82, 1.18, "babble", speaker)
        said: list[Signal] = []
        for index in range(len(lines)):
            (turn,) = parse_marked(lines[(index * 5 + speaker) % len(lines)])
            said.append(synthesize(voice(SPEEDS[speaker % 4]), turn, pitch=pitch, seed=seed_of(speaker, index)).signal)
        speech = np.resize(np.concatenate(said), len(bed))
        bed += np.roll(speech * gain_of(-30 - active_dbfs(speech)), seed_of("babble", speaker) % len(bed))
    return bed
