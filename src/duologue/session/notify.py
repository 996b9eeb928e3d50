"""Plain calls to a responder: one that raises is reported, and disturbs neither the rules nor the call."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from duologue.agent.faults import is_fault
from duologue.errors import DuologueError
from duologue.session.failures import provider_failed
from duologue.session.responder import Responder

__all__ = ["notify", "responder_failed"]


class Reporter(Protocol):
    """Where the error goes."""

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Report an error that does not end the reply."""
        ...


def notify(
    responder: Responder, call: Literal["commit", "truncate", "cancel"], about: Any, output: Reporter, turn: int = 0
) -> None:
    """Tell a responder what became of a response."""
    try:
        getattr(responder, call)(about)
    except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
        if not is_fault(cause):
            raise
        output.failed(responder_failed(responder, cause, call), turn)


def responder_failed(responder: Responder, cause: BaseException, what: str = "") -> DuologueError:
    """Return the error to report for what a responder raised when it was to do something."""
    return provider_failed(responder.name, cause, what)
