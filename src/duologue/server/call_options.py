"""The options of an application's calls: agents, voices and hooks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from duologue.agent.function import AgentFactory, agents_from
from duologue.agent.signature import name_of, plain_function, required
from duologue.denoise import check_denoiser
from duologue.errors import ConfigError
from duologue.server.application_code import is_async
from duologue.server.policy import CallPolicy
from duologue.session import SessionConfig
from duologue.session.hooks import Hook

__all__ = [
    "MAX_NAME",
    "CallOptions",
    "arguments_needed",
    "is_provider_factory",
    "make_provider",
    "named_agents",
    "value_hook",
]

MAX_NAME: Final = 64
"""Characters in the name of an agent or a voice."""


HOOKS: Final = {"on_start": "session", "on_turn": "session, measured", "on_end": "session, record"}
"""The arguments of each hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The application's part of a server; `serve` and `asgi` say what each is."""

    agents: Mapping[str, AgentFactory]
    """By name; the first is the default."""
    config: SessionConfig = field(default_factory=SessionConfig)
    greeting: str | None = None
    """None for `config.rules.greeting`, or else for the agent's own."""
    policy: CallPolicy = field(default_factory=CallPolicy)
    user_data: Any = None
    on_start: Hook | None = None
    on_turn: Hook | None = None
    on_end: Hook | None = None
    expose_headers: Sequence[str] = ()
    """Headers that stay in CallInfo though their names look like secrets."""
    log_words: bool = False
    """Whether the log has what was said."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.policy.agents or () if name not in self.agents]
        if unknown:
            raise ConfigError(f"The policy allows the agent {unknown[0]!r}, and there is none of that name.")
        for name in (self.config.denoise, *(self.policy.denoisers or ())):
            if name:
                check_denoiser(name)
        for name in HOOKS:
            hook = getattr(self, name)
            if hook is not None and not callable(hook):
                raise ConfigError(f"{name} is {type(hook).__name__}; expected a function.")
            if hook is not None and not _takes(hook, HOOKS[name].count(",") + 1):
                raise ConfigError(f"{name_of(hook)} cannot be called as {name}({HOOKS[name]}).")
        if callable(self.user_data) and arguments_needed(self.user_data) > 1:
            raise ConfigError(f"{name_of(self.user_data)} cannot be called as user_data(call).")


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Return True if `function` can be called with so many positional arguments, as far as its signature tells."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # it has no signature that can be read
        return True
    return True


def arguments_needed(function: Callable[..., Any]) -> int:
    """How many arguments a function needs; 0 for one that does not tell, such as `dict`."""
    try:
        return len(required(function))
    except ConfigError:
        return 0


def value_hook(hook: Any) -> Any:
    """A hook that is given all there is, whatever it takes: one with a single argument gets the last value alone."""
    if not callable(hook) or arguments_needed(hook) != 1:
        return hook

    async def run_async(*args: Any) -> None:
        await hook(args[-1])

    def run_plain(*args: Any) -> Any:
        return hook(args[-1])

    run: Any = run_async if is_async(hook) else run_plain
    run.__name__ = getattr(hook, "__name__", type(hook).__name__)
    return run


def named_agents(agent: object, agents: Mapping[str, object] | None) -> dict[str, AgentFactory]:
    """Factories by name; `agent` is called "default" and comes first.

    Raises ConfigError if there is none, for a name that cannot be one, and as `agents_from`.
    """
    sources: dict[str, object] = {} if agent is None else {"default": agent}
    for name, source in (agents or {}).items():
        if not isinstance(name, str) or not name or len(name) > MAX_NAME or not name.isprintable():
            raise ConfigError(f"An agent's name has 1 to {MAX_NAME} printable characters, not {name!r}.")
        if name in sources:
            raise ConfigError("An agent was given, and another one in agents= is called 'default'.")
        sources[name] = source
    if not sources:
        raise ConfigError("No agent was given.", hint='Give one, or several as agents={"name": agent}.')
    return {name: agents_from(source) for name, source in sources.items()}


def make_provider(source: Any, what: str) -> Any:
    """A provider of speech: `source` itself, or what it makes if it is a class or a function.

    `what` is the option that it was given as. Raises ConfigError if it fails or makes nothing.
    """
    if not is_provider_factory(source):
        return source
    try:
        made = source()
    except Exception as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{what} cannot be made: {name_of(source)} raised {type(error).__name__}.") from error
    if made is None or not hasattr(made, "name"):
        raise ConfigError(f"{what} is made by {name_of(source)}, which returned {type(made).__name__}.")
    return made


def is_provider_factory(source: Any) -> bool:
    """Whether `source` makes a provider, and is none itself. Raises ConfigError if it needs arguments."""
    if not callable(source) or (not inspect.isclass(source) and hasattr(source, "name")):
        return False
    if required(source) or inspect.iscoroutinefunction(plain_function(source)):
        raise ConfigError(
            f"{name_of(source)} cannot make a provider: it must be a plain function without arguments.",
            hint="Give a lambda that calls it with its arguments.",
        )
    return True
