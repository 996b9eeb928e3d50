"""What was said, as it was heard. An agent's context never holds words that the user did not hear."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from duologue.conversation.question import Expected

__all__ = ["History", "Message", "Segment", "heard_text"]

CLAUSE_END = re.compile(r"[,;:.!?…—–][\"')\]”’»]*(?=\s|$)")
AFTER_WORD = re.compile(r"[^\w\s]*")
"""Marks that belong to the word before them."""
TRAILING_SILENCE = 0.1
"""Seconds of silence in which a segment without word timings ends: it was heard whole that much before its end."""
ROUNDING = 1e-6
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Message:
    """One side's words in one turn."""

    role: Literal["user", "agent"]
    text: str
    """User: what was understood. Agent: what the user *heard*."""
    said: str = ""
    """Agent: all text that was ready to be spoken; longer than `text` if it was interrupted."""
    interrupted: bool = False
    estimated: bool = False
    """True if the heard text is an estimate, because playback marks or exact word timings are missing."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text tied to the audio of a reply. All times are seconds from the start of that audio."""

    text: str
    start: float
    end: float
    words: tuple[tuple[str, float, float], ...] = ()
    """Each word with its start and end, if the voice knows them exactly; else empty."""
    asks_from: float | None = None
    """Where the question begins that the text ends; None if it asks nothing."""
    expects: Expected | None = None
    """What that question asks for; None counts as `open`."""
    say: int | None = None
    """The id of the `say` that it belongs to, if that was spoken as a part of a reply."""
    interruptible: bool = True
    id: int = 0
    """Replaces an earlier segment of the same id, whose times were an estimate; 0 if the times are final."""

    def is_heard(self, played: float) -> bool:
        """Return True if all of it was heard in `played` seconds of the reply."""
        if not self.has_begun(played):
            return False
        if self.words:
            return played >= self.words[-1][2] - ROUNDING
        return played >= self.end - TRAILING_SILENCE

    def has_begun(self, played: float) -> bool:
        """Return True if some of it was heard."""
        return played > self.start if self.end > self.start else 0 < played >= self.start

    def heard_part(self, played: float) -> str:
        """Return what was heard of a segment that was not heard to its end: whole words, or whole clauses."""
        if not self.words:
            reached = len(self.text) * (played - self.start) / (self.end - self.start)
            return self.text[: max((m.end() for m in CLAUSE_END.finditer(self.text) if m.end() <= reached), default=0)]
        at = 0
        for word, _, end in self.words:
            if end > played + ROUNDING:
                break
            found = self.text.find(word, at)
            if found < 0:  # the voice writes its words otherwise
                return " ".join(word for word, _, end in self.words if end <= played + ROUNDING)
            at = found + len(word)
        marks = AFTER_WORD.match(self.text, at) if at else None
        return self.text[: marks.end() if marks else at]


def heard_text(segments: Sequence[Segment], played: float) -> tuple[str, bool]:
    """Return what was heard of `segments` in `played` seconds of the reply, and whether every word of it is certain.

    Segments that were heard to their end are certain. Of the last one, exact word timings give its whole words; without
    them its words are placed by their share of the letters, and rounded down to the last whole clause.
    """
    heard: list[str] = []
    for segment in segments:
        if not segment.has_begun(played):
            break
        if not segment.is_heard(played):
            heard.append(segment.heard_part(played))
            return " ".join(text for text in heard if text), bool(segment.words)
        heard.append(segment.text)
    return " ".join(heard), True


@dataclass(slots=True)
class History:
    """The messages of a call, oldest first; bounded."""

    limit: int
    messages: deque[Message] = field(default_factory=deque)
    dropped: int = 0
    """Messages that made room for later ones."""

    def add(self, message: Message) -> None:
        """Append a message, and drop the oldest if there are too many."""
        self.messages.append(message)
        if len(self.messages) > self.limit:
            self.messages.popleft()
            self.dropped += 1

    def reopen(self, text: str) -> None:
        """Remove the user's last message: the turn was decided too soon and continues."""
        if self.messages and self.messages[-1] == Message("user", text):
            self.messages.pop()

    def snapshot(self) -> tuple[Message, ...]:
        """The messages as they are now."""
        return tuple(self.messages)
