"""Labeled recordings of your own: a JSON file of labels, and the audio files that it names."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.resample import resample
from duologue.audio.wav import read_wav_16k
from duologue.errors import ConfigError, NotInstalledError
from duologue_bench.corpus import Item, Pause, Turn

__all__ = ["INCOMPLETE_S", "RecordedFile", "load_labels"]

INCOMPLETE_S: Final = 1.5
"""A decision this soon after the end of an incomplete turn is a false cut-off."""
MAX_LABELS_BYTES: Final = 64 * 2**20
MAX_SECONDS: Final = 600
"""Longer audio files are refused before they are decoded."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """An audio file, read on demand."""

    file: Path
    end: int
    """The last labeled sample at 16 kHz."""

    def samples(self) -> NDArray[np.int16]:
        """Return (n,) int16 at 16 kHz: channels averaged, other rates resampled.

        Raises ConfigError for a file that cannot be read, is too long, or ends before its label,
        NotInstalledError where a format other than WAV needs the package soundfile.
        """
        is_wav = self.file.suffix.lower() == ".wav"
        samples = read_wav_16k(self.file).samples if is_wav else _decode(self.file)
        if len(samples) < self.end:
            raise ConfigError(
                f"{self.file} has {len(samples)} samples at 16 kHz, and its label ends at {self.end}.",
                hint="Labels count samples at 16 kHz, whatever the rate of the file.",
            )
        return samples


def load_labels(path: Path) -> list[Item]:
    """Return the items of a file of labels, in its order; docs/turn-taking.md describes the format.

    Raises ConfigError for a file that cannot be read, and for an entry that lacks a field, has times that are not in
    order, or names a file that does not exist.
    """
    try:
        if path.stat().st_size > MAX_LABELS_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_LABELS_BYTES} bytes.")
        entries = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}.") from None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path} must hold a list of labeled recordings, at least one.")
    return [_item(entry, number, path) for number, entry in enumerate(entries)]


def _item(entry: Any, number: int, path: Path) -> Item:
    try:
        name, start, end = str(entry["id"]), int(entry["start"]), int(entry["end"])
        is_complete = bool(entry.get("complete", True))
        file = path.parent / str(entry["file"])
        spans = [(int(a), int(b)) for a, b in entry.get("pauses", ())]
        source, category = str(entry.get("source", "")), str(entry.get("category", ""))
        text, real = str(entry.get("text", "")), entry.get("kind", "real") == "real"
        question = str(entry.get("question", ""))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"Entry {number} of {path} is not a label: {error!r}.") from None
    times = [start, *(sample for span in spans for sample in span), end]
    if start < 0 or start == end or times != sorted(times) or any(a == b for a, b in spans):
        raise ConfigError(f"Entry {number} of {path} ({name}): start, pauses and end are not in order.")
    if not file.is_file():
        raise ConfigError(f"Entry {number} of {path} ({name}): there is no file {file}.")
    pauses = [Pause(a / RATE, b / RATE, "labeled") for a, b in spans]
    if not is_complete:
        pauses.append(Pause(end / RATE, end / RATE + INCOMPLETE_S, "incomplete"))
    turn = Turn(start / RATE, end / RATE, text, tuple(pauses), is_complete)
    seed = zlib.crc32(name.encode())
    sound = RecordedFile(file, end)
    return Item(name, "labels", source, category, source, None, 0.0, (turn,), seed, sound, real, question)


def _decode(file: Path) -> NDArray[np.int16]:
    try:
        import soundfile
    except ImportError:
        raise NotInstalledError(
            f"{file.name} needs the package 'soundfile'.", hint="Install it: pip install soundfile."
        ) from None
    try:
        with soundfile.SoundFile(file) as sound:
            rate = sound.samplerate
            if sound.frames > MAX_SECONDS * rate:
                raise ConfigError(f"{file} is longer than {MAX_SECONDS} s.")
            channels: NDArray[np.int16] = sound.read(dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    return resample(np.rint(channels.mean(axis=1)).astype(np.int16), rate, RATE)
