"""When each word of a text sounds, from what a service says of its audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from duologue.tts import WordTiming
from duologue.tts.websocket.wire import Timed

__all__ = ["WordTimer"]

LOOK_AHEAD: Final = 12
"""Words of the text among which a spoken word is sought, if it is not the next one."""


class WordTimer:
    """Gives the words that were sent their times, as they were written.

    A service may leave out a dash, or say "five dollars" for "$5": a word that is not found shares the time between
    those that are.
    """

    def __init__(self, words: deque[str]) -> None:
        self._words = words
        """Words that were sent and have no time yet."""
        self._word = ""
        """What came of a spoken word that has not ended."""
        self._start = self._end = 0.0
        self._strange = ""
        """Letters of spoken words that were not found..."""
        self._strange_start = 0.0
        self.end: float = 0.0
        """Seconds at which the last word ended."""

    def push(self, timed: Iterable[Timed]) -> list[WordTiming]:
        """Return the words whose time has become known."""
        found: list[WordTiming] = []
        for text, start, end in timed:
            for char in text:
                if char.isspace():
                    self._close(found)
                    continue
                if not self._word:
                    self._start = start
                self._word += char
                self._end = end
        # The last word of what was sent has no space after it yet.
        if self._words and self._word == self._words[0]:
            self._close(found)
        return found

    def _close(self, found: list[WordTiming]) -> None:
        spoken, self._word = self._word, ""
        if not spoken or not self._words:
            return
        key = _key(spoken)
        at = next((n for n in range(min(LOOK_AHEAD, len(self._words))) if _same(self._words[n], spoken, key)), None)
        if at is None:
            if not self._strange:
                self._strange_start = self._start
            self._strange += key
            if self._strange == _key(self._words[0]):
                self._strange = ""
                self._add(found, self._words.popleft(), self._strange_start, self._end)
            return
        self._share([self._words.popleft() for _ in range(at)], found)
        self._strange = ""
        self._add(found, self._words.popleft(), self._start, self._end)

    def _share(self, words: list[str], found: list[WordTiming]) -> None:
        """Give words that were passed over the time before the one that was found."""
        start = self._strange_start if self._strange else self._start
        total, done = sum(map(len, words)), 0
        for word in words:
            begin = start + (self._start - start) * done / total
            done += len(word)
            self._add(found, word, begin, start + (self._start - start) * done / total)

    def _add(self, found: list[WordTiming], word: str, start: float, end: float) -> None:
        found.append(WordTiming(word, start, end))
        self.end = end


def _same(word: str, spoken: str, key: str) -> bool:
    return word == spoken or (key != "" and _key(word) == key)


def _key(word: str) -> str:
    return "".join(char for char in word.lower() if char.isalnum())
