"""Typed text and telephone keys that wait to become a turn."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from duologue.audio.format import RATE
from duologue.conversation.config import ConversationConfig
from duologue.errors import InvalidStateError

__all__ = ["MAX_TYPED", "MAX_TYPED_CHARACTERS", "TypedText"]

MAX_TYPED = 8
"""Texts that may wait for an answer."""
MAX_TYPED_CHARACTERS = 8000
"""Characters of several texts that may wait for an answer."""
KEYS = re.compile(r"[0-9*#]{1,2}")
"""Telephone keys, pressed one after the other."""


@dataclass(slots=True)
class TypedText:
    """Texts that wait for an answer. Keys that follow each other are one text."""

    config: ConversationConfig
    texts: list[str] = field(default_factory=list)
    complete_at: int = -(10**9)
    """Position at which the text counts as complete and may be answered."""
    _keys: bool = False
    """The last text consists of keys, and more keys may follow."""

    def __bool__(self) -> bool:
        return bool(self.texts)

    def add(self, text: str, pos: int, *, at_once: bool) -> None:
        """Append what was typed.

        Args:
            text: The text, or one or two keys.
            pos: Position at which it was typed.
            at_once: It may be answered without waiting for more, unless it is a key.

        Raises:
            InvalidStateError: Too much waits already.
        """
        if self.texts and sum(map(len, self.texts)) + len(text) > MAX_TYPED_CHARACTERS:
            raise InvalidStateError(f"{MAX_TYPED_CHARACTERS} typed characters wait already; wait for an answer.")
        keys = KEYS.fullmatch(text) is not None
        if keys and self._keys:
            self.texts[-1] += text
        elif len(self.texts) >= MAX_TYPED:
            raise InvalidStateError(f"{MAX_TYPED} typed turns wait already; wait for an answer.")
        else:
            self.texts.append(text)
        self._keys = keys
        wait = 0.0 if at_once else self.config.text_settle
        if keys:
            wait = 0.0 if text.endswith("#") else self.config.keys_settle
        self.complete_at = pos + round(wait * RATE)

    def put_back(self, text: str) -> None:
        """Put words that were answered too early before those that wait."""
        self.texts.insert(0, text)

    def take(self) -> str:
        """Remove and return all that waits, joined."""
        text = " ".join(self.texts)
        self.clear()
        return text

    def clear(self) -> None:
        """Forget what waits."""
        self.texts.clear()
        self._keys = False
