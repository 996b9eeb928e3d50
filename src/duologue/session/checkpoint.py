"""The state of a call with which another session, in this or another process, can continue it."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from duologue.agent.faults import FaultLog, is_fault
from duologue.conversation.history import Message
from duologue.errors import AgentError, InputError, with_cause

__all__ = ["MAX_CHECKPOINT_BYTES", "CallCheckpoint", "Resumable", "agent_state", "json_or_none", "load_agent_state"]

_faults = FaultLog(logging.getLogger(__name__))

MAX_CHECKPOINT_BYTES: Final = 1_048_576
"""Bytes of a call's state as JSON; of what is larger, the state of the agent and the user data are left out."""


@runtime_checkable
class Resumable(Protocol):
    """An agent whose state can be saved, so that a call can continue in another process.

    Agents without it are given the history of the call, and nothing else.
    """

    def dump_state(self) -> Any:
        """The agent's state in JSON types."""
        ...

    def load_state(self, state: Any) -> None:
        """Restore the state that `dump_state` returned, perhaps in another process. Raises if it cannot be used."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCheckpoint:
    """The state of a call between two turns.

    Audio, replies that are being prepared, and turns that are open are not part of it.
    """

    history: tuple[Message, ...] = ()
    """What was said, as heard."""
    turn: int = 0
    """Number of the last turn."""
    generation: int = 0
    """Generation of the last reply."""
    output_s: float = 0.0
    """Seconds of audio that were sent to the client."""
    agent: str = "default"
    """The name of the agent that answers."""
    agent_state: Any = None
    """What its `dump_state` gave; None if it has none."""
    user_data: Any = None
    """`turn.user_data`, if it consists of JSON types."""

    def as_json(self) -> Any:
        """The checkpoint in JSON types."""
        return _ADAPTER.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, value: Any) -> CallCheckpoint:
        """The checkpoint that `as_json` gave. Raises InputError for anything else."""
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError:
            raise InputError("A stored call cannot be read.", hint="Was it stored by another version?") from None


_ADAPTER: Final = TypeAdapter(CallCheckpoint)


def json_or_none(value: Any) -> Any:
    """`value` if it consists of JSON types, and None otherwise."""
    try:
        text = json.dumps(value, allow_nan=False)
        return value if len(text) <= MAX_CHECKPOINT_BYTES // 2 and json.loads(text) == value else None
    except Exception:  # a class of the application may raise anything
        return None


def agent_state(agent: object, call: str) -> Any:
    """The state of an agent in JSON types; None if it has none, or fails to tell it, which is logged."""
    if not isinstance(agent, Resumable):
        return None
    try:
        state = agent.dump_state()
    except BaseException as error:
        if not is_fault(error):
            raise
        failure = with_cause(AgentError("The agent failed to dump its state."), error)
    else:
        if inspect.iscoroutine(state):
            state.close()
        kept = json_or_none(state)
        if kept is not None or state is None:
            return kept
        failure = AgentError(
            f"The agent dumped a state that is not kept: {type(state).__name__}.",
            hint=f"Return JSON types, of at most {MAX_CHECKPOINT_BYTES // 2} bytes; dump_state must not be async.",
        )
    _faults.write(f"Session {call}", failure, call=call)
    return None


def load_agent_state(agent: object, state: Any) -> None:
    """Give an agent its state. Raises AgentError if it cannot use it."""
    if state is None or not isinstance(agent, Resumable):
        return
    try:
        load: Callable[[Any], object] = agent.load_state
        loading = load(state)
    except BaseException as error:
        if not is_fault(error):
            raise
        raise with_cause(AgentError(f"The agent cannot go on from its state: {type(error).__name__}."), error) from None
    if inspect.iscoroutine(loading):
        loading.close()
        raise AgentError("The agent cannot go on from its state: load_state must not be async.")
