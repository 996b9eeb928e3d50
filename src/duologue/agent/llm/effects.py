"""What tools do in a conversation: nothing before the turn is decided, nothing by halves, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from duologue.errors import ConfigError

__all__ = ["Effects", "ToolCall", "ToolKind", "kind_of", "read_only", "side_effect"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

ToolKind = Literal["plain", "read_only", "side_effect"]
_MARK = "__duologue_tool_kind__"
_REMEMBERED = 20
_MAX_ARGUMENTS = 400
_MAX_RESULT = 2000
"""Characters of a call that are kept."""


def side_effect(function: _Function) -> _Function:
    """Mark a tool that changes something: a booking, a payment, a message.

    It starts once the turn is decided, continues when the user interrupts, and is not called twice at once.
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
class ToolCall:
    """One call of a tool."""

    name: str
    arguments: str
    """As JSON."""
    outcome: str = "is still running; its result will be known later, so do not call it again"

    def __str__(self) -> str:
        return f"{self.name}({_clip(self.arguments, _MAX_ARGUMENTS)}) {self.outcome}"


class Effects:
    """The tool calls of one conversation: the last 20 are remembered, and those with effects run to their end."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._known: deque[ToolCall] = deque(maxlen=_REMEMBERED)
        self._running: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def perform(self, name: str, arguments: dict[str, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `call`, which is not cancelled with us; the same call, if it still runs, is joined.

        After the deadline the call is cancelled, and the result is a text that says so.
        """
        key = _key(name, arguments)
        task = self._running.get(key)
        if task is None:
            made = self._remember(key)
            task = self._running[key] = asyncio.create_task(self._run(made, call, self._deadline))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def observe(
        self, name: str, arguments: dict[str, Any], call: Callable[[], Awaitable[Any]], timeout: float
    ) -> Any:
        """The result of `call`, which is cancelled with us; after `timeout` seconds it is a text that says so."""
        return await self._run(self._remember(_key(name, arguments)), call, timeout)

    def _remember(self, key: tuple[str, str]) -> ToolCall:
        made = ToolCall(*key)
        self._known.append(made)
        return made

    async def _run(self, made: ToolCall, call: Callable[[], Awaitable[Any]], deadline: float) -> Any:
        try:
            async with asyncio.timeout(deadline) as limit:
                result = await call()
        except BaseException as error:
            if isinstance(error, TimeoutError) and limit.expired():
                made.outcome = f"took longer than {deadline:g} s and was stopped; whether it was done is unknown"
                return f"It {made.outcome}."
            cancelled = isinstance(error, asyncio.CancelledError)
            what = "was cancelled" if cancelled else f"failed with {type(error).__name__}"
            made.outcome = f"{what}; whether it was done is unknown"
            raise
        made.outcome = f"is done; its result was: {_clip(str(result), _MAX_RESULT)}"
        return result

    def _forget(self, key: tuple[str, str], done: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # it is remembered; asyncio would complain if it were not looked at

    def note(self, max_characters: int = 8000) -> str:
        """For the model: what was done in this call so far, so that nothing is done twice; empty if nothing was.

        The newest calls that fit in `max_characters`.
        """
        lines: deque[str] = deque()
        for made in reversed(self._known):
            line = f"- {made}"
            max_characters -= len(line)
            if max_characters < 0:
                break
            lines.appendleft(line)
        if not lines:
            return ""
        text = "\n".join(lines)
        return f"Calls of tools in this conversation so far, whether or not the user heard of them:\n{text}"

    async def aclose(self) -> None:
        """Wait for what still runs; each call has its deadline."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _key(name: str, arguments: dict[str, Any]) -> tuple[str, str]:
    return name, json.dumps(arguments, default=str, sort_keys=True)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"
