"""Handles of the texts that the application wants said, until they have been heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["SpeechHandle", "SpeechHandles"]


@dataclass(eq=False, slots=True)
class SpeechHandle:
    """One `say`, until it has been heard."""

    text: str
    heard: str = ""
    """What the user heard of it, once it is over."""
    interrupted: bool = False
    """True if it was cut off, or never spoken."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_playout(self) -> None:
        """Return when it has been heard or cut off."""
        await self._over.wait()

    def _end(self, heard: str = "", *, interrupted: bool = True) -> None:
        self.heard, self.interrupted = heard, interrupted
        self._over.set()


class SpeechHandles:
    """The open handles of one session, by the id that the rules know each text by."""

    def __init__(self) -> None:
        self.recordings: dict[int, bytes] = {}
        """What is played in place of speech, by the same ids."""
        self._open: dict[int, SpeechHandle] = {}
        self._last = 0

    def add(self, text: str) -> tuple[int, SpeechHandle]:
        """Open a handle; returns the id for the rules beside it."""
        self._last += 1
        self._open[self._last] = handle = SpeechHandle(text)
        return self._last, handle

    def end(self, key: int, heard: str = "", *, interrupted: bool = True) -> None:
        """Close a handle; an id without one, such as that of the greeting, is passed over."""
        self.recordings.pop(key, None)
        if handle := self._open.pop(key, None):
            handle._end(heard, interrupted=interrupted)

    def clear(self) -> None:
        """Close all handles: none of their texts will be said."""
        for key in list(self._open):
            self.end(key)
