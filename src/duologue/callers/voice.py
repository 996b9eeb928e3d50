"""The callers' voices: every phrase synthesised before the run, kept on disk, cut into frames."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import FRAME_SAMPLES, RATE
from duologue.audio.level import AUDIBLE_DBFS
from duologue.audio.resample import resample
from duologue.callers.phrases import PAUSE
from duologue.store import cache_dir
from duologue.tts import SpeechRequest

__all__ = ["Sound", "Utterance", "prepare", "room_noise"]

_FRAME_BYTES: Final = 2 * FRAME_SAMPLES

_NOISE_SAMPLE: Final = 13.0
"""Standard deviation of a quiet room: -68 dBFS."""
_NOISE_S: Final = 10
_AUDIBLE: Final = 32768 * 10 ** (AUDIBLE_DBFS / 20)
_REST_S: Final = 0.02
_PAUSE_S: Final = (0.5, 1.1)
"""Shortest and longest pause inside a turn."""

_VOICE: Final = "hibari-heart"
_VERSION: Final = 1
"""Of what is done here with what the voice makes."""

Sound = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to be said, ready to be sent. Positions are samples at 16 kHz from its first frame."""

    text: str
    frames: tuple[bytes, ...]
    """20 ms each."""
    onset: int
    """The first sample above -50 dBFS..."""
    end: int
    """...and the last."""
    pauses: tuple[tuple[int, int], ...]
    """Where the caller hesitates: silences inside."""

    @property
    def seconds(self) -> float:
        """From the onset to the end."""
        return (self.end - self.onset) / RATE


def prepare(
    texts: Iterable[str],
    *,
    make_voice: Callable[[], Any],
    recorded: Mapping[str, Sound] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Utterance]:
    """The utterance of each text; `|` in a text is a pause.

    `recorded` has the audio of some, (n,) int16 at 16 kHz. `make_voice` makes the synthesiser (a TtsModel) for the
    others; it is called only where something is not in the cache folder. `on_progress` gets how many of how many are
    done.
    """
    wanted = list(dict.fromkeys(texts))
    speaker = _Speaker(make_voice)
    noise = _noise(seed=1)
    prepared: dict[str, Utterance] = {}
    for done, text in enumerate(wanted, 1):
        if recorded is not None and text in recorded:
            clips = [recorded[text]]
        else:
            clips = [speaker.clip(part.strip()) for part in text.split(PAUSE)]
        prepared[text] = _utterance(text, clips, noise)
        if on_progress is not None:
            on_progress(done, len(wanted))
    return prepared


def room_noise() -> tuple[bytes, ...]:
    """Frames of a quiet room, to be repeated: sent while the caller is silent."""
    return _frames(_noise(seed=2))


class _Speaker:
    """Clips from the disk, or from the voice."""

    def __init__(self, make_voice: Callable[[], Any]) -> None:
        self._make_voice = make_voice
        self._voice: Any = None
        self._folder = cache_dir() / "callers"
        self._key = f"{_VOICE} {version('hibari-tts')} {_VERSION}"

    def clip(self, text: str) -> Sound:
        """The sound of `text`, from its first audible sample to its last."""
        name = hashlib.sha256(f"{self._key} {text}".encode()).hexdigest()[:32]
        path = self._folder / f"{name}.s16"
        try:
            return np.fromfile(path, "<i2")
        except FileNotFoundError:
            sound = self._speak(text)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        sound.tofile(part)
        part.replace(path)  # whole or not at all, also where two runs begin at once
        return sound

    def _speak(self, text: str) -> Sound:
        if self._voice is None:
            self._voice = self._make_voice()
        speech = self._voice.run([SpeechRequest(text, crc32(text.encode()))])[0]
        sound = resample(np.frombuffer(speech.pcm, "<i2"), speech.rate, RATE)
        audible = np.flatnonzero(np.abs(sound.astype(np.int32)) > _AUDIBLE)
        return sound[audible[0] : audible[-1] + 1] if len(audible) else sound[:0]


def _utterance(text: str, clips: Sequence[Sound], noise: Sound) -> Utterance:
    rest = round(_REST_S * RATE)
    pieces: list[Sound] = [np.zeros(rest, np.int16)]
    pauses: list[tuple[int, int]] = []
    at = rest
    for i, clip in enumerate(clips):
        if i:
            shortest, longest = _PAUSE_S
            share = crc32(f"{i} {text}".encode()) % 1000 / 999
            length = round((shortest + (longest - shortest) * share) * RATE)
            pieces.append(np.zeros(length, np.int16))
            pauses.append((at, at + length))
            at += length
        pieces.append(clip)
        at += len(clip)
    padding = -at % FRAME_SAMPLES
    pieces.append(np.zeros(padding, np.int16))
    sound = np.concatenate(pieces).astype(np.int32)
    mixed = np.clip(sound + np.resize(noise, len(sound)), -32768, 32767).astype("<i2")
    said = " ".join(text.replace(PAUSE, " ").split())
    return Utterance(said, _frames(mixed), rest, at, tuple(pauses))


def _noise(seed: int) -> Sound:
    draw = np.random.default_rng(seed)
    return np.rint(draw.normal(0, _NOISE_SAMPLE, _NOISE_S * RATE)).astype("<i2")


def _frames(sound: Sound) -> tuple[bytes, ...]:
    pcm = sound.tobytes()
    return tuple(pcm[at : at + _FRAME_BYTES] for at in range(0, len(pcm) - _FRAME_BYTES + 1, _FRAME_BYTES))
