"""An agent that follows a script, and so can be made to do anything that an agent may do wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from duologue.agent import Turn
from duologue.testing.fakes import pause

__all__ = ["ScriptedAgent"]


class ScriptedAgent:
    """Answers turn after turn with `answers`; the last answers all that follow.

    An answer is a text, or steps: a text or an EndCall is yielded, a number is waited for in seconds of real time, and
    an exception is raised. So

        ScriptedAgent([])                          answers with nothing, which is an error but with may_stay_silent
        ScriptedAgent([RuntimeError("broken")])    fails
        ScriptedAgent([FOREVER])                   never answers
        ScriptedAgent(["word "] * 10_000)          does not stop
        ScriptedAgent(["One. ", 0.05, "Two."])     answers slowly
    """

    def __init__(self, *answers: str | Iterable[Any], speculative: bool = False, may_stay_silent: bool = False) -> None:
        self.speculative = speculative
        self.may_stay_silent = may_stay_silent
        self.turns: list[Turn] = []
        """What was asked."""
        self.yielded: int = 0
        """Pieces that were taken from the answers."""
        self.closed: int = 0
        """Answers that came to their end, or were closed before."""
        self._answers = [[a] if isinstance(a, str) else list(a) for a in answers] or [[]]

    async def reply(self, turn: Turn) -> AsyncIterator[Any]:
        """Follow the script."""
        self.turns.append(turn)
        steps = self._answers[min(len(self.turns), len(self._answers)) - 1]
        try:
            for step in steps:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, int | float):
                    await pause(step)
                else:
                    self.yielded += 1
                    yield step
        finally:
            self.closed += 1
