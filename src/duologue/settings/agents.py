"""Agents by name: the built-in ones, a language model, or a user's own as `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from duologue.agent import Agent, Reply, Turn
from duologue.agent.function import as_agent
from duologue.errors import ConfigError

__all__ = ["AgentFactory", "agent_factory", "greeting_of"]

AgentFactory = Callable[[], Agent]
"""Makes the agent of one session."""

INSTRUCTIONS = (
    "You are on the phone. Answer in one or two short sentences of plain spoken English, with no markup, no lists and "
    "no emoji. Begin with a short clause."
)


class Echo:
    """Says what it heard: to try the sound without an agent."""

    speculative = True

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Repeat the words."""
        yield f"You said: {turn.text}"


def agent_factory(
    name: str = "booking", *, llm: str | None = None, base_url: str | None = None, instructions: str | None = None
) -> AgentFactory:
    """A factory for the agent called `name`: `booking`, `echo`, or `module:attribute`.

    `llm` is a model of pydantic-ai's naming, such as `openai:gpt-4.1-mini`; with `base_url` any endpoint that speaks
    the OpenAI API. The key comes from the environment. Raises ConfigError where the name leads nowhere; the agent is
    made once to make sure.
    """
    factory = _language_model(llm, base_url, instructions) if llm else _named(name)
    factory()
    return factory


def _language_model(llm: str, base_url: str | None, instructions: str | None) -> AgentFactory:
    from duologue.agent.llm import LLMAgent, openai_model

    # One model for all sessions: each would else have its own connections, and pay for making them.
    model = openai_model(llm.removeprefix("openai:"), base_url=base_url) if llm.startswith("openai:") else llm
    return lambda: LLMAgent(model, instructions=instructions or INSTRUCTIONS, base_url=base_url)


def _named(name: str) -> AgentFactory:
    if name == "booking":
        from duologue.agent.booking import BookingAgent

        return BookingAgent
    if name == "echo":
        return Echo
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ConfigError(f"There is no agent {name!r}.", hint="Use booking, echo, or your own as module:attribute.")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        source = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"The agent {name!r} cannot be loaded: {error}.") from error
    return lambda: as_agent(source)


def greeting_of(factory: AgentFactory) -> str:
    """What the agent wants to say first; empty where it waits for the user."""
    return str(getattr(factory(), "greeting", ""))
