"""The agents of one call: each is made when the call is first handed to it, and keeps its state until the call ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from duologue.agent import Agent, CallInfo
from duologue.agent.function import as_agent, make_for_call
from duologue.errors import ConfigError

__all__ = ["MakeAgent", "Roster", "agent_maker"]

MakeAgent = Callable[[str, CallInfo], Awaitable[Agent]]
"""Makes the agent of a name for a call. Raises ConfigError if there is none, AgentError if it cannot be made."""


def agent_maker(sources: Mapping[str, Any]) -> MakeAgent:
    """Make agents from what `as_agent` takes, by name."""

    async def make(name: str, info: CallInfo) -> Agent:
        if name not in sources:
            known = f"Known: {', '.join(sources)}." if sources else "None were given as agents=."
            raise ConfigError(f"There is no agent {name!r} to hand over to.", hint=known)
        return await make_for_call(sources[name], info)

    return make


class Roster:
    """The agents that a call has met, by name."""

    def __init__(self, info: CallInfo, make: MakeAgent) -> None:
        self.current: str = info.agent
        """The name of the agent that answers."""
        self._info = info
        self._make = make
        self._met: dict[str, Agent] = {}
        self._lock = asyncio.Lock()
        """Held while an agent is made: two hand-overs to one name get the same agent."""

    async def get(self, name: str, answering: Agent) -> Agent:
        """The agent of this name; `answering` is the current one. Raises as MakeAgent does."""
        async with self._lock:
            self._met.setdefault(self.current, answering)
            if name not in self._met:
                info = replace(self._info, agent=name)
                self._met[name] = as_agent(await self._make(name, info), info)
            return self._met[name]
