"""One turn as sound with its labels, synthesised or put together from recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from duologue.audio.format import RATE
from duologue.tts import Speech, SpeechRequest, WordTiming
from duologue_bench.acoustics import Signal, from_int16
from duologue_bench.corpus.dataset import PauseKind
from duologue_bench.corpus.draw import pause_samples, uniform
from duologue_bench.corpus.gate import audible, stretches
from duologue_bench.corpus.texts import KINDS, Marked, Part, Recorded

__all__ = ["Utterance", "Voice", "assemble", "at_pitch", "synthesize"]

_BEFORE, _AFTER = RATE // 40, RATE // 20
"""Kept before the first and after the last sample of speech: 25 and 50 ms of what the gate does not hear."""
_SEARCH_S = 0.15
"""How far from where a word is said to end its pause is looked for: word timings are good to 50 ms."""
_FADE = RATE // 200
_CLOSE_S = (0.05, 0.11)
"""Between words that are joined without a pause."""


class Voice(Protocol):
    """The part of a synthesiser that is used here."""

    rate: int

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """A turn. Positions are samples of `signal`."""

    text: str
    signal: Signal
    start: int
    """The first sample of speech."""
    end: int
    """One after the last."""
    pauses: tuple[tuple[int, int, PauseKind], ...]


def synthesize(voice: Voice, turn: Marked, *, pitch: float, seed: int) -> Utterance:
    """Speak a turn, with its pauses drawn from `seed`; `pitch` is a factor on pitch, formants and rate alike.

    A pause is put where the audio is quietest near the end of the word before it, and is as long as was drawn, silence
    that was there included.
    """
    (speech,) = voice.run([SpeechRequest(turn.spoken, seed)])
    if len(speech.words) != len(turn.words):
        raise ValueError(f"{turn.spoken!r} has {len(turn.words)} words and was spoken with {len(speech.words)}.")
    signal = at_pitch(from_int16(np.frombuffer(speech.pcm, "<i2")), voice.rate, pitch)
    cuts: list[tuple[int, PauseKind]] = []
    for index in sorted(turn.pauses, reverse=True):
        kind = turn.pauses[index]
        quiet = _quietest(signal, *_between(speech.words[index], speech.words[index + 1], RATE / pitch))
        wanted = pause_samples(kind, turn.text, index)
        signal, grown = _lengthen(signal, quiet, wanted)
        cuts = [((quiet[0] + quiet[1] + grown) // 2, kind), *((at + grown, kind) for at, kind in cuts)]
    return _labelled(turn.text, signal, cuts, "clause")


def assemble(read: Callable[[str], Signal], turn: Recorded) -> Utterance:
    """Put a turn together from recordings, which `read` gives by name: whole, in part, or word by word."""
    signal = np.zeros(0)
    cuts: list[tuple[int, PauseKind]] = []
    for index, part in enumerate(turn.parts):
        piece = _part(read, part, word=len(turn.parts) > 1 and "+" not in {p.join for p in turn.parts})
        if part.join in KINDS:
            length = pause_samples(KINDS[part.join], turn.text, index)
            cuts.append((len(signal) + length // 2, KINDS[part.join]))
        else:
            length = round(uniform(*_CLOSE_S, turn.text, index) * RATE) if part.join == "~" else 0
        signal = np.concatenate((signal, np.zeros(length), piece))
    if turn.stretched:
        for index, ((_, quiet), (loud, _)) in reversed(list(enumerate(_neighbours(stretches(signal))))):
            signal, grown = _lengthen(signal, (quiet, loud), pause_samples("clause", turn.text, index))
            cuts = [((quiet + loud + grown) // 2, "clause"), *((at + grown, kind) for at, kind in cuts)]
    return _labelled(turn.text, signal, cuts, "breath")


def at_pitch(signal: Signal, rate: int, pitch: float) -> Signal:
    """The sound at 16 kHz, `pitch` times as high and as fast."""
    spectrum = np.fft.rfft(signal)
    n = round(len(signal) * RATE / (rate * pitch))
    changed: Signal = np.fft.irfft(spectrum[: n // 2 + 1], n) * (n / len(signal))
    return changed


def _part(read: Callable[[str], Signal], part: Part, *, word: bool) -> Signal:
    """The recording, or what was asked for of it; a word that is joined to others is cut where its sound ends."""
    signal = read(part.name)
    end = None if part.end_s is None else round(part.end_s * RATE)
    signal = signal[round(part.start_s * RATE) : end]
    if not word:
        return signal
    found = stretches(signal)
    piece = signal[found[0][0] : found[-1][1]].copy()
    ramp = np.linspace(0, 1, _FADE // 2)
    piece[: len(ramp)] *= ramp
    piece[-len(ramp) :] *= ramp[::-1]
    return piece


def _labelled(text: str, signal: Signal, cuts: Sequence[tuple[int, PauseKind]], other: PauseKind) -> Utterance:
    found = stretches(signal)
    start = max(0, found[0][0] - _BEFORE)
    signal = signal[start : found[-1][1] + _AFTER]
    pauses = []
    for (_, quiet), (loud, _) in _neighbours(found):
        kind = next((kind for at, kind in cuts if quiet <= at <= loud), other)
        pauses.append((quiet - start, loud - start, kind))
    return Utterance(text, signal, found[0][0] - start, found[-1][1] - start, tuple(pauses))


def _neighbours(found: Sequence[tuple[int, int]]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return list(pairwise(found))


def _between(word: WordTiming, after: WordTiming, rate: float) -> tuple[int, int]:
    """Where the pause between two words can be: near where they meet, and not beyond the middle of either."""
    low = max((word.start + word.end) / 2, word.end - _SEARCH_S)
    high = min((after.start + after.end) / 2, after.start + _SEARCH_S)
    return round(low * rate), round(high * rate)


def _quietest(signal: Signal, low: int, high: int) -> tuple[int, int]:
    """The longest silence within a stretch, as [start, end); if there is none, its quietest sample."""
    low, high = max(0, low), min(len(signal), high)
    silent = np.flatnonzero(~audible(signal)[low:high]) + low
    if len(silent):
        runs = np.split(silent, np.flatnonzero(np.diff(silent) > 1) + 1)
        longest = max(runs, key=len)
        return int(longest[0]), int(longest[-1]) + 1
    power = np.convolve(np.square(signal[low:high]), np.ones(2 * _FADE), "same")
    at = low + int(power.argmin())
    return at, at


def _lengthen(signal: Signal, quiet: tuple[int, int], wanted: int) -> tuple[Signal, int]:
    """Make a silence at least `wanted` samples long; also by how much it grew."""
    start, end = quiet
    middle = (start + end) // 2
    grown = max(0, wanted - (end - start))
    before, after = signal[:middle].copy(), signal[middle:].copy()
    if end - start < 2 * _FADE and grown:  # where the words run into each other, no edge may click
        ramp = np.linspace(1, 0, _FADE)
        before[-_FADE:] *= ramp
        after[:_FADE] *= ramp[::-1]
    return np.concatenate((before, np.zeros(grown), after)), grown
