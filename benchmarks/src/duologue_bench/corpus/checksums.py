"""Is this the corpus that was frozen? Exactly, to the bit; or equivalent, as processors differ in the last bits.

CHECKSUMS holds SHA-256 sums of the texts, of the labels (times in ms) and of each file of samples. A synthesiser's
floats can differ in the last bits on another processor, so it also holds the corpus in a coarse form, a line for each
item: its labels in ms, and the level of each 100 ms to a decibel, as a letter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE

__all__ = ["CHECKSUMS", "Verdict", "compare", "freeze"]

CHECKSUMS = Path(__file__).parent / "CHECKSUMS"

_TOLERANCE_MS = 20
"""By which labels and lengths may differ..."""
_LATE_LABELS = 0.02
"""...but for this share of all: a voice counts in frames of 25 ms, and last bits decide between one and the next..."""
_LIMIT_MS = 60
"""...by no more than this."""
_TOLERANCE_DB = 2
"""By which the level of 100 ms may differ..."""
_LOUD_LEVELS = 0.01
"""...but for this share of all: at edges, a shift of a millisecond is worth many decibels..."""
_LIMIT_LEVELS = 0.2
"""...and for this share of any one item, whose sound may be shifted from some pause on."""
_STEP = RATE // 10
_FLOOR_DB = 90
_WORDS = frozenset(("id", "half", "source", "topic", "voice", "room_s", "seed", "kind", "text", "agent_text"))
_QUIETEST = ord("!")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a built corpus compares with the frozen one."""

    kind: Literal["exact", "equivalent", "different"]
    reason: str = ""

    def __str__(self) -> str:
        said = {
            "exact": "exactly the one that was frozen",
            "equivalent": "equivalent to the one that was frozen, though not to the bit",
            "different": "NOT the one that was frozen",
        }[self.kind]
        return f"{said}: {self.reason}" if self.reason else said


def freeze(folder: Path) -> None:
    """Make the built corpus the frozen one."""
    CHECKSUMS.write_text("".join(f"{line}\n" for line in _describe(folder)), "ascii")


def compare(folder: Path) -> Verdict:
    """Compare a built corpus with CHECKSUMS."""
    if not CHECKSUMS.is_file():
        return Verdict("different", "there is no CHECKSUMS")
    frozen, found = CHECKSUMS.read_text("ascii").splitlines(), list(_describe(folder))
    if frozen == found:
        return Verdict("exact")
    if len(frozen) != len(found):
        return Verdict("different", f"it has {len(found)} lines of sums and items, not {len(frozen)}")
    if frozen[0] != found[0]:
        return Verdict("different", "its texts are other ones")
    sums = [line.split(" ")[1] for line, other in zip(frozen, found, strict=True) if line != other]
    labels, levels = [0, 0], [0, 0]
    """How many there are, and how many are beyond tolerance."""
    for line, other in zip(frozen, found, strict=True):
        if line.startswith("sha256 "):
            continue
        difference = _difference(line, other)
        if difference.reason:
            return Verdict("different", difference.reason)
        for counted, (all_, beyond) in ((labels, difference.labels), (levels, difference.levels)):
            counted[0] += all_
            counted[1] += beyond
    if labels[1] > _LATE_LABELS * labels[0]:
        return Verdict("different", f"{labels[1]} of {labels[0]} labels differ by more than {_TOLERANCE_MS} ms")
    if levels[1] > _LOUD_LEVELS * levels[0]:
        return Verdict("different", f"{levels[1]} of {levels[0]} levels differ by more than {_TOLERANCE_DB} dB")
    apart = f"{labels[1]} of {labels[0]} labels differ by more than {_TOLERANCE_MS} ms, none by {_LIMIT_MS}"
    return Verdict("equivalent", f"other sums for {', '.join(sums[:6])}; {apart}")


def _describe(folder: Path) -> Iterator[str]:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    entries = [*manifest["items"], *manifest["barge_ins"]]
    yield f"sha256 texts {_sum_of([_in_words(entry) for entry in entries])}"
    yield f"sha256 labels {_sum_of([_in_ms(entry) for entry in entries])}"
    files = {path.name: np.load(path) for path in sorted(folder.glob("*.npy"))}
    for name, samples in files.items():
        yield f"sha256 {name} {hashlib.sha256(samples.astype('<i2').tobytes()).hexdigest()}"
    for entry in entries:
        file, start, length = entry["sound"]
        times = _in_ms(entry)
        flat = [length * 1000 // RATE, *(time for turn in times.get("turns", []) for time in turn)]
        flat += [times[name] for name in ("onset", "end") if name in times]
        yield f"{entry['id']} {','.join(map(str, flat))} {_levels(files[file][start : start + length])}"
    yield f"babble {len(files['babble.npy']) * 1000 // RATE} {_levels(files['babble.npy'])}"


def _sum_of(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _in_words(entry: dict[str, Any]) -> dict[str, Any]:
    """What no processor changes."""
    turns = [[turn["text"], [kind for *_, kind in turn["pauses"]]] for turn in entry.get("turns", [])]
    return {"turns": turns} | {name: entry[name] for name in entry if name in _WORDS}


def _in_ms(entry: dict[str, Any]) -> dict[str, Any]:
    def ms(samples: int) -> int:
        return round(samples * 1000 / RATE)

    if "turns" not in entry:
        return {"onset": ms(entry["onset"]), "end": ms(entry["end"])}
    return {
        "turns": [
            [ms(turn["start"]), *(ms(at) for pause in turn["pauses"] for at in pause[:2]), ms(turn["end"])]
            for turn in entry["turns"]
        ]
    }


def _levels(samples: NDArray[np.int16]) -> str:
    frames = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP) / 32768.0
    decibels = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    steps = np.clip(np.rint(decibels + _FLOOR_DB), 0, _FLOOR_DB).astype(int)
    return "".join(chr(_QUIETEST + step) for step in steps)


@dataclass(frozen=True, slots=True)
class _Difference:
    """Between two lines of one item."""

    reason: str = ""
    """Why they are not of the same item; empty if they may be."""
    labels: tuple[int, int] = (0, 0)
    """All, and those beyond tolerance."""
    levels: tuple[int, int] = (0, 0)


def _difference(line: str, other: str) -> _Difference:
    name, times, levels = line.split(" ", 2)
    name2, times2, levels2 = other.split(" ", 2)
    wanted, got = np.array(times.split(","), int), np.array(times2.split(","), int)
    if name != name2 or len(wanted) != len(got):
        return _Difference(f"{name} has other labels")
    apart = np.abs(wanted - got)
    if apart.max() > _LIMIT_MS:
        return _Difference(f"in {name} a label differs by {apart.max()} ms")
    loud = [abs(ord(a) - ord(b)) > _TOLERANCE_DB for a, b in zip(levels, levels2, strict=False)]
    if sum(loud) > max(1, _LIMIT_LEVELS * len(loud)):
        return _Difference(f"in {name} {sum(loud)} of {len(loud)} levels differ by more than {_TOLERANCE_DB} dB")
    return _Difference("", (len(apart), int((apart > _TOLERANCE_MS).sum())), (len(loud), sum(loud)))
