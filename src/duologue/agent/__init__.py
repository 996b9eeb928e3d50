"""Agents: what answers. Text in, text out; audio is none of their concern."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from duologue.agent.call import Call, CallInfo, detached_call
from duologue.conversation.history import Message
from duologue.errors import DuologueError

__all__ = [
    "Agent",
    "Call",
    "CallInfo",
    "Cloneable",
    "EndCall",
    "FunctionCall",
    "HasCommonPhrases",
    "HasStartupWarning",
    "Progress",
    "Reply",
    "Stateful",
    "ToolCall",
    "Turn",
]


@dataclass(frozen=True, slots=True)
class EndCall:
    """Yielded by an agent after its last words: when they have been heard, the call ends."""

    reason: str = "agent_done"


@dataclass(frozen=True, slots=True)
class Progress(str):
    """Yielded by an agent that is at work and has no text yet: restarts the deadline, and is not spoken.

    To code that only joins the pieces of an answer it is an empty text.
    """


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """Yielded by an agent that wants a protocol to show, or to carry out, a call of a function.

    It is passed on once the turn is decided, after the text before it, as a `FunctionCallRequested` event.
    """

    name: str
    arguments: str = "{}"
    """A JSON object."""
    id: str = ""
    """Identifies the call to its agent."""


Reply = str | EndCall | Progress | FunctionCall


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The times of one tool call. Its arguments and its result are not part of it: they may hold the caller's words."""

    name: str
    started: float
    """On `time.perf_counter()`, as `finished`."""
    finished: float
    outcome: Literal["done", "failed", "stopped"]
    """`failed`: it raised. `stopped`: it was cancelled."""


def _ignore(_: object) -> None:
    pass


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
    report_tool: Callable[[ToolCall], None] = _ignore
    """Takes the times of a tool call; call it on the event loop's thread."""
    call: Call = field(default_factory=detached_call, repr=False)
    """The call: say or play something, hand over to another agent, end it."""
    report_error: Callable[[DuologueError], None] = _ignore
    """Takes an error after which the reply goes on: it is logged, and published as `ErrorRaised`."""

    @contextmanager
    def tool(self, name: str) -> Iterator[None]:
        """Measure a tool call and report it, so that the console shows it: `with turn.tool("find_table"): ...`."""
        started = time.perf_counter()
        outcome: Literal["done", "failed", "stopped"] = "done"
        try:
            yield
        except Exception:
            outcome = "failed"
            raise
        except BaseException:
            outcome = "stopped"
            raise
        finally:
            self.report_tool(ToolCall(name, started, time.perf_counter(), outcome))


@runtime_checkable
class Agent(Protocol):
    """Answers turns, one at a time; one instance serves one session.

    It may have more attributes: `greeting` (str), what it says first; `may_stay_silent` (bool), True if an answer
    without words is meant and no error; `shareable` (bool), True if one instance may serve all sessions; and
    `async def aclose(self)`, which is called when its session has ended.
    """

    speculative: bool
    """True where `reply` has no side effects before `turn.committed()`: it may then run before the turn is decided."""

    def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Stream the answer as text, in pieces of any size. Closing the iterator means: stop."""
        ...


@runtime_checkable
class HasCommonPhrases(Protocol):
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
        """Restore the state that `snapshot` returned."""
        ...


@runtime_checkable
class Cloneable(Protocol):
    """An agent that can be copied, so that one instance configures many calls."""

    def clone(self) -> Agent:
        """Make an agent for another call: the same configuration, and nothing of any call."""
        ...


@runtime_checkable
class HasStartupWarning(Protocol):
    """An agent that can tell, when a server starts, whether what it depends on is there."""

    async def startup_warning(self) -> str | None:
        """Return a line for the operator about what is wrong, or None. Takes a few seconds at most."""
        ...
