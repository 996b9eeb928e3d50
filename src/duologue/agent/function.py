"""Any function as an agent: what a user writes first."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from duologue.agent import Agent, EndCall, Reply, Turn
from duologue.errors import AgentError, ConfigError, DuologueError

__all__ = ["FunctionAgent", "as_agent", "name_of"]

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")

_EXPECTED = (
    "Expected `async def f(text) -> str`, `async def f(text)` that yields text, an Agent, or a class or function "
    "without arguments that makes one."
)


def as_agent(source: object) -> Agent:
    """An Agent from whatever can be one.

    `source` is an Agent (returned as it is), a class or function that makes one when called without arguments, an
    `async def` that returns the answer, or one that yields it in pieces. The function is given the words of the turn;
    if it takes two arguments, the words and the Turn; if its one argument is named `turn` or annotated `Turn`, the
    Turn. Raises ConfigError for anything else.
    """
    if inspect.isclass(source):
        return _made_by(source)
    if isinstance(source, Agent):
        if inspect.iscoroutinefunction(source.reply):
            raise ConfigError(f"{type(source).__name__}.reply returns its answer; expected it to yield text.")
        return source
    if not callable(source):
        raise ConfigError(f"A value of type {type(source).__name__} cannot answer. {_EXPECTED}")
    function = _called(source)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return FunctionAgent(source)
    if not _required(source):
        return _made_by(source)
    raise ConfigError(f"{_name(source)} is not `async`: it would hold up every other call. {_EXPECTED}")


def name_of(agent: Agent) -> str:
    """What to call an agent: its `name`, else its class in words without "Agent"; empty where neither says anything."""
    name = getattr(agent, "name", None)
    shown = " ".join(name.split()) if isinstance(name, str) else _in_words(type(agent).__name__)
    return shown if shown.isprintable() else ""


def _in_words(identifier: str) -> str:
    """`TableBookingAgent` or `table_booking` as "Table booking"."""
    words = [word for word in _WORDS.split(identifier) if word.isalnum()]
    if len(words) > 1 and words[-1].lower() == "agent":
        words.pop()
    text = " ".join(word if word.isupper() else word.lower() for word in words)
    return text[:1].upper() + text[1:]


class FunctionAgent:
    """An `async` function, or an async generator function, with the face of an Agent.

    Not speculative: what the function does beside answering is unknown.
    """

    speculative = False

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = _name(function)
        plain = function.func if isinstance(function, functools.partial) else function
        self.name = _in_words(getattr(plain, "__name__", type(plain).__name__))
        """What to call it."""
        self._streams = inspect.isasyncgenfunction(_called(function))
        self._arguments = _arguments(function)

    def __repr__(self) -> str:
        return f"FunctionAgent({self._name})"

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Stream what the function yields, or all that it returns. Raises AgentError where that is not text."""
        try:
            if self._streams:
                async with aclosing(self._function(*self._arguments(turn))) as pieces:
                    async for piece in pieces:
                        yield self._checked(piece, "yielded")
            else:
                yield self._checked(await self._function(*self._arguments(turn)), "returned")
        except DuologueError:
            raise
        except Exception as error:
            raise AgentError(f"{self._name} raised {type(error).__name__}.") from error

    def _checked(self, piece: object, verb: str) -> Reply:
        if isinstance(piece, str | EndCall):
            return piece
        raise AgentError(f"{self._name} {verb} {type(piece).__name__}; expected str or EndCall.", hint="Correct it.")


def _made_by(factory: Callable[[], object]) -> Agent:
    if _required(factory):
        raise ConfigError(f"{_name(factory)} needs arguments. {_EXPECTED}")
    made = factory()
    if inspect.iscoroutine(made):
        made.close()
    if not isinstance(made, Agent):
        raise ConfigError(f"{_name(factory)} made {type(made).__name__}, which is not an Agent. {_EXPECTED}")
    return as_agent(made)


def _arguments(function: Callable[..., Any]) -> Callable[[Turn], tuple[Any, ...]]:
    """How the function wants to be called."""
    required = _required(function)
    match required or _positional(function)[:1]:
        case [only]:
            wants_turn = only.name == "turn" or only.annotation in (Turn, "Turn")
            return (lambda turn: (turn,)) if wants_turn else (lambda turn: (turn.text,))
        case [_, _] if all(parameter.kind is not parameter.KEYWORD_ONLY for parameter in required):
            return lambda turn: (turn.text, turn)
    raise ConfigError(f"{_name(function)} takes {len(required)} arguments; expected (text), (turn) or (text, turn).")


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in _parameters(function) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _required(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [
        p for p in _parameters(function) if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise ConfigError(f"What {_name(function)} takes cannot be told. {_EXPECTED}") from error


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, or the `__call__` of an object."""
    plain: Callable[..., Any] = function.func if isinstance(function, functools.partial) else function
    return plain if inspect.isroutine(plain) else type(plain).__call__


def _name(function: object) -> str:
    return f"{getattr(function, '__qualname__', type(function).__name__)}()"
