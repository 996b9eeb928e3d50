"""When the words of a text sound, where the synthesizer was given other words: "$5" for "five dollars"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from duologue.tts import WordTiming
from duologue.tts.codes import letters_and_digits
from duologue.tts.speakable import speakable

__all__ = ["align"]

_UNKEYED = re.compile(r"[^a-z0-9]+")
_PLAIN = re.compile(r"[a-z]+")
_MOST_STEPS = 20_000
"""Of the search for the best division; longer texts are divided at the words that are the same."""
_LONGEST_READING = 60
"""Words."""
_OTHER, _OTHER_PLAIN, _UNSAID, _STRAY = 2.0, 3.0, 3.0, 0.1
"""Costs of a word read as others, of one of letters alone, of one left out, and of each word too many or too few."""

_Block = tuple[int, int, int, int, bool]
"""From which word of the text to which, the same of the spoken words, and whether it is certain."""


def align(text: str, spoken: Sequence[WordTiming]) -> tuple[tuple[WordTiming, ...], bool]:
    """The timings of the words of `text`, from those of the words that were spoken in its place.

    Words that are the same on both sides, and single words that became several, have the times that they were given;
    several words that became others share their time by length. A word that is not spoken, such as an emoji, takes no
    time. Returns the timings, one for each word between white space in `text`, and whether none had to be shared.
    """
    words = text.split()
    keys, said = [_key(word) for word in words], [_key(word.text) for word in spoken]
    timings: list[WordTiming] = []
    exact = True
    for a1, a2, b1, b2, certain in _joined(_blocks(words, keys, said)):
        now = timings[-1].end if timings else 0.0
        start, end = (spoken[b1].start, spoken[b2 - 1].end) if b1 < b2 else (now, now)
        exact = exact and (certain or a2 - a1 == 1 or b1 == b2)
        total = sum(map(len, words[a1:a2]))
        done = 0
        for word in words[a1:a2]:
            begin = start + (end - start) * done / total
            done += len(word)
            timings.append(WordTiming(word, begin, start + (end - start) * done / total))
    return tuple(timings), exact


def _blocks(words: list[str], keys: list[str], said: list[str]) -> Iterator[_Block]:
    """The division of both sides: each word of the text is in one block, and each spoken word in one at most."""
    head = _same(keys, said)
    tail = _same(keys[head:][::-1], said[head:][::-1])
    yield from ((at, at + 1, at, at + 1, True) for at in range(head))
    a_end, b_end = len(keys) - tail, len(said) - tail
    if head < a_end:
        for a1, a2, b1, b2, certain in _middle(words[head:a_end], keys[head:a_end], said[head:b_end]):
            yield a1 + head, a2 + head, b1 + head, b2 + head, certain
    elif head < b_end:
        yield a_end, a_end, head, b_end, True
    yield from ((a_end + at, a_end + at + 1, b_end + at, b_end + at + 1, True) for at in range(tail))


def _same(first: list[str], second: list[str]) -> int:
    """How many words are the same at the beginning of both."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] and pair[0], zip(first, second, strict=False)))


def _middle(words: list[str], keys: list[str], said: list[str]) -> list[_Block]:
    if len(words) * len(said) <= _MOST_STEPS // 10:
        readings = [_readings(word, key) for word, key in zip(words, keys, strict=True)]
        if len(said) * sum(_reach(reading) for reading in readings) <= _MOST_STEPS:
            return _divided(keys, readings, said)
    counts = Counter(said)
    if sum(counts[key] for key in keys) > _MOST_STEPS:  # the matcher takes the square of the time for such a text
        return [(0, len(keys), 0, len(said), False)]
    matcher = SequenceMatcher(None, keys, said, False)
    return [
        block
        for kind, a1, a2, b1, b2 in matcher.get_opcodes()
        for block in (
            [(a1 + n, a1 + n + 1, b1 + n, b1 + n + 1, True) for n in range(a2 - a1)]
            if kind == "equal"
            else [(a1, a2, b1, b2, False)]
        )
    ]


def _readings(word: str, key: str) -> tuple[tuple[str, ...], ...]:
    """How a word may have been read: as by itself, and letter by letter."""
    alone = tuple(map(_key, speakable(word).split()))
    if not key or key == "".join(alone):
        return (alone,)
    return alone, tuple(letters_and_digits(key).lower().split())


def _reach(readings: tuple[tuple[str, ...], ...]) -> int:
    """The most spoken words that a word is tried with."""
    return min(_LONGEST_READING, max(3, *(2 * len(reading) + 2 for reading in readings), 3))


def _divided(keys: list[str], readings: list[tuple[tuple[str, ...], ...]], said: list[str]) -> list[_Block]:
    """The cheapest division, by dynamic programming: each word of the text takes some of the spoken words."""
    size = len(said)
    best: list[list[tuple[float, int]]] = [[(0.0, 0), *[(float("inf"), 0)] * size]]
    for key, options in zip(keys, readings, strict=True):
        before = best[-1]
        row = [(float("inf"), 0)] * (size + 1)
        for start, (cost, _) in enumerate(before):
            if cost == float("inf"):
                continue
            for taken in range(min(size - start, _reach(options)) + 1):
                total = cost + _cost(key, options, said[start : start + taken])
                if total < row[start + taken][0]:
                    row[start + taken] = (total, taken)
        best.append(row)
    at = min(range(size + 1), key=lambda end: (best[-1][end][0] + (size - end), -end))
    blocks: list[_Block] = [] if at == size else [(len(keys), len(keys), at, size, True)]
    for index in range(len(keys), 0, -1):
        taken = best[index][at][1]
        is_same = not _cost(keys[index - 1], readings[index - 1], said[at - taken : at])
        blocks.append((index - 1, index, at - taken, at, is_same))
        at -= taken
    return blocks[::-1]


def _cost(key: str, readings: tuple[tuple[str, ...], ...], said: list[str]) -> float:
    """What it costs that a word was read as `said`: nothing if that is one of its readings."""
    # Letters may have been spoken as one word: "F.B.I" for "F B I".
    together = "".join(said)
    if together == key or any(together == "".join(reading) for reading in readings):
        return 0.0
    if not said:
        return _UNSAID
    change = _OTHER_PLAIN if _PLAIN.fullmatch(key) else _OTHER
    return change + _STRAY * min(abs(len(said) - len(reading)) for reading in readings)


def _joined(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Blocks that are not certain as one with their like; spoken words of no word belong to the word before."""
    held: _Block | None = None
    for block in blocks:
        if held is None:
            held = block
        elif block[0] == block[1] or not (held[4] or block[4]):
            held = (held[0], block[1], held[2], block[3], held[4] and block[4])
        else:
            yield held
            held = block
    if held is not None and held[0] < held[1]:
        yield held


def _key(word: str) -> str:
    return _UNKEYED.sub("", word.lower())
