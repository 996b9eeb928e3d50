"""hibari, a small English voice, with the time of each word read from its graph."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from duologue.audio.level import AUDIBLE_DBFS
from duologue.errors import ConfigError, InvalidMessageError, NotInstalledError
from duologue.graph import open_session
from duologue.store import package_file
from duologue.tts import Speech, SpeechRequest, WordTiming
from duologue.tts.alignment import align
from duologue.tts.clauses import ClauseSplitter
from duologue.tts.hibari_graph import load_graph
from duologue.tts.hibari_wave import Frames, waveform
from duologue.tts.speakable import speakable

__all__ = ["FRAME_S", "LAG_S", "Hibari"]

_RATE = 24_000
FRAME_S = 0.025
"""What the graph counts durations in: two frames of its spectra."""
LAG_S = 0.045
"""By which sound leads its frames: the median over pauses and onsets."""
_LONGEST_PIECE = 200
"""Characters spoken in one run of the graph, so that what it costs is bounded."""
_LONGEST_TEXT = 5_000
_AUDIBLE = 10 ** (AUDIBLE_DBFS / 20)
_LEAD, _FADE = 360, 120
"""Samples kept before the first audible one, and of fade at each end: 15 and 5 ms."""
_PAUSES_S = dict.fromkeys(".!?", 0.25) | dict.fromkeys(",;:—", 0.15)
_NO_PAUSE_S = 0.06
_LETTERS = re.compile(r"(?<![\w'])[A-Z](?: [A-Z](?![\w-]))+")
_LETTER = re.compile(r"[A-Z]")
_DIGITS = frozenset(["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
_LETTER_A = "ˈA"
"""The phonemes of the letter, as against those of the article."""
_MARKS = frozenset('.,!?;:—…"“”() ')


class Hibari:
    """English text to speech at 24 kHz, a clause a call; one instance serves many threads.

    `speed`: 0.5 to 2, the rate of speech. Voice: "heart" of hibari-tts 0.2.1 (Apache-2.0). The text is made speakable
    first. Silence before the first audible sample is cut to 15 ms, and after the last to what the final mark asks for.
    Word timings come from the graph, good to about 50 ms; where several words are read as others they are shared out
    by length, and marked estimated.
    Raises NotInstalledError where hibari, onnx or onnxruntime is missing, ConfigError for another speed.
    """

    name = "hibari-heart"
    rate = _RATE
    max_batch = 1

    def __init__(self, *, speed: float = 1.0) -> None:
        if not 0.5 <= speed <= 2.0:
            raise ConfigError(f"speed={speed} was given; hibari speaks at 0.5 to 2.0.")
        try:
            from hibari.g2p import G2P
            from hibari.g2p.normalize import normalize

            graph = load_graph(package_file("hibari", "assets", "hibari.onnx"))
        except ImportError as error:
            raise NotInstalledError(
                f"The package {error.name!r} is not installed.", hint="Install it: pip install 'duologue[local]'."
            ) from error
        self._speed = np.array([speed], np.float32)
        self._normalize = normalize
        self._session = open_session(graph)
        vocabulary = package_file("hibari", "assets", "vocab.json").read_text("utf-8")
        self._vocabulary: dict[str, int] = json.loads(vocabulary)
        self._g2p = G2P()
        # The first run allocates, and an unknown word loads the net that reads such words.
        self.run([SpeechRequest("Warming up, brzlfip.", seed=0)])

    def size(self, item: SpeechRequest) -> float:
        """Estimated seconds of speech in `item`."""
        return 0.3 + 0.05 * len(item.text) / float(self._speed[0])

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item; empty audio where nothing in the text can be spoken.

        The same text and seed give the same samples; without a seed they differ in their noise. Raises
        InvalidMessageError for a text of more than 5000 characters, as written or as spoken.
        """
        return [self._speak(item) for item in items]

    def _speak(self, item: SpeechRequest) -> Speech:
        text = speakable(item.text) if len(item.text) <= _LONGEST_TEXT else item.text
        if len(text) > _LONGEST_TEXT:
            raise InvalidMessageError(
                f"A text of {len(text)} characters was given; {_LONGEST_TEXT} can be spoken at once.",
                hint="Cut it into clauses with ClauseSplitter.",
            )
        noise = np.random.default_rng(item.seed)
        pieces: list[NDArray[np.float32]] = []
        spoken: list[WordTiming] = []
        at = 0.0
        for part in _pieces(text):
            sound, words = self._piece(part, noise)
            spoken += [WordTiming(word.text, at + word.start, at + word.end) for word in words]
            pieces.append(sound)
            at += len(sound) / _RATE
        pcm = np.rint(np.clip(np.concatenate(pieces), -1, 1) * 32767).astype("<i2").tobytes() if pieces else b""
        timings, exact = align(item.text, spoken)
        return Speech(item.text, pcm, _RATE, timings, "exact" if exact else "estimated")

    def sound(self, ids: list[int], noise: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The sound of phonemes, at 24 kHz, and by when each has ended, in seconds from its beginning."""
        feed = {"ids": np.array([ids], np.int64), "speed": self._speed}
        levels, harmonic_turns, rest_turns, f0, durations, start = self._session.run(None, feed)
        skipped = int(start[0])
        frames = Frames(levels, harmonic_turns, rest_turns, f0, 2 * skipped)
        return waveform(frames, noise), (np.cumsum(durations) - skipped) * FRAME_S - LAG_S

    def _piece(self, text: str, noise: np.random.Generator) -> tuple[NDArray[np.float32], list[WordTiming]]:
        """One run of the graph: the sound, trimmed, and its words as spoken."""
        ids, words = self._phonemes(text)
        if len(ids) < 3:
            return np.zeros(0, np.float32), []
        sound, ends = self.sound(ids, noise)
        sound, cut = _trim(sound, _pause(text))
        ends -= cut
        last = max(0.0, len(sound) / _RATE - _pause(text))
        timings = [
            WordTiming(word, *(min(max(0.0, float(ends[i])), last) for i in (first - 1, after - 1)))
            for word, first, after in words
        ]
        return sound, timings

    def _phonemes(self, text: str) -> tuple[list[int], list[tuple[str, int, int]]]:
        """The graph's input, and each word with where its sounds begin and end in it."""
        ids = [0]
        words: list[tuple[str, int, int]] = []
        word, first, after = "", 0, 0
        tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(self._normalize(_with_letters(text))))
        texts = [token.text for token in tokens]
        for at, token in enumerate(tokens):
            word += token.text
            for phoneme in _LETTER_A if _is_letter_a(texts, at) else token.phonemes or "":
                if phoneme in self._vocabulary:
                    ids.append(self._vocabulary[phoneme])
                    if phoneme not in _MARKS:
                        first, after = first or len(ids) - 1, len(ids)
            if token.whitespace or token is tokens[-1]:
                if first:
                    words.append((word, first, after))
                word, first, after = "", 0, 0
                if token is not tokens[-1]:
                    ids.append(self._vocabulary[" "])
        if text.endswith(".") and ids[-1] != self._vocabulary["."]:
            ids.append(self._vocabulary["."])  # lost where the last word is an abbreviation
        return [*ids, 0], words


def _with_letters(text: str) -> str:
    """The text with letters that are read one after another as one word: "F B I" is "F.B.I", which sounds natural."""
    return _LETTERS.sub(lambda run: run[0].replace(" ", "."), text)


def _is_letter_a(texts: Sequence[str], at: int) -> bool:
    """Whether the "A" at `at` is a letter in a code: beside digits and letters, as in "A four F"."""
    if texts[at] != "A":
        return False
    before = texts[at - 1] if at else ""
    after = [*texts[at + 1 : at + 3], "", ""]
    if before in _DIGITS or (before != "I" and _LETTER.fullmatch(before)):
        return True
    return after[0] in _DIGITS and (after[1] in _DIGITS or _LETTER.match(after[1]) is not None)


def _pieces(text: str) -> Iterator[str]:
    splitter = ClauseSplitter(first_words=len(text) + 1, first_chars=_LONGEST_PIECE, max_chars=_LONGEST_PIECE)
    yield from splitter.push(text)
    yield from splitter.flush()


def _pause(text: str) -> float:
    """Seconds of silence after a clause, by its final mark."""
    return _PAUSES_S.get(text.rstrip("\"')")[-1:], _NO_PAUSE_S)


def _trim(sound: NDArray[np.float32], pause_s: float) -> tuple[NDArray[np.float32], float]:
    """The sound with short silences around it, faded at both ends, and the seconds cut from its beginning."""
    audible = np.abs(sound) > _AUDIBLE
    if not audible.any():
        return np.zeros(0, np.float32), 0.0
    start = max(0, int(audible.argmax()) - _LEAD)
    length = len(sound) - int(audible[::-1].argmax()) + int(pause_s * _RATE) - start
    trimmed = np.zeros(length, np.float32)
    kept = sound[start : start + length]
    trimmed[: len(kept)] = kept
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    trimmed[:_FADE] *= ramp
    trimmed[len(kept) - _FADE : len(kept)] *= ramp[::-1]
    return trimmed, start / _RATE
