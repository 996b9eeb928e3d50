"""Tools of a language model, held back until the turn is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import PydanticUserError
from pydantic_ai import RunContext, Tool
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ToolReturn, tool_return_ta
from pydantic_ai.toolsets import FunctionToolset, ToolsetTool, WrapperToolset

from duologue.agent import Turn
from duologue.agent.faults import is_fault
from duologue.agent.llm.controls import CallControls
from duologue.agent.llm.effects import Effects, ToolKind, kind_of
from duologue.errors import AgentError, ConfigError, DuologueError

__all__ = ["Gate", "TurnDiscardedError", "make_toolset"]


def make_toolset(tools: Sequence[Any]) -> tuple[FunctionToolset[Any], dict[str, ToolKind]]:
    """The tools under their names, and how each is marked. Raises ConfigError for what cannot be one."""
    toolset: FunctionToolset[Any] = FunctionToolset()
    kinds: dict[str, ToolKind] = {}
    for tool in tools:
        try:
            made = tool if isinstance(tool, Tool) else Tool(tool)
            toolset.add_tool(made)
        except (UserError, PydanticUserError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{tool!r} cannot be a tool: {error}") from error
        kinds[made.name] = kind_of(made.function)
    return toolset, kinds


@dataclass
class Gate(WrapperToolset[Any]):
    """Holds tools back until the turn is decided, and lets those with effects outlive it."""

    turn: Turn
    kinds: Mapping[str, ToolKind]
    effects: Effects
    timeout: float
    controls: CallControls

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call the tool when it may run. One that takes too long is stopped, and its result is an error message."""
        if name in self.controls.names:
            await _decided(self.turn)
            return await self.controls.perform(name, tool_args)
        kind = self.kinds[name]
        if kind != "read_only":
            await _decided(self.turn)

        async def call() -> Any:
            try:
                return await self._measured(name, tool_args, ctx, tool)
            except BaseException as error:
                # pydantic-ai calls tools in tasks of their own, in which SystemExit would end the loop.
                if isinstance(error, Exception) or not is_fault(error):
                    raise
                failure = AgentError(f"The tool {name!r} raised {type(error).__name__}.")
                raise failure from error

        try:
            if kind == "side_effect":
                return await self.effects.perform(name, tool_args, call)
            return await self.effects.observe(name, tool_args, call, self.timeout)
        except Exception as error:
            if isinstance(error, DuologueError) or type(error).__module__.startswith("pydantic_ai."):
                raise  # such as ModelRetry, with which a tool has the model try again
            raise AgentError(f"The tool {name!r} raised {type(error).__name__}.") from error

    async def _measured(self, name: str, args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]) -> Any:
        with self.turn.tool(name):
            result = await self.wrapped.call_tool(name, args, ctx, tool)
            _check_result(name, result)
            return result


def _check_result(name: str, result: Any) -> None:
    """Raise AgentError for what no model can be sent. pydantic-ai finds that out with the next request of the run."""
    value = result.return_value if isinstance(result, ToolReturn) else result
    try:
        tool_return_ta.dump_json(value, by_alias=True)
    except Exception as error:
        raise AgentError(
            f"The tool {name!r} returned {type(value).__name__}, which cannot be sent as JSON.",
            hint="Return a text, a number, a list, a dict, a dataclass or a pydantic model.",
        ) from error


class TurnDiscardedError(AgentError):
    """The turn was discarded while a tool waited for it to be decided."""


async def _decided(turn: Turn) -> None:
    try:
        await turn.committed()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise TurnDiscardedError("The turn was discarded before the tool could run.") from None
