"""How true the labels are, measured in other ways than they were made: `python -m duologue_bench.corpus.verify`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.stt.moonshine import Moonshine
from duologue.testing.wer import word_error_rate
from duologue.vad.silero import Silero
from duologue_bench.acoustics import active_dbfs, from_int16, gain_of
from duologue_bench.corpus.dataset import HALVES, NOMINAL_DBFS, Item, load
from duologue_bench.corpus.gate import stretches
from duologue_bench.versions import VERSIONS

_AUDIBLE = gain_of(-50.0)
_STEP = RATE * 32 // 1000
_AFTER = 20
"""Windows after a turn's end in which the VAD's last speech is looked for: 0.64 s."""
_FILLER = re.compile(r"\b(um+|uh+|er+)\b[,.]?\s*", re.IGNORECASE)


def main() -> None:
    """Print all measurements."""
    items = [item for half in HALVES for item in load(half)]
    _edges([item for item in items if item.room_s == 0 and item.source != "readings"])
    for version in VERSIONS:
        _vad(version, items)
    model = Moonshine()
    for version in VERSIONS:
        _words(version, model, load("dev")[::2])


def _edges(items: Sequence[Item]) -> None:
    """Labels against the last audible sample of the same turn played at its nominal level, and against other gates."""
    last: list[float] = []
    moved: dict[int, list[float]] = {-6: [], 6: []}
    for item in items:
        sound = from_int16(item.samples())
        for turn in item.turns:
            first, end = round(turn.start_s * RATE) - RATE // 20, round(turn.end_s * RATE)
            signal = sound[first : end + RATE // 5]
            loud = np.flatnonzero(np.abs(signal) * gain_of(NOMINAL_DBFS - active_dbfs(signal)) > _AUDIBLE)
            last.append((first + int(loud[-1]) + 1 - end) * 1000 / RATE)
            for shift, ends in moved.items():
                ends.append((first + stretches(signal, shift_db=shift)[-1][1] - end) * 1000 / RATE)
    print(f"last sample above -50 dBFS at a level of -26 dBFS, minus the label, ms: {_spread(last)}")
    for shift, ends in moved.items():
        print(f"ends with the gate moved by {shift:+} dB, minus the label, ms: {_spread(ends)}")


def _vad(version: str, items: Sequence[Item]) -> None:
    ends: dict[bool, list[float]] = {True: [], False: []}
    missed = pauses = 0
    for item, scores in zip(items, _scores([item.samples(version) for item in items]), strict=True):
        speech = scores >= 0.5
        for turn in item.turns:
            first, last = int(turn.start_s * RATE) // _STEP, int(turn.end_s * RATE) // _STEP + _AFTER
            heard = np.flatnonzero(speech[first:last])
            if len(heard):
                ends[item.source == "synthetic"].append(1000 * ((first + heard[-1] + 1) * _STEP / RATE - turn.end_s))
            for pause in turn.pauses:
                within = speech[-(-int(pause.start_s * RATE) // _STEP) : int(pause.end_s * RATE) // _STEP + 3]
                missed, pauses = missed + bool(within.all()), pauses + 1
    print(f"{version}: Silero's end minus the label, ms: synthetic {_spread(ends[True])}; real {_spread(ends[False])}")
    print(f"{version}: pauses that Silero misses: {missed} of {pauses}")


def _words(version: str, model: Moonshine, items: Sequence[Item]) -> None:
    pairs: dict[str, list[tuple[str, str]]] = {"synthetic": [], "real": []}
    for item in items:
        sound = item.samples(version)
        for turn in item.turns:
            piece = sound[int((turn.start_s - 0.2) * RATE) : int((turn.end_s + 0.2) * RATE)].astype(
                np.float32
            ) / np.float32(32768)
            if len(piece) <= model.max_segment_s * RATE:
                pair = (_FILLER.sub("", turn.text), _FILLER.sub("", model.run([piece])[0]))
                pairs["synthetic" if item.source == "synthetic" else "real"].append(pair)
    rates = ", ".join(f"{voice} {word_error_rate(said):.1%}" for voice, said in pairs.items())
    print(f"{version}: word error rate, fillers left out: {rates}")


def _scores(sounds: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
    """Silero's probability for each window of each sound, 0 beyond its end."""
    vad = Silero()
    rows = np.array([vad.open() for _ in sounds])
    lengths = np.array([len(sound) // _STEP for sound in sounds])
    scores = np.zeros((len(sounds), int(lengths.max())), np.float32)
    for window in range(int(lengths.max())):
        live = np.flatnonzero(lengths > window)
        batch = np.stack([sounds[row][window * _STEP : (window + 1) * _STEP] for row in live.tolist()])
        scores[live, window] = vad.score(rows[live], batch)
    return scores


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.0f}" for value in np.percentile(values, [5, 50, 95])) + " (p5 / median / p95)"


if __name__ == "__main__":
    main()
