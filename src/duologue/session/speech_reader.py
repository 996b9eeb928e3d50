"""Reads what a voice streams: with a deadline on its progress, within bounds, and checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from duologue.errors import DeadlineError, ProviderError
from duologue.session.cancellation import cancelled_from_outside
from duologue.session.text_queue import TextFeed
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech

__all__ = ["SpeechReader"]

MAX_SECONDS: Final = 30.0
"""The longest audio of one stream..."""
MAX_SECONDS_PER_CHAR: Final = 1.0
"""...and so much more for each character of its text."""
MAX_SPANS_PER_CHAR: Final = 2
MAX_SPANS: Final = 100
AT_ONCE: Final = 64
"""Items that are read before other calls have their turn, of a voice that never waits."""


class SpeechReader:
    """The items of one stream.

    The deadline runs while the voice owes audio: not while it waits for text that is being written.
    """

    def __init__(self, voice: TextToSpeech, items: AsyncIterator[SpeechItem], timeout: float, chars: int) -> None:
        self._voice = voice
        self._items = items
        self._timeout = timeout
        self._chars = chars
        """Characters that the voice was given."""
        self._feed: TextFeed | None = None
        self._due: float | None = None
        self._waiting: asyncio.Timeout | None = None
        self._seconds = 0.0
        self._spans = self._read = 0
        self._now = asyncio.get_running_loop().time

    def follow(self, feed: TextFeed) -> None:
        """Take the text that `feed` hands out into account."""
        self._feed = feed
        feed.on_change = self._check_due

    def add_text(self, text: str) -> None:
        """Note text that the voice was given."""
        self._chars += len(text)

    async def next(self) -> SpeechItem | None:
        """Return the next item, or None at the end.

        Raises DeadlineError if the voice makes no progress, and ProviderError for what it must not give.
        """
        self._due = None
        self._check_due()
        while True:
            item = await self._next()
            if item is None:
                return None
            self._read += 1
            if self._read % AT_ONCE == 0:
                await asyncio.sleep(0)
            self._check(item)
            if isinstance(item, TextSpan) or item.pcm:
                return item
            self._check_late()

    def _check_due(self) -> None:
        """Start the deadline if the voice has come to owe audio, and lift it if it does not."""
        if self._feed is not None and not self._feed.owes_audio:
            self._due = None
        elif self._due is None:
            self._due = self._now() + self._timeout
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._due)

    async def _next(self) -> SpeechItem | None:
        name = self._voice.name
        try:
            async with asyncio.timeout_at(self._due) as waiting:
                self._waiting = waiting
                return await anext(self._items)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if not waiting.expired():
                raise
            raise self._late() from None
        except asyncio.CancelledError as error:
            if cancelled_from_outside():
                raise
            raise ProviderError(f"{name} cancelled its own work.", provider=name) from error
        finally:
            self._waiting = None

    def _check_late(self) -> None:
        """Raise DeadlineError if the deadline has passed: of a voice that never waits, no timeout tells."""
        if self._due is not None and self._now() >= self._due:
            raise self._late()

    def _late(self) -> DeadlineError:
        name = self._voice.name
        return DeadlineError(f"{name} gave no speech for {self._timeout:g} s.", provider=name)

    def _check(self, item: SpeechItem) -> None:
        name = self._voice.name
        if isinstance(item, AudioChunk) and isinstance(item.pcm, bytes | bytearray | memoryview):
            if len(item.pcm) % 2:
                raise ProviderError(
                    f"{name} gave a chunk of {len(item.pcm)} bytes, and must give whole 16-bit samples.", provider=name
                )
            self._seconds += len(item.pcm) / 2 / self._voice.rate
            if self._seconds > MAX_SECONDS + MAX_SECONDS_PER_CHAR * self._chars:
                raise ProviderError(
                    f"{name} gave {self._seconds:.0f} s of speech for {self._chars} characters.", provider=name
                )
            return
        if not isinstance(item, TextSpan):
            raise ProviderError(
                f"{name} gave {type(item).__name__}, and must give AudioChunk or TextSpan.", provider=name
            )
        self._spans += 1
        if self._spans > MAX_SPANS + MAX_SPANS_PER_CHAR * self._chars:
            raise ProviderError(f"{name} gave {self._spans} spans for {self._chars} characters.", provider=name)
