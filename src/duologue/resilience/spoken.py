"""The text of one answer for several voices: one may have to continue where another broke off."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from duologue.resilience.deadline import ProgressWatch
from duologue.tts.clauses import ClauseSplitter

__all__ = ["OWED", "TextTap", "clauses", "resume_at"]

OWED: Final = 200
"""Characters from which on a voice owes audio although more text is to come."""
SECONDS_PER_CHAR: Final = 1 / 12
"""A slow pace of speech, for voices that do not align their text: nothing is left out, and a little may be repeated."""


class TextTap:
    """Text that is being written, kept so that another voice can read it again from any place.

    A new reading ends the one before it.
    """

    def __init__(self, text: AsyncIterable[str]) -> None:
        self.text: str = ""
        """What was read so far."""
        self.ended: bool = False
        self._source = aiter(text)
        self._reading: object = None
        self._is_awaited = False
        self._unspoken = 0
        self._watch: ProgressWatch | None = None

    @property
    def owes_audio(self) -> bool:
        """True if the voice has been given enough to speak, or does not ask for more."""
        return self.ended or not self._is_awaited or self._unspoken > OWED

    def follow(self, watch: ProgressWatch) -> None:
        """Let the deadline of `watch` stand still while the voice waits for text."""
        self._watch = watch
        watch.pause_unless(lambda: self.owes_audio)

    def spoke(self) -> None:
        """Note that audio came."""
        self._unspoken = 0

    async def read(self, at: int = 0) -> AsyncIterator[str]:
        """Yield the text from character `at` on, as it arrives."""
        reading = self._reading = object()
        self._unspoken = 0
        while self._reading is reading:
            if at < len(self.text):
                piece = self.text[at:]
            elif self.ended or not (piece := await self._next()):
                return
            at += len(piece)
            self._unspoken += len(piece)
            yield piece

    async def _next(self) -> str:
        owed = self.owes_audio
        self._is_awaited = True
        try:
            piece = ""
            while not piece:
                piece = await anext(self._source)
        except StopAsyncIteration:
            self.ended = True
            return ""
        finally:
            self._is_awaited = False
            if self._watch is not None and not owed:
                self._watch.resume()
        self.text += piece
        return piece


async def clauses(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """Yield the clauses of a text that is being written, for a voice that takes one at a time."""
    splitter = ClauseSplitter()
    async for piece in text:
        for clause in splitter.push(piece):
            yield clause
    for clause in splitter.flush():
        yield clause


def resume_at(text: str, spoken: int) -> int:
    """Return the index in `text` at which the clause begins that holds its letter number `spoken`, blanks not counted.

    That clause was broken off, and is said again.
    """
    splitter = ClauseSplitter()
    starts, letters = 0, 0
    for clause in [*splitter.push(text), *splitter.flush()]:
        letters += _letters(clause)
        if letters > spoken:
            break
        starts = letters
    return _index(text, starts)


def _letters(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _index(text: str, letters: int) -> int:
    """The index after so many characters that are no blanks, and the blanks after them."""
    at = 0
    while at < len(text) and (letters or text[at].isspace()):
        letters -= not text[at].isspace()
        at += 1
    return at
