"""The voice that the corpus was frozen with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.graph import open_session
from duologue.store import package_file
from duologue.tts import Speech, SpeechRequest, WordTiming
from duologue.tts.clauses import ClauseSplitter
from duologue.tts.hibari import FRAME_S, LAG_S, Hibari
from duologue.tts.speakable import speakable

__all__ = ["PackageHibari"]

_DURATIONS: Final = "/Clip_output_0"
"""The tensor inside the package's graph that holds the frames of each phoneme."""
_LONGEST_PIECE: Final = 200
"""Characters."""
_MARKS: Final = frozenset('.,!?;:—…"“”() ')
_UNKEYED: Final = re.compile(r"[^a-z0-9]+")


class PackageHibari(Hibari):
    """Hibari with the package's own graph, synthesis and phonemes, which take more time and move pauses.

    What the product's voice has learned since then (how it reads codes, which time it gives each word) is left out:
    it would change the corpus, and with it all that was measured on it.
    """

    @cached_property
    def _own(self) -> Any:
        import onnx

        graph = onnx.load(package_file("hibari", "assets", "hibari.onnx"))
        graph.graph.output.append(onnx.ValueInfoProto(name=_DURATIONS))
        return open_session(graph.SerializeToString())

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item."""
        return [self._spoken(item) for item in items]

    def _spoken(self, item: SpeechRequest) -> Speech:
        text = speakable(item.text)
        splitter = ClauseSplitter(first_words=len(text) + 1, first_chars=_LONGEST_PIECE, max_chars=_LONGEST_PIECE)
        noise = np.random.default_rng(item.seed)
        pieces: list[NDArray[np.float32]] = []
        spoken: list[WordTiming] = []
        at = 0.0
        for part in (*splitter.push(text), *splitter.flush()):
            sound, words = self._piece(part, noise)
            spoken += [WordTiming(word.text, at + word.start, at + word.end) for word in words]
            pieces.append(sound)
            at += len(sound) / self.rate
        pcm = np.rint(np.clip(np.concatenate(pieces), -1, 1) * 32767).astype("<i2").tobytes()
        return Speech(item.text, pcm, self.rate, _aligned(item.text, spoken), "estimated")

    def sound(self, ids: list[int], noise: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The sound of phonemes, at 24 kHz, and by when each has ended, in seconds from its beginning."""
        from hibari import dsp

        *spectra, durations = self._own.run(None, {"ids": np.array([ids], np.int64), "speed": self._speed})
        sound = dsp.synth(*(spectrum[0] for spectrum in spectra), noise)
        return sound, np.cumsum(durations.ravel()) * FRAME_S - LAG_S

    def _phonemes(self, text: str) -> tuple[list[int], list[tuple[str, int, int]]]:
        """The graph's input, and each word with where its sounds begin and end in it."""
        ids = [0]
        words: list[tuple[str, int, int]] = []
        word, first, after = "", 0, 0
        english = self._english
        tokens = english.g2p.phonemize_tokens(english.g2p.tokenize(english.normalize(text)))
        for token in tokens:
            word += token.text
            for phoneme in token.phonemes or "":
                if phoneme in english.vocabulary:
                    ids.append(english.vocabulary[phoneme])
                    if phoneme not in _MARKS:
                        first, after = first or len(ids) - 1, len(ids)
            if token.whitespace or token is tokens[-1]:
                if first:
                    words.append((word, first, after))
                word, first, after = "", 0, 0
                if token is not tokens[-1]:
                    ids.append(english.vocabulary[" "])
        return [*ids, 0], words


def _aligned(text: str, spoken: Sequence[WordTiming]) -> tuple[WordTiming, ...]:
    """The times of the words of `text`: the same words have the same times; words read as others share theirs."""
    words = text.split()
    matcher = SequenceMatcher(None, [_key(word) for word in words], [_key(word.text) for word in spoken], False)
    timings: list[WordTiming] = []
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind == "equal":
            timings += [
                WordTiming(word, said.start, said.end) for word, said in zip(words[a1:a2], spoken[b1:b2], strict=True)
            ]
        elif kind == "insert":
            if timings:  # said beside the words of the text: it belongs to the word before
                timings[-1] = WordTiming(timings[-1].text, timings[-1].start, spoken[b2 - 1].end)
        else:
            now = timings[-1].end if timings else 0.0
            start, end = (spoken[b1].start, spoken[b2 - 1].end) if b1 < b2 else (now, now)
            total = sum(map(len, words[a1:a2]))
            done = 0
            for word in words[a1:a2]:
                begin = start + (end - start) * done / total
                done += len(word)
                timings.append(WordTiming(word, begin, start + (end - start) * done / total))
    return tuple(timings)


def _key(word: str) -> str:
    return _UNKEYED.sub("", word.lower())
