"""Word error rate: how many words of a transcript are wrong, whatever their spelling conventions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from duologue.tts.number_words import LONGEST_CARDINAL, cardinal, decimal, digits, ordinal, year

__all__ = ["scoring_words", "word_error_rate", "word_errors"]

_SAME = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "y'all": "you all",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "gimme": "give me",
    "ok": "okay",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "prof": "professor",
    "st": "saint",
    "vs": "versus",
    "alright": "all right",
}
_ENDINGS = {"n't": " not", "'m": " am", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would"}
# "it's" is "it is" or "it has": one reading for both sides keeps the score the same. A possessive stays as it is.
_IS = re.compile(r"^(it|he|she|that|there|here|what|who|where|how|when|this)'s$")
_NUMBER = re.compile(r"(?P<whole>\d+(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?(?P<rank>st|nd|rd|th)?(?![\w])")
_CLOCK = re.compile(r"\b(\d{1,2}):(\d\d)\b")
_MONEY = re.compile(r"\$\s?(\d[\d,]*)(?:\.(\d\d)\b)?")
_COUNTED_AND = re.compile(r"\b(hundred|thousand|million) and (?=\w)")
_SIGNS = {"%": " percent ", "&": " and ", "+": " plus ", "@": " at ", "=": " equals "}


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if minute == 0:
        return cardinal(hour)
    return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"


def _money(match: re.Match[str]) -> str:
    dollars = match[1].replace(",", "")
    words = f" {dollars} dollar{'' if dollars == '1' else 's'} "
    return words + (f"{int(match[2])} cent{'' if int(match[2]) == 1 else 's'} " if match[2] else "")


def _number(match: re.Match[str]) -> str:
    whole = match["whole"].replace(",", "")
    if match["fraction"]:
        return f" {decimal(whole + '.' + match['fraction'])} "
    if len(whole) > LONGEST_CARDINAL or (len(whole) > 1 and whole[0] == "0"):
        return f" {digits(whole)} "
    value = int(whole)
    if match["rank"]:
        return f" {ordinal(value)} "
    if "," not in match["whole"] and (1100 <= value < 2000 or 2010 <= value < 2100):
        return f" {year(value)} "
    return f" {cardinal(value)} "


def _expand(word: str) -> str:
    if word in _SAME:
        return _SAME[word]
    if _IS.match(word):
        return word[:-2] + " is"
    for ending, words in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word[: -len(ending)] + words
    return word


def scoring_words(text: str) -> list[str]:
    """The words of `text` as they are compared: lower case, no marks, numbers and contractions spelt out.

    Hyphens part words, accents are dropped, and "and" inside a number is left out.
    """
    text = unicodedata.normalize("NFKD", text.replace("’", "'")).lower()
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = _NUMBER.sub(_number, _MONEY.sub(_money, _CLOCK.sub(_clock, text)))
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"[^\w' ]|_", " ", text)
    text = " ".join(_expand(word.strip("'")) for word in text.split())
    return _COUNTED_AND.sub(r"\1 ", text).replace("'", "").split()


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Count the words to substitute, insert or delete to get from one text to the other.

    Returns (errors, words in the reference), both after `scoring_words`. Takes time in proportion to the product of
    the two lengths: seconds for an hour of speech.
    """
    wanted, got = scoring_words(reference), scoring_words(hypothesis)
    number = {word: i for i, word in enumerate(dict.fromkeys(wanted + got))}
    words = np.array([number[word] for word in got], np.int32)
    steps = np.arange(len(got) + 1, dtype=np.int32)
    row = steps
    for word in wanted:
        best = np.empty_like(row)
        best[0] = row[0] + 1
        np.minimum(row[1:] + 1, row[:-1] + (words != number[word]), out=best[1:])
        row = np.minimum.accumulate(best - steps) + steps  # an insertion costs one, and so does each one after it
    return int(row[-1]), len(wanted)


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Errors a reference word over all (reference, hypothesis) pairs; 0 if there are no words and no errors."""
    errors = words = 0
    for reference, hypothesis in pairs:
        e, n = word_errors(reference, hypothesis)
        errors, words = errors + e, words + n
    return errors / words if words else float(errors)
