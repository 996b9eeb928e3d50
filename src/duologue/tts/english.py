"""English text as phonemes, by the dictionary and the rules of hibari-tts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from duologue.errors import NotInstalledError
from duologue.store import package_file

__all__ = ["EnglishPhonemes", "Spoken"]

Spoken = tuple[str, int, int]
"""A word as spoken, and where its phonemes begin and end."""

_LETTERS = re.compile(r"(?<![\w'])[A-Z](?: [A-Z](?![\w-]))+")
_LETTER = re.compile(r"[A-Z]")
_DIGITS = frozenset(["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
_LETTER_A = "ˈA"
"""The phonemes of the letter, as against those of the article."""
_MARKS = frozenset('.,!?;:—…"“”() ')


class EnglishPhonemes:
    """Turns speakable English text into phonemes, in the alphabet of Kokoro and hibari.

    Source: the package hibari-tts 0.2.1 (Apache-2.0). Raises NotInstalledError where it is missing.
    """

    def __init__(self, *, british: bool = False, extra: str = "local") -> None:
        try:
            from hibari.g2p import G2P
            from hibari.g2p.normalize import normalize
        except ImportError as error:
            raise NotInstalledError(
                f"The package {error.name!r} is not installed.", hint=f"Install it: pip install 'duologue[{extra}]'."
            ) from error
        self.normalize: Callable[[str], str] = normalize
        self.g2p: Any = G2P(british=british)
        content = package_file("hibari", "assets", "vocab.json").read_text("utf-8")
        self.vocabulary: dict[str, int] = json.loads(content)
        """The number of each phoneme and mark."""
        self._signs = {number: sign for sign, number in self.vocabulary.items()}

    def text(self, text: str) -> str:
        """The phonemes and marks of a text, as text."""
        return "".join(self._signs[number] for number in self.ids(text)[0][1:-1])

    def ids(self, text: str) -> tuple[list[int], list[Spoken]]:
        """The numbers of the phonemes between two of 0, and each word with where its sounds begin and end in them."""
        ids = [0]
        words: list[Spoken] = []
        word, first, after = "", 0, 0
        tokens = self.g2p.phonemize_tokens(self.g2p.tokenize(self.normalize(_with_letters(text))))
        texts = [token.text for token in tokens]
        for at, token in enumerate(tokens):
            word += token.text
            for phoneme in _LETTER_A if _is_letter_a(texts, at) else token.phonemes or "":
                if phoneme in self.vocabulary:
                    ids.append(self.vocabulary[phoneme])
                    if phoneme not in _MARKS:
                        first, after = first or len(ids) - 1, len(ids)
            if token.whitespace or token is tokens[-1]:
                if first:
                    words.append((word, first, after))
                word, first, after = "", 0, 0
                if token is not tokens[-1]:
                    ids.append(self.vocabulary[" "])
        if text.endswith(".") and ids[-1] != self.vocabulary["."]:
            ids.append(self.vocabulary["."])  # lost where the last word is an abbreviation
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
