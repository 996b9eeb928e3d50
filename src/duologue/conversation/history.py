"""What was said, as it was heard. An agent's context never holds words that the user did not hear."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["History", "Message", "Segment", "heard_text"]

CLAUSE_END = re.compile(r"[,;:.!?…—–][\"')\]”’»]*(?=\s|$)")
TRAILING_SILENCE = 0.1
"""A segment ends in at least this much silence, so that it has been heard whole a little before its end. Seconds."""


@dataclass(frozen=True, slots=True)
class Message:
    """One side's words in one turn."""

    role: Literal["user", "agent"]
    text: str
    """User: what was understood. Agent: what the user *heard*."""
    said: str = ""
    """Agent: all that was ready to be said; longer than `text` where it was interrupted."""
    interrupted: bool = False
    estimated: bool = False
    """True where what was heard had to be estimated, for want of playback marks or of exact word timings."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text and how long it sounds."""

    text: str
    duration: float
    """Seconds."""
    words: tuple[tuple[str, float, float], ...] = ()
    """Each word with its start and end in seconds, where the synthesiser gives them *exactly*; else empty."""
    asks_from: float | None = None
    """Where in it, in seconds, the sentence begins that asks for an answer; None if it ends in none."""
    say: int | None = None
    """The id of the `say` that it belongs to, if that was spoken as a part of a reply."""
    interruptible: bool = True


def heard_text(segments: Sequence[Segment], played: float) -> tuple[str, bool]:
    """What was heard of `segments` in `played` seconds, and whether every word of it is certain.

    Whole segments are certain. Of the last one, exact word timings give its whole words; without them its words are
    placed by their share of the letters, and rounded down to the last whole clause.
    """
    heard: list[str] = []
    for segment in segments:
        if played <= 0:
            break
        if played >= segment.duration - TRAILING_SILENCE:
            heard.append(segment.text)
            played -= segment.duration
            continue
        if segment.words:
            heard.extend(word for word, _, end in segment.words if end <= played)
            return " ".join(heard), True
        reached = len(segment.text) * played / segment.duration
        ends = [m.end() for m in CLAUSE_END.finditer(segment.text) if m.end() <= reached]
        if ends:
            heard.append(segment.text[: ends[-1]])
        return " ".join(heard), False
    return " ".join(heard), True


@dataclass(slots=True)
class History:
    """The messages of a call, oldest first; bounded."""

    limit: int
    messages: deque[Message] = field(default_factory=deque)
    dropped: int = 0
    """Messages that made room for later ones."""

    def add(self, message: Message) -> None:
        """Append, and let the oldest go where there are too many."""
        self.messages.append(message)
        if len(self.messages) > self.limit:
            self.messages.popleft()
            self.dropped += 1

    def reopen(self, text: str) -> None:
        """Take the user's last message back: the turn was decided too soon and goes on."""
        if self.messages and self.messages[-1] == Message("user", text):
            self.messages.pop()

    def snapshot(self) -> tuple[Message, ...]:
        """The messages as they are now."""
        return tuple(self.messages)
