"""Spanish text as phonemes, by rule: Spanish is written nearly as it is spoken.

The phonemes are those that Kokoro's Spanish voices were trained on: Castilian, with stress marked before the vowel.
"""

from __future__ import annotations

import re
from typing import Final

from duologue.tts.kokoro.figures import with_spanish_figures

__all__ = ["spanish_phonemes"]

_WORD = re.compile(r"[a-záéíóúüñàèòçâêôãõ]+", re.IGNORECASE)
_TOKEN = re.compile(rf"{_WORD.pattern}|[.,!?;:…—()\"“”]", re.IGNORECASE)
_CLAUSE_MARKS = ".,!?;:…—"
_PLAIN = str.maketrans("áéíóúüàèòâêôãõç", "aeiouuaeoaeoaos")
_ACCENTED = frozenset("áéíóúàèòâêô")
_VOWELS = frozenset("aeiou")
_WEAK = frozenset("iu")
_FALLING = {"ai": "I", "au": "W", "ei": "A", "eu": "eʊ", "oi": "oɪ", "ou": "oʊ"}
"""Diphthongs that end in a weak vowel; the capitals are single phonemes of the alphabet."""
_FUNCTION_WORDS = """
a al con de del e el en la las le les lo los me mi mis nos o os por que se si sin su sus te tu tus u y
"""
_UNSTRESSED: Final = frozenset(_FUNCTION_WORDS.split())
_LETTERS = "abcdefghijklmnñopqrstuvwxyz"
_LETTER_NAMES = """
a be ce de e efe ge hache i jota ca ele eme ene eñe o pe cu erre ese te u uve uvedoble equis igriega zeta
"""
_NAMES: Final = dict(zip(_LETTERS, _LETTER_NAMES.split(), strict=True))
_X_AS_J = ("méxic", "mexic", "texas", "texan", "oaxa", "xavi")
"""Words in which x sounds as j."""
_SIMPLE: Final = {
    "ch": "ʧ", "ll": "ʎ", "rr": "r", "j": "x", "z": "θ", "f": "f", "k": "k", "l": "l", "m": "m", "p": "p",
    "s": "s", "t": "t", "w": "w", "qu": "k", "ph": "f", "sh": "ʃ", "q": "k",
}  # fmt: skip
_SOFT = {"b": "β", "d": "ð", "g": "ɣ"}
_HARD = {"b": "b", "d": "d", "g": "ɡ"}
_SIGNS = {"&": " y ", "@": " arroba ", "%": " por ciento ", "€": " euros ", "$": " dólares ", "+": " más "}


def spanish_phonemes(text: str) -> str:
    """The phonemes of a Spanish text, with its marks; figures are read as numbers, words without a vowel by letter."""
    text = with_spanish_figures(text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    said = ""
    for token in _TOKEN.findall(text):
        if not _WORD.fullmatch(token):
            said = said.rstrip() + token + (" " if token in _CLAUSE_MARKS else "")
            continue
        for word in _spelled(token):
            said += _word(word, said.rstrip()[-1:]) + " "
    return said.strip()


def _spelled(token: str) -> list[str]:
    """The words to say for a word as written: the names of its letters if it has no vowel."""
    lower = token.lower()
    if any(letter in _VOWELS or letter == "y" for letter in lower.translate(_PLAIN)):
        return [lower]
    return [_NAMES[letter] for letter in lower.translate(_PLAIN) if letter in _NAMES]


def _word(word: str, before: str) -> str:
    """The phonemes of one word in lower case; `before` is the phoneme or mark in front of it, if there is one."""
    letters = word.translate(_PLAIN)
    stressed = -1 if word in _UNSTRESSED else _stressed_vowel(word, letters)
    said = ""
    at = 0
    while at < len(letters):
        here = said[-1:] or before
        if letters[at] in _VOWELS or (letters[at] == "y" and at == len(letters) - 1):
            sound, used = _vowel(word, letters, at, stressed)
        else:
            sound, used = _consonant(word, letters, at, here)
        said += sound
        at += used
    return said


def _is_vowel(word: str, letters: str, at: int) -> bool:
    """Whether a letter is a vowel that sounds: not the u of "que" and "guerra"; a y at the end of a word is one."""
    if not 0 <= at < len(letters):
        return False
    letter = letters[at]
    if letter == "y":
        return at == len(letters) - 1
    if letter == "u" and word[at] == "u" and letters[at - 1 : at] and letters[at + 1 : at + 2] in ("e", "i"):
        return letters[at - 1] not in "gq"
    return letter in _VOWELS


def _nuclei(word: str, letters: str) -> list[int]:
    """The vowel of each syllable that can bear its stress."""
    found: list[int] = []
    at = 0
    while at < len(letters):
        if not _is_vowel(word, letters, at):
            at += 1
            continue
        end = at
        while _is_vowel(word, letters, end):
            end += 1
        found += _of_run(word, letters, at, end)
        at = end
    return found


def _of_run(word: str, letters: str, start: int, end: int) -> list[int]:
    """The nuclei in a run of vowels: strong vowels and accented weak ones, or the last of weak ones alone."""
    strong = [at for at in range(start, end) if letters[at] in "aeo" or word[at] in "íú"]
    return strong or [end - 1 if letters[end - 1] != "y" else max(start, end - 2)]


def _stressed_vowel(word: str, letters: str) -> int:
    accented = [at for at, letter in enumerate(word) if letter in _ACCENTED]
    if accented:
        return accented[0]
    nuclei = _nuclei(word, letters)
    if not nuclei:
        return -1
    is_grave = letters[-1] in "aeiouns" and len(nuclei) > 1
    return nuclei[-2] if is_grave else nuclei[-1]


def _vowel(word: str, letters: str, at: int, stressed: int) -> tuple[str, int]:
    """The phonemes of the vowels at `at`, and how many letters they are."""
    mark = "ˈ" if at == stressed else ""
    letter = "i" if letters[at] == "y" else letters[at]
    is_next = _is_vowel(word, letters, at + 1)
    following = ("i" if letters[at + 1] == "y" else letters[at + 1]) if is_next else ""
    if letter in _WEAK and following and word[at] not in "íú" and at != stressed:
        return ("j" if letter == "i" else "w"), 1
    pair = letter + following
    if pair in _FALLING and word[at + 1] not in "íú" and at + 1 != stressed:
        # A weak vowel between two others begins the next syllable: "maya", "huevo".
        if not _is_vowel(word, letters, at + 2):
            return mark + _FALLING[pair], 2
    elif pair == "ui" and at == stressed:
        return mark + "uj", 2
    return mark + letter, 1


def _consonant(word: str, letters: str, at: int, before: str) -> tuple[str, int]:
    """The phoneme of the consonant at `at`, and how many letters it is."""
    letter, following, beyond = letters[at], letters[at + 1 : at + 2], letters[at + 2 : at + 3]
    pair = letter + following
    if word[at] == "ñ":
        return "ɲ", 1
    if pair == "qu" and beyond not in ("e", "i"):
        return "k", 1
    if pair in _SIMPLE:
        return _SIMPLE[pair], 2
    if letter in "bvdg" and not (letter == "g" and following in ("e", "i")):
        is_silent_u = pair == "gu" and word[at + 1] == "u" and beyond in ("e", "i")
        voiced = "b" if letter == "v" else letter
        is_hard = before in ("", "m", "n", "ŋ", *_CLAUSE_MARKS) or (voiced == "d" and before == "l")
        return (_HARD if is_hard else _SOFT)[voiced], 2 if is_silent_u else 1
    return _single(word, letters, at, before), 1


def _single(word: str, letters: str, at: int, before: str) -> str:
    """The phoneme of a consonant that is one letter."""
    letter, following = letters[at], letters[at + 1 : at + 2]
    is_soft = following in ("e", "i")
    match letter:
        case "c":
            return "θ" if is_soft else "k"
        case "g":
            return "x"
        case "r":
            return "r" if at == 0 or before in ("n", "l", "s") else "ɾ"
        case "n" if following in ("p", "b", "v"):
            return "m"
        case "n" if following in ("k", "g", "q", "j") or (
            following == "c" and letters[at + 2 : at + 3] not in ("e", "i")
        ):
            return "ŋ"
        case "n":
            return "n"
        case "x" if word.startswith(_X_AS_J):
            return "x"
        case "x":
            return "s" if at == 0 else "ks"
        case "y":
            return "ʝ"
        case "p" if at == 0 and following == "s":
            return ""
        case _:
            return _SIMPLE.get(letter, "")
