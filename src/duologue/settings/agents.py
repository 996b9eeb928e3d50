"""Agents by name: the built-in ones, a language model, or a user's own as `module:attribute`."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from duologue.agent import Agent, Reply, Turn
from duologue.agent.function import as_agent
from duologue.errors import ConfigError, DuologueError, NotInstalledError

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
    the OpenAI API. The key comes from the environment. Raises ConfigError where the name leads nowhere or what it leads
    to fails; the agent is made once to make sure.
    """
    if llm:
        factory = _language_model(llm, base_url, instructions)
    elif base_url or instructions:
        raise ConfigError("base_url and instructions are for a language model.", hint="Name it with --llm.")
    else:
        factory = _named(name)
    try:
        factory()
    except DuologueError:
        raise
    except Exception as error:
        raise ConfigError(f"The agent {llm or name!r} cannot be made: {_told(error)}.", hint="Correct it.") from error
    return factory


def _language_model(llm: str, base_url: str | None, instructions: str | None) -> AgentFactory:
    from duologue.agent.llm import LLMAgent, openai_model

    prefix, _, model_name = llm.partition(":")
    if prefix in ("openai", "openai-chat"):
        if not model_name:
            raise ConfigError(f"{llm!r} names no model.", hint="Name one, as openai:gpt-4.1-mini.")
        if not base_url and not any(os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")):
            raise ConfigError(
                f"The language model {llm!r} needs a key.",
                hint="Set OPENAI_API_KEY in the environment, or --base-url to an endpoint that needs none.",
            )
    try:
        # One model for all sessions: each would else have its own connections, and pay for making them.
        model = openai_model(llm, base_url=base_url)
    except ImportError as error:
        raise NotInstalledError(
            f"The language model {llm!r} needs a package that is not installed: {error}.",
            hint="Install it, or use openai:MODEL with --base-url.",
        ) from error
    return lambda: LLMAgent(model, instructions=instructions or INSTRUCTIONS)


def _named(name: str) -> AgentFactory:
    if name == "booking":
        from duologue.agent.booking import BookingAgent

        return BookingAgent
    if name == "echo":
        return Echo
    module, _, attribute = name.partition(":")
    if not attribute or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigError(f"There is no agent {name!r}.", hint="Use booking, echo, or your own as module:attribute.")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        source = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever a user's module does, it is told in a line
        raise ConfigError(
            f"The agent {name!r} cannot be loaded: {_told(error)}.", hint="Correct the module or the name."
        ) from error
    return lambda: as_agent(source)


def _told(error: BaseException) -> str:
    """What was raised, and where in whose file."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and Path(f.filename).parent != Path(__file__).parent]
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})" if own else said


def greeting_of(factory: AgentFactory) -> str:
    """What the agent wants to say first; empty where it waits for the user."""
    return str(getattr(factory(), "greeting", ""))
