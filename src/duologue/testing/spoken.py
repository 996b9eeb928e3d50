"""Sound that carries its words: made from text, and read back to the letter, so that a whole call needs no model.

Each character of ASCII is a square wave of its own level, and each other one three of them, so the audio is loud, stops
between words as speech does, and can be cut anywhere: what is left is still read. It is not for ears.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.errors import InvalidAudioError
from duologue.tts import WordTiming

__all__ = ["CHARACTER", "SPACE", "speak", "understand", "understand_words", "word_timings"]

CHARACTER = 0.06
"""Seconds that a character of ASCII lasts: about the pace of speech. Others last three times as long."""
SPACE = 0.08
"""Seconds between words: shorter than any pause, longer than two windows of a detector."""
_LOWEST = 18_000
_STEP = 75
_FIRST, _LAST = "!", "~"
_BASE = ord(_LAST) - ord(_FIRST) + 1
_OFFSETS = (15, 30, 60)
"""A character beyond ASCII is three digits to the base _BASE. This is added to their levels, so that they differ."""


def speak(text: str, rate: int = RATE, *, pitch: int = 230) -> bytes:
    """The sound of `text` as 16-bit mono PCM at `rate`.

    `pitch`, in Hz, tells one voice from another, as echo detection must. Characters from U+CAC78 on, which are no
    letters of any script, sound as a question mark.
    """
    character = _length(CHARACTER, rate)
    sign = np.where(np.arange(character) * 2 * pitch // rate % 2, -1, 1).astype(np.int16)
    words = [np.concatenate([sign * np.int16(level) for level in _levels(word)]) for word in text.split()]
    space = np.zeros(_length(SPACE, rate), np.int16)
    parts = [part for word in words for part in (space, word)][1:]
    return np.concatenate(parts).tobytes() if parts else b""


def understand(pcm: bytes, rate: int = RATE) -> str:
    """The words in `pcm`, as `speak` made it; half a character or more is read, other sound is left out."""
    return " ".join(word for word, _, _ in understand_words(pcm, rate))


def understand_words(pcm: bytes, rate: int = RATE) -> list[tuple[str, int, int]]:
    """The same word by word, each with its first sample and the one after its last."""
    if len(pcm) % 2:
        raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
    level: NDArray[np.int32] = np.abs(np.frombuffer(pcm, np.int16).astype(np.int32))
    edges = np.concatenate([[0], np.flatnonzero(np.diff(level)) + 1, [len(level)]])
    words: list[tuple[str, int, int]] = []
    digits: list[int] = []
    ended = True
    began = 0
    for start, end in pairwise(edges.tolist()):
        if end - start < _length(CHARACTER, rate) / 2:
            continue
        if level[start] == 0:
            ended = True
            continue
        code, offset = _digit(int(level[start]))
        if offset in (0, _OFFSETS[0]):
            digits, began = [], start
        elif offset != _OFFSETS[len(digits) % len(_OFFSETS)]:
            digits = []  # its beginning was cut off
            continue
        digits.append(code)
        if code < 0 or offset in _OFFSETS[:-1]:
            continue
        character = _character(digits)
        if ended:
            words.append((character, began, end))
            ended = False
        else:
            word, begins, _ = words[-1]
            words[-1] = (word + character, begins, end)
    return words


def word_timings(text: str) -> tuple[WordTiming, ...]:
    """When each word of `speak(text)` sounds."""
    timings, at = [], 0.0
    for word in text.split():
        end = at + len(_levels(word)) * CHARACTER
        timings.append(WordTiming(word, at, end))
        at = end + SPACE
    return tuple(timings)


def _length(seconds: float, rate: int) -> int:
    return round(seconds * rate)


def _levels(word: str) -> list[int]:
    """Return the level of each wave of a word."""
    digits: list[tuple[int, int]] = []
    for character in word:
        code = ord(character)
        if _FIRST <= character <= _LAST:
            digits.append((code - ord(_FIRST), 0))
        elif code >= _BASE**3 or 0xD800 <= code < 0xE000:
            digits.append((ord("?") - ord(_FIRST), 0))
        else:
            digits += zip((code // _BASE**2, code // _BASE % _BASE, code % _BASE), _OFFSETS, strict=True)
    # Neighbours differ even where they are the same letter.
    return [_LOWEST + _STEP * (2 * digit + i % 2) + offset for i, (digit, offset) in enumerate(digits)]


def _digit(level: int) -> tuple[int, int]:
    """Return the digit that a wave of this level is, and its offset; a negative digit for other sound."""
    code, offset = divmod(level - _LOWEST, _STEP)
    return (code // 2, offset) if offset in (0, *_OFFSETS) and 0 <= code // 2 < _BASE else (-1, 0)


def _character(digits: list[int]) -> str:
    """Return the character of one digit of ASCII, or of three."""
    if len(digits) == 1:
        return chr(ord(_FIRST) + digits[0])
    high, middle, low = digits
    return chr((high * _BASE + middle) * _BASE + low)
