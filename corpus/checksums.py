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

from duologue.bench.acoustics import RATE

__all__ = ["CHECKSUMS", "Verdict", "compare", "freeze"]

CHECKSUMS = Path(__file__).parent / "CHECKSUMS"

_TOLERANCE_MS = 20
"""By which a label or a length may differ."""
_TOLERANCE_DB = 2
_OUTLIERS = 0.03
"""The share of an item's levels that may differ by more: at edges, a shift of a millisecond is worth many decibels."""
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
    for line, other in zip(frozen, found, strict=True):
        if line != other and not line.startswith("sha256 ") and (reason := _difference(line, other)):
            return Verdict("different", reason)
    return Verdict("equivalent", f"other sums for {', '.join(sums[:6])}")


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


def _difference(line: str, other: str) -> str:
    """Why two lines are not of the same item; empty where they are, within tolerance."""
    name, times, levels = line.split(" ", 2)
    name2, times2, levels2 = other.split(" ", 2)
    wanted, got = np.array(times.split(","), int), np.array(times2.split(","), int)
    if name != name2 or len(wanted) != len(got):
        return f"{name} has other labels"
    if np.abs(wanted - got).max() > _TOLERANCE_MS:
        return f"in {name} a label differs by {np.abs(wanted - got).max()} ms"
    apart = [abs(ord(a) - ord(b)) > _TOLERANCE_DB for a, b in zip(levels, levels2, strict=False)]
    if sum(apart) > max(1, _OUTLIERS * len(apart)):
        return f"in {name} {sum(apart)} of {len(apart)} levels differ by more than {_TOLERANCE_DB} dB"
    return ""
