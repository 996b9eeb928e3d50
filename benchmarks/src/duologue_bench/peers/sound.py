"""The speech that the peers' scripts play, for duologue: a phrase and a pause, in a loop."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from duologue.audio.format import RATE
from duologue.audio.wav import read_wav_16k, write_wav
from duologue.errors import ConfigError

__all__ = ["write_cycles"]

FILE: Final = "beckett.wav"
PHRASE: Final = (0.27, 2.83)
"""Seconds of the file; LiveKit's scripts play the same."""
CYCLE_S: Final = 6.0
REST_S: Final = 1.0
"""Between two phrases where audio is pushed flat out."""


def write_cycles(peers: Path, folder: Path) -> tuple[Path, Path]:
    """Two WAV files in `folder`: the phrase in a cycle of 6 s, and with 1 s of rest. The rest is noise at -80 dBFS.

    The recording is that of the peers' `assets` folders. Raises ConfigError where none has it.
    """
    places = [peers / name / "assets" / FILE for name in ("livekit", "pipecat")]
    source = next((place for place in places if place.exists()), None)
    if source is None:
        raise ConfigError(f"The recording that all are to hear is missing: there is no {places[0]}.")
    phrase = read_wav_16k(source).samples[round(PHRASE[0] * RATE) : round(PHRASE[1] * RATE)]
    written = []
    for name, rest in (("cycle", CYCLE_S - len(phrase) / RATE), ("dense", REST_S)):
        noise = np.random.default_rng(0).normal(0, 3, round(rest * RATE)).astype(np.int16)
        written.append(folder / f"{name}.wav")
        write_wav(written[-1], np.concatenate([phrase, noise]).astype("<i2").tobytes(), RATE)
    return written[0], written[1]
