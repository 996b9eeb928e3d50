"""Text between the agent and the voice: a short queue, and the feed of a voice that takes streamed text."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from duologue.agent import FunctionCall
from duologue.tts.clauses import ClauseSplitter

__all__ = ["Piece", "TextFeed", "TextQueue"]

MAX_UNSPOKEN: Final = 1000
"""Characters that a voice may have been given without an answer in audio; then it has to speak first."""
OWED: Final = 200
"""Characters from which on a voice owes audio although more text is to come."""


class Piece(NamedTuple):
    """A stretch of text to be spoken: a clause, or for a voice that takes streamed text a piece of any length."""

    text: str
    say: int | None = None
    """The id of the `say` that it belongs to, if it was not written by the agent."""
    ends_say: bool = False
    interruptible: bool = True
    audio: bytes = b""
    """Recorded audio that is played in place of speech: PCM16 at the responder's rate, of which `text` is the words."""

    def may_follow(self, other: Piece) -> bool:
        """Return True if both may be spoken in one stream."""
        recorded = bool(self.audio or other.audio)
        return not recorded and (self.say, self.interruptible) == (other.say, other.interruptible)


Item = Piece | FunctionCall | None


class TextQueue:
    """Pieces and function calls in their order, None at the end; when `size` of them wait, the writer waits."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._ahead = 0
        """Pieces at the front that were put before the writer began; they take no room from it."""
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    def put_ahead(self, piece: Piece) -> None:
        """Add a piece that is spoken before anything that is written; bounded by the caller."""
        self._items.append(piece)
        self._ahead += 1

    async def put(self, item: Item) -> None:
        """Add an item as soon as there is room."""
        while len(self._items) - self._ahead >= self._size:
            self._room.clear()
            await self._room.wait()
        self.put_nowait(item)

    def put_nowait(self, item: Item) -> None:
        """Add an item although there may be no room."""
        self._items.append(item)
        self._arrived.set()

    @property
    def is_empty(self) -> bool:
        """True if nothing waits."""
        return not self._items

    async def peek(self) -> Item:
        """Return the next item once there is one, and leave it in the queue."""
        while not self._items:
            await self.changed()
        return self._items[0]

    async def changed(self) -> None:
        """Return when an item arrives, or `wake` is called."""
        self._arrived.clear()
        await self._arrived.wait()

    def wake(self) -> None:
        """Have all who wait look again at what they wait for."""
        self._arrived.set()

    def pop(self) -> None:
        """Remove the next item."""
        self._items.popleft()
        self._ahead = max(0, self._ahead - 1)
        self._room.set()

    def replace(self, piece: Piece) -> None:
        """Put `piece` in the place of the next one."""
        self._items[0] = piece

    def forget_written(self) -> None:
        """Remove what the agent wrote; what belongs to a `say` stays."""
        self._items = deque(
            i for i in self._items if isinstance(i, FunctionCall) or (i is not None and i.say is not None)
        )
        self._room.set()


class TextFeed:
    """The text of one stream of speech, as an async iterable for the voice.

    The voice may read it anew from its beginning, which ends an earlier reading: so a stream that failed before it gave
    audio can be repeated. Before `is_open()` no more than the first clause is handed out; each later piece waits for
    `gate()`.
    """

    def __init__(
        self, queue: TextQueue, first: Piece, is_open: Callable[[], bool], gate: Callable[[], Awaitable[object]]
    ) -> None:
        self.ended: bool = False
        """All text of the stream was handed out."""
        self.is_awaited: bool = False
        """The voice waits for text."""
        self.unspoken: int = 0
        """Characters that were handed out since the last audio."""
        self.on_text: Callable[[str], None] = _ignore
        self.on_change: Callable[[], None] = _pass
        self._queue = queue
        self._first = first
        self._is_open = is_open
        self._gate = gate
        self.handed: list[str] = []
        """What was handed out, at most the whole answer."""
        self._splitter = ClauseSplitter()
        self._has_clause = False
        self._reading: _Reading | None = None
        self._spoke = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[str]:
        self._reading = _Reading(self)
        return self._reading

    @property
    def owes_audio(self) -> bool:
        """True if the voice has to give audio, or an end, before anything else can happen."""
        return self.ended or not self.is_awaited or self.unspoken > OWED

    def spoke(self) -> None:
        """Note that audio came."""
        self.unspoken = 0
        self._spoke.set()

    def close(self) -> None:
        """End all readings; what was not handed out stays in the queue."""
        self._reading = None
        self._queue.wake()
        self.on_text, self.on_change = _ignore, _pass  # break the reference cycle with the owner of the feed

    def is_read_by(self, reading: _Reading) -> bool:
        """Return True for the reading that was begun last, until the feed is closed."""
        return reading is self._reading

    async def next(self, reading: _Reading) -> str | None:
        """Return the next piece, or None at the end of the stream."""
        self.is_awaited = True
        self.on_change()
        try:
            if self._has_clause:
                await self._gate()
            while self.unspoken >= MAX_UNSPOKEN:
                self._spoke.clear()
                await self._spoke.wait()
            while not self.ended and self._queue.is_empty and self.is_read_by(reading):
                await self._queue.changed()
        finally:
            self.is_awaited = False
        if not self.is_read_by(reading):
            return None
        piece = None if self.ended else await self._queue.peek()
        if self.ended or not isinstance(piece, Piece) or not piece.may_follow(self._first):
            self.ended = True
            self.on_change()
            return None
        return self._hand(piece)

    def _hand(self, piece: Piece) -> str:
        text, rest = piece.text, ""
        if not self._has_clause and (clauses := self._splitter.push(text)):
            self._has_clause = True
            last_word = clauses[0].split()[-1]
            found = text.find(last_word)
            if found >= 0 and not self._is_open():
                cut = found + len(last_word)
                text, rest = text[:cut], text[cut:]
        if rest:
            self._queue.replace(piece._replace(text=rest))
        else:
            self._queue.pop()
            self.ended = piece.ends_say  # no text follows, and its writer need not wait
        self.handed.append(text)
        self.unspoken += len(text)
        self.on_text(text)
        self.on_change()
        return text


def _ignore(text: str) -> None:
    pass


def _pass() -> None:
    pass


class _Reading:
    """One reading of a feed."""

    def __init__(self, feed: TextFeed) -> None:
        self._feed = feed
        self._at = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if not self._feed.is_read_by(self):
            raise StopAsyncIteration
        handed = self._feed.handed
        piece = handed[self._at] if self._at < len(handed) else await self._feed.next(self)
        if piece is None:
            raise StopAsyncIteration
        self._at += 1
        return piece
