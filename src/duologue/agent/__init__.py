"""Agents: what answers. Text in, text out; sound is none of their business."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from duologue.conversation.history import Message

__all__ = ["Agent", "EndCall", "Reply", "Stateful", "Stocked", "Turn"]


@dataclass(frozen=True, slots=True)
class EndCall:
    """Yielded by an agent after its last words: when they have been heard, the call ends."""

    reason: str = "agent_done"


Reply = str | EndCall


@dataclass(frozen=True, slots=True)
class Turn:
    """What the agent is asked to answer."""

    id: int
    text: str
    """What the user said in this turn."""
    history: tuple[Message, ...]
    """All turns before this one, as heard."""
    committed: Callable[[], Awaitable[object]]
    """Await this before any side effect: it returns when the turn is decided, and is cancelled when it is discarded."""
    user_data: Any = None
    """What the session was given as `user_data`."""


@runtime_checkable
class Agent(Protocol):
    """Answers turns, one at a time; one instance serves one session."""

    speculative: bool
    """True where `reply` has no side effects before `turn.committed()`: it may then run before the turn is decided."""

    def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Stream the answer as text, in pieces of any size. Closing the iterator means: stop."""
        ...


@runtime_checkable
class Stocked(Protocol):
    """An agent that says some things often, so that they can be spoken ahead and kept."""

    @property
    def phrases(self) -> Sequence[str]:
        """Whole sentences, or whole answers."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """An agent whose state can be put back when a speculation is discarded."""

    def snapshot(self) -> object:
        """A value that `restore` understands; later replies do not change it."""
        ...

    def restore(self, state: object) -> None:
        """Put the agent back to where it was."""
        ...
