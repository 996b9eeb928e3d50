"""Tools with which a language model ends its call or hands it over; options of LLMAgent enable them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_ai import Tool

from duologue.agent import Turn
from duologue.errors import DuologueError

__all__ = ["HAND_OVER", "HANG_UP", "CallControls", "control_tools"]

HANG_UP: Final = "hang_up"
HAND_OVER: Final = "hand_over"


def control_tools(*, can_hang_up: bool, hand_over_to: Mapping[str, str]) -> list[Tool[Any]]:
    """The tools that an agent has; their calls are carried out by CallControls.

    `hand_over_to` says of each agent by its name what it is for.
    """
    tools: list[Tool[Any]] = []
    if can_hang_up:
        tools.append(
            Tool.from_schema(
                _never,
                HANG_UP,
                "End the call. Use it only when the caller has said goodbye or has nothing more to ask.",
                {"type": "object", "properties": {}, "additionalProperties": False},
            )
        )
    if hand_over_to:
        agents = "; ".join(f"{name}: {purpose}" for name, purpose in hand_over_to.items())
        tools.append(
            Tool.from_schema(
                _never,
                HAND_OVER,
                f"Hand the caller over to a colleague, who knows all that was said. Colleagues: {agents}.",
                {
                    "type": "object",
                    "properties": {"agent": {"type": "string", "enum": list(hand_over_to)}},
                    "required": ["agent"],
                    "additionalProperties": False,
                },
            )
        )
    return tools


def _never(**_: Any) -> str:
    raise AssertionError("the calls of this tool are carried out by CallControls")


class CallControls:
    """Carries out the calls of control tools in one turn, once it is decided."""

    def __init__(self, turn: Turn, names: frozenset[str], agents: Mapping[str, str]) -> None:
        self.names = names
        """The control tools that there are."""
        self.ends_call: bool = False
        """The model has hung up: the call ends once its words have been heard."""
        self._turn = turn
        self._agents = agents

    async def perform(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Carry out a call and return the result for the model."""
        if name == HANG_UP:
            with self._turn.tool(name):
                return self._hang_up()
        agent = arguments.get("agent")
        try:
            with self._turn.tool(name):
                return await self._hand_over(agent)
        except DuologueError as error:
            self._turn.report_error(error)  # only the application can correct the name
            return f"{agent} cannot take the call ({error.code}); go on yourself."

    def _hang_up(self) -> str:
        self.ends_call = True
        return "The call ends when you have finished. If you have not said goodbye yet, do so in one short sentence."

    async def _hand_over(self, agent: object) -> str:
        if not isinstance(agent, str) or agent not in self._agents:
            return f"There is no such colleague. Choose one of: {', '.join(self._agents)}."
        await self._turn.call.hand_over(agent)
        return f"{agent} takes over when you have finished. If you have not said so yet, do so in one short sentence."
