"""When the words of a text sound, where the synthesiser was given other words: "$5" for "five dollars"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from duologue.tts import WordTiming

__all__ = ["align"]

_UNKEYED = re.compile(r"[^a-z0-9]+")


def align(text: str, spoken: Sequence[WordTiming]) -> tuple[tuple[WordTiming, ...], bool]:
    """The timings of the words of `text`, from those of the words that were spoken in its place.

    Words that are the same on both sides, and single words that became several, have the times that they were given;
    several words that became others share their time by length. A word that nobody says, such as an emoji, takes no
    time. Returns the timings, one for each word between white space in `text`, and whether none had to be shared.
    """
    words = text.split()
    matcher = SequenceMatcher(None, [_key(word) for word in words], [_key(word.text) for word in spoken], False)
    timings: list[WordTiming] = []
    exact = True
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
            exact = exact and (a2 - a1 == 1 or b1 == b2)
            total = sum(map(len, words[a1:a2]))
            done = 0
            for word in words[a1:a2]:
                begin = start + (end - start) * done / total
                done += len(word)
                timings.append(WordTiming(word, begin, start + (end - start) * done / total))
    return tuple(timings), exact


def _key(word: str) -> str:
    return _UNKEYED.sub("", word.lower())
