"""Sound that carries its words: made from text, and read back to the letter, so that a whole call needs no model.

Each character is a square wave of its own level, so the audio is loud, stops between words as speech does, and can be
cut anywhere: what is left is still read. It is not for ears.
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
"""Seconds that a character lasts: about the pace of speech."""
SPACE = 0.08
"""Seconds between words: shorter than any pause, longer than two windows of a detector."""
_LOWEST = 18_000
_STEP = 75
_FIRST, _LAST = "!", "~"


def speak(text: str, rate: int = RATE, *, pitch: int = 230) -> bytes:
    """The sound of `text` as 16-bit mono PCM at `rate`; characters beyond ASCII become `?`.

    `pitch`, in Hz, tells one voice from another, as echo detection must.
    """
    character = _length(CHARACTER, rate)
    sign = np.where(np.arange(character) * 2 * pitch // rate % 2, -1, 1).astype(np.int16)
    words = [np.concatenate([sign * np.int16(_level(c, i)) for i, c in enumerate(word)]) for word in text.split()]
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
    ended = True
    for start, end in pairwise(edges.tolist()):
        if end - start < _length(CHARACTER, rate) / 2:
            continue
        character = _character(int(level[start]))
        if character == " ":
            ended = True
        elif character and ended:
            words.append((character, start, end))
            ended = False
        elif character:
            word, begins, _ = words[-1]
            words[-1] = (word + character, begins, end)
    return words


def word_timings(text: str) -> tuple[WordTiming, ...]:
    """When each word of `speak(text)` sounds."""
    timings, at = [], 0.0
    for word in text.split():
        end = at + len(word) * CHARACTER
        timings.append(WordTiming(word, at, end))
        at = end + SPACE
    return tuple(timings)


def _length(seconds: float, rate: int) -> int:
    return round(seconds * rate)


def _level(character: str, position: int) -> int:
    code = ord(character if _FIRST <= character <= _LAST else "?") - ord(_FIRST)
    # Neighbours differ even where they are the same letter.
    return _LOWEST + _STEP * (2 * code + position % 2)


def _character(level: int) -> str:
    if level == 0:
        return " "
    code, remainder = divmod(level - _LOWEST, _STEP)
    is_one = remainder == 0 and 0 <= code // 2 <= ord(_LAST) - ord(_FIRST)
    return chr(ord(_FIRST) + code // 2) if is_one else ""
