"""The agent speaks, and the user interrupts, agrees, makes a noise or stays silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal, active_dbfs, gain_of, to_int16
from duologue_bench.corpus.dataset import NOMINAL_DBFS, Half
from duologue_bench.corpus.draw import seed_of, spread, uniform
from duologue_bench.corpus.gate import audible
from duologue_bench.corpus.items import SPEEDS, room_tone
from duologue_bench.corpus.noises import NOISES
from duologue_bench.corpus.texts import parse_marked, read_lines
from duologue_bench.corpus.utterance import Voice, synthesize

__all__ = ["Interruption", "agent_utterances", "interruptions"]

_AGENT_SPEED = 1.05
_TWICE = {"barge_in": 2, "backchannel": 5}
"""How often each text is spoken, each time by another voice."""
_NOISES, _NOTHINGS = 40, 20
_BEFORE_S, _AFTER_S = 0.8, 1.0
"""The user starts no earlier than this after the agent, and no later than this before its end."""
_TAIL = 2 * RATE
_NOISE_DB = (-12.0, 4.0)
"""The level of a noise against that of speech."""
_TONE_DB = 46.0


@dataclass(frozen=True, slots=True, eq=False)
class Interruption:
    """A user's track, and which of the agent's utterances it goes with."""

    agent: int
    samples: NDArray[np.int16]
    entry: dict[str, Any]


def agent_utterances(half: Half, voice: Callable[[float], Voice]) -> list[tuple[str, NDArray[np.int16]]]:
    """What the agent says, with its words."""
    spoken = []
    for heading, line in read_lines(f"{half}_barge_in"):
        if heading == "agent":
            (turn,) = parse_marked(line)
            utterance = synthesize(voice(_AGENT_SPEED), turn, pitch=1.0, seed=seed_of("agent", line))
            spoken.append((line, to_int16(_at(NOMINAL_DBFS, utterance.signal))))
    return spoken


def interruptions(half: Half, voice: Callable[[float], Voice], agent_lengths: list[int]) -> Iterator[Interruption]:
    """The user's tracks of one half, the kinds one after another; `agent_lengths` are samples."""
    sounds = [*_spoken(half, voice), *_unspoken(half)]
    for index, (kind, text, sound) in enumerate(sounds):
        name = f"{half}-{kind}-{index:03d}"
        agent = int(spread(index, "agent") * len(agent_lengths))
        length = agent_lengths[agent]
        track = room_tone(length + _TAIL, seed_of(name, "tone")) * gain_of(NOMINAL_DBFS - _TONE_DB)
        onset = end = 0
        if len(sound):
            heard = np.flatnonzero(audible(sound))
            place = round(uniform(_BEFORE_S, length / RATE - _AFTER_S, name) * RATE)
            track[place : place + len(sound)] += sound[: len(track) - place]
            onset, end = place + int(heard[0]), place + int(heard[-1]) + 1
        entry = {"id": name, "half": half, "kind": kind, "text": text, "onset": onset, "end": end}
        yield Interruption(agent, to_int16(track), {**entry, "seed": seed_of(name)})


def _spoken(half: Half, voice: Callable[[float], Voice]) -> Iterator[tuple[str, str, Signal]]:
    for kind, times in _TWICE.items():
        texts = [line for heading, line in read_lines(f"{half}_barge_in") if heading == kind]
        for index, text in enumerate(texts * times):
            (turn,) = parse_marked(text)
            share = spread(index, f"{kind} pitch")
            pitch = 0.88 + 0.14 * share if share < 0.5 else 0.98 + 0.14 * share  # never that of the agent
            speed = SPEEDS[int(spread(index, f"{kind} speed") * len(SPEEDS))]
            utterance = synthesize(voice(speed), turn, pitch=pitch, seed=seed_of(kind, index, text))
            yield kind, text, _at(NOMINAL_DBFS, utterance.signal)


def _unspoken(half: Half) -> Iterator[tuple[str, str, Signal]]:
    for index in range(_NOISES):
        kind = list(NOISES)[index % len(NOISES)]
        level = NOMINAL_DBFS + uniform(*_NOISE_DB, half, "noise", index)
        yield "noise", kind, _at(level, NOISES[kind](seed_of(half, kind, index)))
    yield from [("nothing", "", np.zeros(0))] * _NOTHINGS


def _at(level_dbfs: float, signal: Signal) -> Signal:
    """The sound at a level, or as loud as it can be where that would go beyond full scale."""
    louder = signal * gain_of(level_dbfs - active_dbfs(signal))
    return louder * min(1.0, 0.98 / float(np.abs(louder).max()))
