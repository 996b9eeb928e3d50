"""The end of the call, once it is decided that the call will end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PendingEnd"]


@dataclass(slots=True)
class PendingEnd:
    """Why and when the call ends; an empty reason while it is not going to."""

    reason: str = ""
    deadline: int | None = None
    """Position at which the call ends even if the agent has not finished. None if a turn of the user still revokes the
    end."""

    @property
    def is_final(self) -> bool:
        """True if no turn revokes the end: the user's turns are not answered any more."""
        return self.deadline is not None

    def after_speech(self, reason: str, deadline: int) -> None:
        """End the call once the agent has finished, at `deadline` at the latest."""
        self.reason, self.deadline = reason, deadline

    def unless_a_turn_follows(self, reason: str) -> None:
        """End the call once the agent has finished, unless the user takes another turn before that."""
        self.reason, self.deadline = reason, None

    def revoke(self) -> None:
        """Keep the call: the user has taken a turn."""
        self.reason = ""
