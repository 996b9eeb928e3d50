"""Anything that can answer, as an agent: a function, a class, a factory, an Agent."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from duologue.agent import Agent, CallInfo, EndCall, FunctionCall, Progress, Reply, Turn
from duologue.agent.faults import is_fault
from duologue.agent.sharing import claim, for_each_call, has_state, is_unclaimed
from duologue.agent.signature import arguments_for, plain_function, required, takes_call
from duologue.agent.signature import name_of as function_name
from duologue.errors import AgentError, ConfigError, DuologueError

__all__ = [
    "AgentFactory",
    "FunctionAgent",
    "agents_from",
    "as_agent",
    "greeting_of",
    "is_unused",
    "make_for_call",
    "name_of",
]

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")

_EXPECTED = (
    "Expected `async def f(text) -> str`, `async def f(text)` that yields text, an Agent, or a class or function "
    "that makes one, without arguments or from the `call`."
)

_LOCAL = CallInfo(id="local")
"""The CallInfo that a factory gets outside of a server."""


def as_agent(source: object, call: CallInfo | None = None) -> Agent:
    """An Agent for one session, from whatever can be one.

    `source` is an Agent, a class or function that makes one, an `async def` that returns the answer, or one that yields
    it in pieces. A class or function that makes one may have one parameter, named `call` or annotated as CallInfo, for
    what is known of the call. A function that answers is given the words of the turn; the Turn, if its parameter is
    named `turn` or annotated as Turn; or both. An Agent with state serves one session: for a second one it is copied if
    it can be (`clone`). Raises ConfigError for anything else, and AgentError if making the agent fails.
    """
    agent = _made_from(source, call or _LOCAL)
    return claim(agent, _holder(agent))


def is_unused(agent: Agent) -> bool:
    """Whether an agent was made for one call and has not answered in any: no other call uses it."""
    return is_unclaimed(_holder(agent))


class AgentFactory:
    """Makes the agent of each call from what `as_agent` takes. Made by `agents_from`.

    `runs_code` is False if none of the application's code runs to make one; `is_async` is True if it has to be made
    with `amake`.
    """

    def __init__(self, source: object) -> None:
        self.sample: Agent | None = None
        """One that belongs to no call; None if a call is needed to make one."""
        self.is_async: bool = False
        self.runs_code: bool = True
        self._source = source
        if not _is_factory(source):
            agent = _made_from(source, _LOCAL)
            self._make: Callable[[CallInfo], Agent] = _without_call(for_each_call(agent, _holder(agent)))
            self.runs_code = has_state(_holder(agent))
            self.sample = agent
            return
        self.is_async = _is_async_factory(source)
        self._make = lambda call: _made_from(source, call)
        if takes_call(source) is not None:  # type: ignore[arg-type]  # a factory is callable
            return
        self.sample = made = _made_from(source, _LOCAL)
        # A class makes a new object each time. A function may return the same one again, which must not go unnoticed.
        is_function_with_state = not inspect.isclass(source) and has_state(holder := _holder(made))
        if is_function_with_state and _holder(_made_from(source, _LOCAL)) is holder:
            self._make = _without_call(for_each_call(made, holder))

    def __repr__(self) -> str:
        return f"AgentFactory({self.name})"

    @property
    def name(self) -> str:
        """The source, as messages show it."""
        return function_name(self._source) if callable(self._source) else type(self._source).__name__

    def __call__(self, call: CallInfo | None = None) -> Agent:
        """Make an agent; without a call, for one that is held on this machine. Raises as `make`."""
        return self.make(call or _LOCAL)

    def make(self, call: CallInfo) -> Agent:
        """Make an agent. Raises AgentError if the application's code fails, ConfigError if it makes none."""
        return self._make(call)

    async def amake(self, call: CallInfo) -> Agent:
        """Make an agent with a factory that `is_async`; raises as a call does."""
        return await _made_async(self._source, call)


def agents_from(source: object) -> AgentFactory:
    """A factory that makes the agent of each session from what `as_agent` takes.

    The class or function may be `async` if it is given the call. Raises ConfigError if all sessions would share an
    agent with state.
    """
    return source if isinstance(source, AgentFactory) else AgentFactory(source)


async def make_for_call(source: object, call: CallInfo) -> Agent:
    """Make the agent of one call from what `as_agent` takes; the factory may be `async`. Raises as `as_agent` does."""
    if isinstance(source, AgentFactory):
        return await source.amake(call) if source.is_async else source.make(call)
    is_async = _is_factory(source) and _is_async_factory(source)
    return await _made_async(source, call) if is_async else _made_from(source, call)


def _without_call(make: Callable[[], Agent]) -> Callable[[CallInfo], Agent]:
    return lambda _: make()


def name_of(agent: Agent) -> str:
    """What to call an agent: its `name`, else its class in words without "Agent"; empty if neither says anything."""
    name = getattr(agent, "name", None)
    shown = " ".join(name.split()) if isinstance(name, str) else _in_words(type(agent).__name__)
    return shown if shown.isprintable() else ""


def greeting_of(agent: object) -> str:
    """What an agent says first; empty for nothing. Raises AgentError if its attribute fails or is no text."""
    name = type(agent).__name__
    try:
        greeting = getattr(agent, "greeting", None)
    except Exception as error:
        raise AgentError(f"{name}.greeting failed: {type(error).__name__}.") from error
    if not isinstance(greeting, str | None):
        raise AgentError(f"{name}.greeting is {type(greeting).__name__}; expected str.", hint="Correct it.")
    return greeting or ""


def _in_words(identifier: str) -> str:
    """`TableBookingAgent` or `table_booking` as "Table booking"."""
    words = [word for word in _WORDS.split(identifier) if word.isalnum()]
    if len(words) > 1 and words[-1].lower() == "agent":
        words.pop()
    text = " ".join(word if word.isupper() else word.lower() for word in words)
    return text[:1].upper() + text[1:]


class FunctionAgent:
    """An `async` function, or an async generator function, as an Agent.

    Not speculative: what the function does beside answering is unknown. The attributes `greeting` and
    `may_stay_silent` of the function are the agent's.
    """

    speculative = False

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = function_name(function)
        plain = function.func if isinstance(function, functools.partial) else function
        self.name: str = _in_words(getattr(plain, "__name__", type(plain).__name__))
        """What to call it."""
        self._streams = inspect.isasyncgenfunction(plain_function(function))
        self._arguments = arguments_for(function)
        self.greeting: str = greeting_of(function)
        self.may_stay_silent: bool = bool(getattr(function, "may_stay_silent", False))

    def __repr__(self) -> str:
        return f"FunctionAgent({self._name})"

    @property
    def owner(self) -> object:
        """The object that the function belongs to, or is; None for a plain function."""
        function: Any = self._function
        while isinstance(function, functools.partial):
            function = function.func
        if inspect.ismethod(function):
            return None if inspect.isclass(function.__self__) else function.__self__
        return None if inspect.isroutine(function) else function

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Stream what the function yields, or all that it returns; None is no text. Raises AgentError for others."""
        args, kwargs = self._arguments(turn)
        try:
            if self._streams:
                async with aclosing(self._function(*args, **kwargs)) as pieces:
                    async for piece in pieces:
                        yield self._checked(piece, "yielded")
            elif (answer := await self._function(*args, **kwargs)) is not None:
                yield self._checked(answer, "returned")
        except DuologueError:
            raise
        except Exception as error:
            raise AgentError(f"{self._name} raised {type(error).__name__}.") from error

    def _checked(self, piece: object, verb: str) -> Reply:
        if isinstance(piece, str | EndCall | Progress | FunctionCall):
            return piece
        raise AgentError(
            f"{self._name} {verb} {type(piece).__name__}; expected str, EndCall, Progress or FunctionCall.",
            hint="Correct it.",
        )


def _holder(agent: Agent) -> object:
    return agent.owner if isinstance(agent, FunctionAgent) else agent


def _made_from(source: object, call: CallInfo) -> Agent:
    if _is_factory(source):
        return _made_by(source, call)
    if isinstance(source, Agent):
        return _checked_agent(source)
    if hasattr(source, "reply"):
        name = type(source).__name__
        raise ConfigError(
            f"{name} has `reply` and lacks `speculative`, so that it is no Agent.",
            hint=f"Add `speculative = False` to {name}; True if `reply` changes nothing before `turn.committed()`.",
        )
    if not callable(source):
        raise ConfigError(
            f"A value of type {type(source).__name__} cannot answer. {_EXPECTED}",
            hint="Names are for the command line, `duologue serve --agent NAME` or `--llm MODEL`; in Python a language "
            "model is duologue.agent.llm.LLMAgent(...)."
            if isinstance(source, str)
            else None,
        )
    return FunctionAgent(source)


def _is_factory(source: object) -> bool:
    """Whether `source` makes an agent, and is none itself."""
    if inspect.isclass(source) or isinstance(source, AgentFactory):
        return True
    if isinstance(source, Agent) or hasattr(source, "reply") or not callable(source):
        return False
    function = plain_function(source)
    if inspect.isasyncgenfunction(function):
        return False
    if inspect.iscoroutinefunction(function):
        return takes_call(source) is not None
    if required(source) and takes_call(source) is None:
        raise ConfigError(f"{function_name(source)} is not `async`: it would hold up every other call. {_EXPECTED}")
    return True


def _is_async_factory(source: Any) -> bool:
    return not inspect.isclass(source) and inspect.iscoroutinefunction(plain_function(source))


def _made_by(factory: Any, call: CallInfo) -> Agent:
    if isinstance(factory, AgentFactory):
        return factory(call)
    if _is_async_factory(factory):
        raise ConfigError(f"{function_name(factory)} is `async`, and can make agents only for calls of a server.")
    args, named = _arguments_of(factory, call)
    try:
        made = factory(*args, **named)
    except DuologueError:
        raise
    except BaseException as error:  # SystemExit, too: it would end the loop, and with it all calls
        if not is_fault(error):
            raise
        raise _not_made(factory, error) from error
    return _checked_product(factory, made, call)


async def _made_async(factory: Any, call: CallInfo) -> Agent:
    args, named = _arguments_of(factory, call)
    try:
        made = await factory(*args, **named)
    except DuologueError:
        raise
    except BaseException as error:
        if not is_fault(error):
            raise
        raise _not_made(factory, error) from error
    return _checked_product(factory, made, call)


def _arguments_of(factory: Any, call: CallInfo) -> tuple[tuple[CallInfo, ...], dict[str, CallInfo]]:
    if not required(factory):
        return (), {}
    parameter = takes_call(factory)
    if parameter is None:
        raise ConfigError(
            f"{function_name(factory)} needs arguments. {_EXPECTED}",
            hint=f"Give a function that makes it, as `lambda: {function_name(factory)[:-2]}(...)`.",
        )
    return ((), {parameter.name: call}) if parameter.kind is parameter.KEYWORD_ONLY else ((call,), {})


def _not_made(factory: Any, error: BaseException) -> AgentError:
    return AgentError(
        f"{function_name(factory)} failed to make an agent: {type(error).__name__}.",
        hint="Correct it; the log of a server shows where it failed.",
    )


def _checked_product(factory: Any, made: Any, call: CallInfo) -> Agent:
    if inspect.iscoroutine(made):
        made.close()
    elif not inspect.isclass(made) and (isinstance(made, Agent) or hasattr(made, "reply") or _answers(made)):
        return _made_from(made, call)
    raise ConfigError(f"{function_name(factory)} made {type(made).__name__}, which is not an Agent. {_EXPECTED}")


def _answers(value: object) -> bool:
    if not callable(value):
        return False
    function = plain_function(value)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _checked_agent(agent: Agent) -> Agent:
    name = type(agent).__name__
    if not callable(agent.reply):
        raise ConfigError(f"{name}.reply is no method; expected one that yields text. {_EXPECTED}")
    if inspect.iscoroutinefunction(agent.reply):
        raise ConfigError(f"{name}.reply returns its answer; expected it to yield text.")
    if inspect.isgeneratorfunction(agent.reply):
        raise ConfigError(f"{name}.reply is not `async`: it would hold up every other call.")
    if not isinstance(agent.speculative, bool):
        raise ConfigError(f"{name}.speculative is {type(agent.speculative).__name__}; expected True or False.")
    return agent
