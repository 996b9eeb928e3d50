"""Whom the parts of a session tell before it begins and after it has ended, so that nothing of it is left in a ring.

Memory in a ring is only freed by the garbage collector, which holds up every call while it looks at all that lives.
"""

from __future__ import annotations

import logging

from duologue.agent.faults import FaultLog
from duologue.conversation.inputs import Input
from duologue.errors import DuologueError
from duologue.session.events import ToolCalled, TurnMeasured

__all__ = ["Nobody"]

_faults = FaultLog(logging.getLogger(__name__))


class Nobody:
    """Stands where a session is that does not live: it takes nothing in, and what fails now goes to the log alone."""

    accepted = 0

    def __init__(self, session: str) -> None:
        self.id = session

    def tell_rules(self, input_: Input) -> None:
        """The rules are done."""

    def failed(self, error: DuologueError, turn: int = 0, *, logged: bool = False) -> None:
        """Work that was not let go of has failed at last."""
        if not logged:
            _faults.write(f"Session {self.id}, which had ended", error)

    def broken(self, error: Exception) -> None:
        """There is nothing left to break."""

    def progressed(self) -> None:
        """Nobody waits for it."""

    def measured(self, measured: TurnMeasured) -> None:
        """Nobody heard it."""

    def tool_called(self, called: ToolCalled) -> None:
        """Ignore a tool that outlived its session."""
