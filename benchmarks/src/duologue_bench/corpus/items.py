"""The items of one half: who speaks, how loud, in which room, and the silence around the turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal, active_dbfs, coloured, gain_of, reverberate, to_int16
from duologue_bench.corpus.dataset import Half
from duologue_bench.corpus.draw import seed_of, spread, uniform
from duologue_bench.corpus.texts import parse_marked, parse_recorded, read_lines
from duologue_bench.corpus.utterance import Utterance, Voice, assemble, synthesize

__all__ = ["SPEEDS", "Draft", "recorded_items", "room_tone", "synthetic_items"]

SPEEDS = (0.85, 0.95, 1.05, 1.2)
"""Rates of the synthesiser."""

_PITCHES = (0.9, 1.1)
_LEVELS_DBFS = (-35.0, -12.0)
_ROOMS_S = (0.15, 0.4)
_PEAK = 0.98
_LEAD_S, _GAP_S, _TAIL_S = (0.3, 0.6), (1.7, 2.3), 3.05
_TONE_DB = (42.0, 54.0)
"""How far the tone of the room is below the speech."""
_BLEND = RATE // 50


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An item whose sound is ready and has no place in a file yet."""

    samples: NDArray[np.int16]
    entry: dict[str, Any]
    """What the manifest says of it; positions are samples."""


def synthetic_items(half: Half, voice: Callable[[float], Voice]) -> Iterator[Draft]:
    """Dialogues in synthetic speech; `voice` gives a synthesiser of each of SPEEDS."""
    for index, (topic, line) in enumerate(read_lines(half)):
        speed = SPEEDS[int(spread(index, "speed") * len(SPEEDS))]
        pitch = round(_within(_PITCHES, spread(index, "pitch")), 3)
        turns = [synthesize(voice(speed), turn, pitch=pitch, seed=seed_of(turn.text)) for turn in parse_marked(line)]
        yield _draft(half, "synthetic", topic, f"hibari {speed:g} {pitch:g}", index, turns)


def recorded_items(half: Half, read: Callable[[str], Signal]) -> Iterator[Draft]:
    """Turns from recordings of real people, which `read` gives by name."""
    for index, (source, line) in enumerate(read_lines(f"{half}_recordings")):
        turns = parse_recorded(line)
        voice = turns[0].parts[0].name if source == "readings" else "allison"
        yield _draft(half, source, source, voice, index, [assemble(read, turn) for turn in turns])


def room_tone(n: int, seed: int) -> Signal:
    """The quiet noise of a room and a microphone, of RMS 1."""
    return coloured(n, seed, slope_db=-4.0)


def _draft(half: Half, source: str, topic: str, voice: str, index: int, turns: list[Utterance]) -> Draft:
    name = f"{half}-{source}-{index:03d}"
    speech, places, entries = _in_a_row(name, turns)
    room_s = 0.0
    if source == "readings":
        speech = _with_own_noise(speech, places, seed_of(name, "tone"))
    else:
        if spread(index, "has room") < 0.3:
            room_s = round(_within(_ROOMS_S, spread(index, "room")), 3)
            speech = reverberate(speech, room_s, seed_of(name, "room"))
        tone = room_tone(len(speech), seed_of(name, "tone"))
        speech = speech + tone * gain_of(active_dbfs(speech) - _within(_TONE_DB, spread(index, "tone")))
    wanted = gain_of(_within(_LEVELS_DBFS, spread(index, "level")) - active_dbfs(speech))
    speech = speech * min(wanted, _PEAK / float(np.abs(speech).max()))
    return Draft(
        to_int16(speech),
        {
            "id": name,
            "half": half,
            "source": source,
            "topic": topic,
            "voice": voice,
            "level_dbfs": round(active_dbfs(speech), 1),
            "room_s": room_s,
            "seed": seed_of(name),
            "turns": entries,
        },
    )


def _in_a_row(name: str, turns: list[Utterance]) -> tuple[Signal, list[tuple[int, int]], list[dict[str, Any]]]:
    """The turns at one level with silence around them; where each lies; and their labels."""
    pieces = [np.zeros(round(uniform(*_LEAD_S, name, "lead") * RATE))]
    places, entries = [], []
    at = len(pieces[0])
    for number, turn in enumerate(turns):
        places.append((at, at + len(turn.signal)))
        entries.append(
            {
                "text": turn.text,
                "start": at + turn.start,
                "end": at + turn.end,
                "pauses": [(at + start, at + end, kind) for start, end, kind in turn.pauses],
            }
        )
        after = _TAIL_S if number == len(turns) - 1 else uniform(*_GAP_S, name, "gap", number)
        pieces += [turn.signal * gain_of(-30.0 - active_dbfs(turn.signal)), np.zeros(round(after * RATE))]
        at += len(pieces[-2]) + len(pieces[-1])
    return np.concatenate(pieces), places, entries


def _with_own_noise(speech: Signal, places: list[tuple[int, int]], seed: int) -> Signal:
    """Fill the silence around recordings with noise like that of their own quietest moments."""
    width = 512
    spoken = np.concatenate([speech[start:end] for start, end in places])
    frames = sliding_window_view(spoken, width)[:: width // 2] * np.hanning(width)
    quietest = np.argsort(np.square(frames).sum(axis=1))[: max(4, len(frames) // 12)]
    magnitude = np.sqrt(np.square(np.abs(np.fft.rfft(frames[quietest]))).mean(axis=0))
    noise = np.fft.rfft(coloured(len(speech), seed, slope_db=0.0))
    noise *= np.interp(np.linspace(0, 1, len(noise)), np.linspace(0, 1, len(magnitude)), magnitude)
    filled = np.fft.irfft(noise, len(speech)) / np.sqrt(np.square(np.hanning(width)).sum())
    inside = np.zeros(len(speech))
    for start, end in places:
        inside[start + _BLEND // 2 : end - _BLEND // 2] = 1
    mask = np.convolve(inside, np.ones(_BLEND) / _BLEND, "same")
    whole: Signal = speech * mask + filled * (1 - mask)
    return whole


def _within(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * share
