"""How a function wants to be called: with the user's words, with the Turn, or with both."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from duologue.agent import Turn
from duologue.agent.call import CallInfo
from duologue.errors import ConfigError

__all__ = ["Arguments", "arguments_for", "name_of", "plain_function", "required", "takes_call"]

Arguments = Callable[[Turn], tuple[tuple[Any, ...], dict[str, Any]]]
"""The positional and keyword arguments for a turn."""

_Kind = Literal["text", "turn"]

_HINT = (
    "Name the parameter `turn` or annotate it as duologue.Turn; a Turn holds text, history, user_data and committed."
)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)

_OTHER_NAMES = frozenset(
    (
        "agent", "audio", "call", "cls", "config", "context", "conversation", "ctx", "data", "event", "events",
        "history", "messages", "self", "session", "state", "turns", "user_data",
    )
)  # fmt: skip
"""Names of parameters that are not the user's words, and not the turn."""


def arguments_for(function: Callable[..., Any]) -> Arguments:
    """How to call `function` for a turn.

    A parameter that is named `turn`, or annotated with Turn, gets the Turn; the other one gets the user's words.
    Parameters with a default keep it, but for a turn and for the only parameter. Raises ConfigError for anything else.
    """
    all_ = _parameters(function)
    positional = [p for p in all_ if p.kind in _POSITIONAL]
    needed = required(function)
    chosen = [p for p in all_ if p in (needed or positional[:1]) or _is_turn(p, function)]
    kinds = {p.name: kind for p in chosen if (kind := _kind(p, function)) is not None}
    in_front = positional[: len(chosen)] == chosen[: len(positional)]
    by_name = [p for p in chosen if p.kind is p.KEYWORD_ONLY or (not in_front and p not in positional[: len(needed)])]
    if (
        len(kinds) < len(chosen)
        or sorted(kinds.values()) not in (["text"], ["turn"], ["text", "turn"])
        or any(p.kind is p.POSITIONAL_ONLY for p in by_name)
    ):
        raise ConfigError(
            f"{name_of(function)} takes {len(needed)} arguments, {_described(function)}; "
            "expected (text), (turn) or (text, turn).",
            hint=_HINT,
        )
    by_position = [kinds[p.name] for p in chosen if p not in by_name]
    named = {p.name: kinds[p.name] for p in by_name}

    def arguments(turn: Turn) -> tuple[tuple[Any, ...], dict[str, Any]]:
        values: dict[str, Any] = {"text": turn.text, "turn": turn}
        return tuple(values[kind] for kind in by_position), {name: values[kind] for name, kind in named.items()}

    return arguments


def required(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters without a default."""
    return [p for p in _parameters(function) if p.default is p.empty]


def takes_call(function: Callable[..., Any]) -> inspect.Parameter | None:
    """The parameter that is to be given the CallInfo: the only one without a default, named `call` or annotated so."""
    match required(function):
        case [parameter] if _is_call(parameter, function):
            return parameter
    return None


def name_of(function: object) -> str:
    """A function's name, as messages show it."""
    while isinstance(function, functools.partial):
        function = function.func
    return f"{getattr(function, '__qualname__', type(function).__name__)}()"


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a partial, a bound method or an object with `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    plain: Callable[..., Any] = getattr(function, "__func__", function)
    return plain


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in _signature(function).parameters.values() if p.kind in _NAMED]


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, **_lazy_annotations())
    except (ValueError, TypeError) as error:
        raise ConfigError(f"The parameters of {name_of(function)} cannot be read.", hint=_HINT) from error


def _lazy_annotations() -> Mapping[str, Any]:
    """Python 3.14 evaluates an annotation when it is read, which fails for a name that only type checkers import."""
    try:
        annotationlib = importlib.import_module("annotationlib")
    except ImportError:
        return {}
    return {"annotation_format": annotationlib.Format.FORWARDREF}


def _kind(parameter: inspect.Parameter, function: Callable[..., Any]) -> _Kind | None:
    """What a parameter is to be given; None if it does not say."""
    if _is_turn(parameter, function):
        return "turn"
    if parameter.annotation is parameter.empty:
        return None if parameter.name in _OTHER_NAMES else "text"
    return "text" if any(_is_text(kind) for kind in _alternatives(_annotation(parameter, function))) else None


def _is_turn(parameter: inspect.Parameter, function: Callable[..., Any]) -> bool:
    if parameter.annotation is parameter.empty:
        return parameter.name == "turn"
    alternatives = _alternatives(_annotation(parameter, function))
    return any(kind is Turn or (isinstance(kind, str) and _names(kind, "Turn")) for kind in alternatives)


def _is_call(parameter: inspect.Parameter, function: Callable[..., Any]) -> bool:
    if parameter.annotation is parameter.empty:
        return parameter.name == "call"
    alternatives = _alternatives(_annotation(parameter, function))
    return any(kind is CallInfo or (isinstance(kind, str) and _names(kind, "CallInfo")) for kind in alternatives)


def _is_text(kind: Any) -> bool:
    return kind in (Any, object, "str") or (isinstance(kind, type) and issubclass(kind, str))


def _names(annotation: str, name: str) -> bool:
    """Whether an annotation that cannot be evaluated names this class."""
    return re.fullmatch(rf"(?:\w+\.)*{name}", annotation) is not None


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    """The annotation, evaluated if it is written as text and all its names are known."""
    written = getattr(parameter.annotation, "__forward_arg__", parameter.annotation)
    if not isinstance(written, str):
        return written
    plain: Any = inspect.unwrap(plain_function(function))
    try:
        return eval(written, dict(inspect.getclosurevars(plain).nonlocals), getattr(plain, "__globals__", {}))
    except Exception:  # it names what is imported for type checkers only
        return written


def _alternatives(annotation: Any) -> list[Any]:
    """The types that an annotation allows, None left out; as text if it cannot be evaluated."""
    if isinstance(annotation, str):
        inner = re.sub(r"^(?:\w+\.)*(?:Optional|Union|Annotated)\[(.*)\]$", r"\1", annotation.strip())
        return [part.strip(" '\"") for part in re.split(r"[|,]", inner) if part.strip() != "None"]
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for kind in get_args(annotation) if kind is not NoneType for part in _alternatives(kind)]
    if hasattr(annotation, "__supertype__"):  # a NewType
        return _alternatives(annotation.__supertype__)
    return [getattr(annotation, "__forward_arg__", annotation)]


def _described(function: Callable[..., Any]) -> str:
    parameters = [p.replace(annotation=p.empty) for p in _signature(function).parameters.values()]
    return str(inspect.Signature(parameters))
