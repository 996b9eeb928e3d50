"""What is learned of a language model while it answers, and the text that is held back because of it."""

from __future__ import annotations

import re
from collections import deque

from duologue.agent.reasoning import ReasoningFilter

__all__ = ["Habits", "HeldAnswer"]

MAX_REASONING_CHARS = 100_000
"""Text that is held until a closing tag says whether it was reasoning; beyond it, it was."""
SENTENCE_HOLD_S = 0.06
"""Seconds that a first sentence is held if the model pauses after it..."""
HOLD_S = 0.5
"""...and text that could not be spoken yet."""
_FIRST_CLAUSE_CHARS = 60
_CLAUSE = re.compile(r"\w[.!?…,;:—][\"'”’)\]]*\s+\S")
"""The end of a clause and what follows it: before that, no clause is spoken."""
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*\s*$")
_STARTS_INSIDE = re.compile(r"deepseek[-_.]?r1|\bqwq\b|qwen.*thinking|glm-z1", re.IGNORECASE)
"""Models whose chat template opens the reasoning, so that their own text begins inside of it."""


class Habits:
    """The ways of a model, which all agents on it share."""

    def __init__(self, name: str) -> None:
        self.starts_inside: bool = _STARTS_INSIDE.search(name) is not None
        """Its text begins with reasoning that no tag opens, and `</think>` ends it."""
        self.refuses_system_role = False


class HeldAnswer:
    """One response of a model without its reasoning.

    A model may begin with reasoning that no tag opens. So the beginning of a response is held until a clause of it
    could be spoken, which costs no time: until then it would wait in the session. If the model has done so before, all
    is held until its closing tag; if that never comes, the whole is the answer, and the model is not expected to do it
    again.
    """

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._filter = ReasoningFilter()
        self._held: deque[str] = deque()
        self._chars = 0
        self._holding = True
        self._overflowed = False
        self._expects = habits.starts_inside

    @property
    def waits(self) -> bool:
        """True while text is held that may be given after a pause."""
        return bool(self._held) and not self._must_hold

    @property
    def hold_s(self) -> float:
        """Seconds after which text that `waits` is given, if no more comes."""
        return SENTENCE_HOLD_S if _SENTENCE_END.search("".join(self._held)) else HOLD_S

    @property
    def is_clause(self) -> bool:
        """True once what is held could be spoken."""
        return self.waits and (self._chars >= _FIRST_CLAUSE_CHARS or bool(_CLAUSE.search("".join(self._held))))

    def push(self, text: str) -> list[str]:
        """Take the next text; what may be spoken by now."""
        shown = self._filter.push(text)
        if shown.forget:
            self._clear()
        if self._filter.unopened:
            self._habits.starts_inside = True
        if self._filter.opened or self._filter.unopened:
            self._holding = self._expects = False  # reasoning has been seen, and what follows it is the answer
        if shown.text and not self._overflowed:
            self._held.append(shown.text)
            self._chars += len(shown.text)
        if self._chars > MAX_REASONING_CHARS:
            self._clear()
            self._overflowed = True  # so much text is no answer
        return [] if self._holding or self._must_hold else self._release()

    @property
    def _must_hold(self) -> bool:
        return self._expects or self._filter.unclosed

    def trust(self) -> list[str]:
        """The server separates reasoning from text: nothing need be held."""
        self._expects = False
        return self.release()

    def release(self) -> list[str]:
        """The model pauses, or a clause is complete: what was held may be spoken."""
        self._holding = False
        return self._release()

    def end(self) -> list[str]:
        """The response is over: the rest of it."""
        rest = self._filter.end()
        if rest and not self._overflowed:
            self._held.append(rest)
        if self._expects and self._held:
            self._habits.starts_inside = False
        return self._release()

    def _release(self) -> list[str]:
        held = list(self._held)
        self._clear()
        return held

    def _clear(self) -> None:
        self._held.clear()
        self._chars = 0
        self._overflowed = False
