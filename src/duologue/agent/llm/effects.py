"""What tools do to the world: nothing before the turn is decided, nothing by halves, and nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from duologue.errors import ConfigError

__all__ = ["Effect", "Effects", "ToolKind", "kind_of", "read_only", "side_effect"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

ToolKind = Literal["plain", "read_only", "side_effect"]
_MARK = "__duologue_tool_kind__"
_REMEMBERED = 20
_MAX_CHARACTERS = 400


def side_effect(function: _Function) -> _Function:
    """Mark a tool that changes something: a booking, a payment, a message.

    It starts once the turn is decided, goes on when the user interrupts, and its result is kept for later turns.
    """
    return _mark(function, "side_effect")


def read_only(function: _Function) -> _Function:
    """Mark a tool that only looks things up: it may run before the turn is decided, and is cancelled with it."""
    return _mark(function, "read_only")


def kind_of(function: object) -> ToolKind:
    """How a tool is marked; a plain one waits for the turn to be decided, and is cancelled on interruption."""
    kind: ToolKind = getattr(function, _MARK, "plain")
    return kind


def _mark(function: _Function, kind: ToolKind) -> _Function:
    if kind_of(function) not in ("plain", kind):
        raise ConfigError(f"{getattr(function, '__name__', function)!r} is marked as both read-only and side effect.")
    setattr(function, _MARK, kind)
    return function


@dataclass(slots=True)
class Effect:
    """One call of a tool that changes something."""

    name: str
    arguments: str
    """As JSON."""
    outcome: str = "is still running; its result will be known later, so do not call it again"

    def __str__(self) -> str:
        return f"{self.name}({_clip(self.arguments)}) {self.outcome}"


class Effects:
    """The effects of one conversation: run to their end whatever becomes of the turn, and remembered."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._known: deque[Effect] = deque(maxlen=_REMEMBERED)
        self._running: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def perform(self, name: str, arguments: dict[str, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `call`, which is not cancelled with us; the same call, if it still runs, is joined.

        After the deadline the call is cancelled, and the result is a text that says so.
        """
        key = (name, json.dumps(arguments, default=str, sort_keys=True))
        task = self._running.get(key)
        if task is None:
            effect = Effect(*key)
            self._known.append(effect)
            task = self._running[key] = asyncio.create_task(self._run(effect, call))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _run(self, effect: Effect, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(self._deadline) as limit:
                result = await call()
        except BaseException as error:
            if isinstance(error, TimeoutError) and limit.expired():
                effect.outcome = (
                    f"took longer than {self._deadline:g} s and was stopped; whether it was done is unknown"
                )
                return f"It {effect.outcome}."
            effect.outcome = f"failed with {type(error).__name__}; whether it was done is unknown"
            raise
        effect.outcome = f"is done; its result was: {_clip(str(result))}"
        return result

    def _forget(self, key: tuple[str, str], done: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # the ledger has it; where nobody waits any more, asyncio would complain

    def note(self) -> str:
        """For the model: what was done in this call so far, so that nothing is done twice; empty where nothing was."""
        if not self._known:
            return ""
        lines = "\n".join(f"- {effect}" for effect in self._known)
        return f"Calls of tools in this conversation so far, whether or not the user heard of them:\n{lines}"

    async def aclose(self) -> None:
        """Wait for what still runs; each call has its deadline."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
