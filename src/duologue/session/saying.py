"""What the application has the agent say, from the wish until it was heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["Says", "SpeechHandle"]


@dataclass(eq=False, slots=True)
class SpeechHandle:
    """One `say`, until it has been heard."""

    text: str
    heard: str = ""
    """What the user heard of it, once it is over."""
    interrupted: bool = False
    """True where it was cut off, or never spoken."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_playout(self) -> None:
        """Return when it has been heard or cut off."""
        await self._over.wait()

    def _end(self, heard: str = "", *, interrupted: bool = True) -> None:
        self.heard, self.interrupted = heard, interrupted
        self._over.set()


class Says:
    """The handles of one session: of those that wait for the floor, and of the one that speaks."""

    def __init__(self) -> None:
        self._waiting: dict[int, SpeechHandle] = {}
        """By the id that the rules know them by."""
        self._speaking: dict[int, SpeechHandle] = {}
        """By generation."""

    def add(self, text: str) -> tuple[int, SpeechHandle]:
        """One more that waits; returns the id for the rules beside it."""
        key = max(self._waiting, default=0) + 1
        self._waiting[key] = handle = SpeechHandle(text)
        return key, handle

    def refuse(self, key: int) -> None:
        """The rules did not take it."""
        self._waiting.pop(key, None)

    def begin(self, key: int, generation: int) -> None:
        """It has the floor. An id that nobody was given, as that of the greeting, is passed over."""
        if key in self._waiting:
            self._speaking[generation] = self._waiting.pop(key)

    def end(self, generation: int, heard: str = "", *, interrupted: bool = True) -> None:
        """What spoke is over; a generation of the agent's own is passed over."""
        if generation in self._speaking:
            self._speaking.pop(generation)._end(heard, interrupted=interrupted)

    def clear(self) -> None:
        """None of those that wait will ever speak."""
        for handle in self._waiting.values():
            handle._end()
        self._waiting.clear()
