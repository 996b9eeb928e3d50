"""Agents by name: the built-in ones, a language model, or a user's own as `module:attribute`."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from duologue.agent import Reply, Turn
from duologue.agent.faults import is_fault
from duologue.agent.function import AgentFactory, agents_from
from duologue.agent.function import greeting_of as agent_greeting
from duologue.errors import ConfigError, DuologueError, NotInstalledError
from duologue.services import read_key

__all__ = ["AgentFactory", "agent_factories", "agent_factory", "greeting_of"]

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
    name: str | None = None,
    *,
    llm: str | None = None,
    base_url: str | None = None,
    instructions: str | None = None,
    first_token_timeout: float | None = None,
    stall_timeout: float | None = None,
) -> AgentFactory:
    """A factory for the agent called `name`: `booking` (the default), `echo`, or `module:attribute`.

    `llm` is a model of pydantic-ai's naming, such as `openai:gpt-6-luna`; with `base_url` any endpoint that speaks
    the OpenAI API. The key comes from the environment. `first_token_timeout` and `stall_timeout` are a language
    model's, in seconds; None leaves them as LLMAgent has them. Raises ConfigError if the name leads nowhere, if what it
    leads to fails, or if sessions would share its state; the agent is made once to make sure.
    """
    if llm is not None and name is not None:
        raise ConfigError(f"Two agents were named, {llm!r} and {name!r}.", hint="Give --llm or --agent, and not both.")
    if llm is None and (base_url or instructions):
        raise ConfigError("base_url and instructions are for a language model.", hint="Name it with --llm.")
    made = agent_factories(
        name,
        llm=llm,
        base_url=base_url,
        instructions=instructions,
        first_token_timeout=first_token_timeout,
        stall_timeout=stall_timeout,
    )
    if isinstance(made, dict):
        raise ConfigError(f"{name!r} is several agents: {', '.join(made)}.", hint="Name one of them by itself.")
    return made


def agent_factories(
    name: str | None = None,
    *,
    llm: str | None = None,
    base_url: str | None = None,
    api_key_file: Path | None = None,
    instructions: str | None = None,
    first_token_timeout: float | None = None,
    stall_timeout: float | None = None,
) -> AgentFactory | dict[str, AgentFactory]:
    """As `agent_factory`; factories by name if `module:attribute` is a dictionary of agents.

    `api_key_file` is a file that holds the language model's key, in place of the environment.
    """
    if llm is not None and name is not None:
        raise ConfigError(f"Two agents were named, {llm!r} and {name!r}.", hint="Give --llm or --agent, and not both.")
    if llm is None and (base_url or instructions or api_key_file):
        raise ConfigError(
            "base_url, api_key_file and instructions are for a language model.", hint="Name it with --llm."
        )
    try:
        if llm is not None:
            deadlines = {"first_token_timeout": first_token_timeout, "stall_timeout": stall_timeout}
            given = {option: value for option, value in deadlines.items() if value is not None}
            return _language_model(llm, base_url, api_key_file, instructions, given)
        source = _named(name or "booking")
        if isinstance(source, dict) and source:
            return {str(key): agents_from(value) for key, value in source.items()}
        return agents_from(source)
    except DuologueError as error:
        cause = error.__cause__
        if cause is None or isinstance(error, ConfigError):
            raise
        raise ConfigError(f"The agent {name!r} cannot be made: {_described(cause)}.", hint="Correct it.") from error
    except Exception as error:
        raise ConfigError(
            f"The agent {llm or name!r} cannot be made: {_described(error)}.", hint="Correct it."
        ) from error


def _language_model(
    llm: str, base_url: str | None, api_key_file: Path | None, instructions: str | None, deadlines: dict[str, Any]
) -> AgentFactory:
    from duologue.agent.llm import LLMAgent, openai_model

    prefix, _, model_name = llm.partition(":")
    if not llm.strip() or (prefix in ("openai", "openai-chat") and not model_name.strip()):
        raise ConfigError(f"{llm!r} names no model.", hint="Name one, as openai:gpt-6-luna.")
    try:
        # One model for all sessions: each would else have its own connections, and pay for making them.
        key = None if api_key_file is None else read_key(api_key_file, None)
        model = openai_model(llm, base_url=base_url, api_key=key)
    except ImportError as error:
        raise NotInstalledError(
            f"The language model {llm!r} needs a package that is not installed: {error}.",
            hint="Install it, or use openai:MODEL with --base-url.",
        ) from error
    return agents_from(LLMAgent(model, instructions=instructions or INSTRUCTIONS, **deadlines))


def _named(name: str) -> object:
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
    source: object
    try:
        source = getattr(importlib.import_module(module), attribute)
    except BaseException as error:  # whatever a user's module does, the message is a line
        if not is_fault(error) and not isinstance(error, GeneratorExit):
            raise
        raise ConfigError(
            f"The agent {name!r} cannot be loaded: {_described(error)}.", hint="Correct the module or the name."
        ) from error
    return source


def _described(error: BaseException) -> str:
    """What was raised, and where in whose file."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and Path(f.filename).parent != Path(__file__).parent]
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})" if own else said


def greeting_of(factory: AgentFactory) -> str:
    """What the agent says first; empty if it waits for the user, or is known only when there is a call."""
    return agent_greeting(factory.sample)
