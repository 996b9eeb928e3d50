"""A function is given what its signature asks for, and refused where it does not say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NewType, Optional

import pytest

import duologue
from duologue import Turn as Asked
from duologue.agent.signature import arguments_for
from duologue.errors import ConfigError

if TYPE_CHECKING:
    import duologue.agent as only_for_types
    from duologue import Turn
    from duologue.conversation.history import Message

Words = NewType("Words", str)


class Text(str):
    __slots__ = ()


async def committed() -> None:
    return


TURN = duologue.Turn(7, "hello", (), committed)


async def module_attribute(t: duologue.Turn) -> None: ...
async def renamed(t: Asked) -> None: ...
async def for_types_only(t: Turn) -> None: ...
async def module_for_types_only(t: only_for_types.Turn) -> None: ...
async def optional(t: Optional[Turn]) -> None: ...  # noqa: UP045 (as people write it)
async def or_none(t: Turn | None) -> None: ...
async def annotated(t: Annotated[Asked, "what is asked"]) -> None: ...
async def quoted(t: "Turn") -> None: ...  # noqa: UP037 (as people write it)
async def by_name(turn) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def any_name(x) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def any_type(x: Any) -> None: ...
async def new_type(x: Words) -> None: ...
async def own_type(x: Text) -> None: ...
async def turn_of_text(turn: str) -> None: ...
async def both(text: str, t: duologue.Turn) -> None: ...
async def both_by_name(text, turn) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def turned_around(t: duologue.Turn, words: str) -> None: ...
async def turn_with_default(text: str, turn: Turn | None = None) -> None: ...
async def default_between(text: str, mood: str = "", turn: Turn | None = None) -> None: ...
async def only_default(text: str = "nothing") -> None: ...
async def default_ignored(text: str, history: tuple[Message, ...] = ()) -> None: ...
async def keyword_turn(text: str, *, turn: Turn) -> None: ...
async def keyword_text(*, text: str) -> None: ...
async def more(text: str, *args: object, **kwargs: object) -> None: ...
async def positional(text, turn, /) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def three(mood: str, text: str, turn: Turn) -> None: ...


class Shop:
    async def method(self, t: duologue.Turn) -> None: ...

    async def __call__(self, text: str, turn: Turn) -> None: ...

    @classmethod
    async def of_class(cls, text: str) -> None: ...

    @staticmethod
    async def static(text: str, t: duologue.Turn) -> None: ...


def logged(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


def _shown(value: object) -> str:
    """A name without an address, so that all runs collect the same tests."""
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        *((function, [TURN]) for function in (module_attribute, renamed, for_types_only, module_for_types_only)),
        *((function, [TURN]) for function in (optional, or_none, annotated, quoted, by_name)),
        *((function, ["hello"]) for function in (any_name, any_type, new_type, own_type, turn_of_text)),
        *(
            (function, ["hello", TURN])
            for function in (both, both_by_name, turn_with_default, keyword_turn, positional)
        ),
        *((function, ["hello"]) for function in (only_default, default_ignored, keyword_text, more)),
        (turned_around, [TURN, "hello"]),
        (default_between, ["hello", TURN]),
        (Shop().method, [TURN]),
        (Shop(), ["hello", TURN]),
        (Shop.of_class, ["hello"]),
        (Shop().static, ["hello", TURN]),
        (logged(module_attribute), [TURN]),
        (functools.partial(three, "glad"), ["hello", TURN]),
        (functools.partial(three, mood="glad"), ["hello", TURN]),
        (functools.partial(functools.partial(three, "glad"), turn=TURN), ["hello", TURN]),
    ],
    ids=_shown,
)
def test_a_function_is_given_what_it_asks_for(function: Callable[..., Any], expected: list[object]) -> None:
    args, kwargs = arguments_for(function)(TURN)
    assert [*args, *kwargs.values()] == expected
    function(*args, **kwargs).close()  # it can be called like that


async def text_and_history(text, history) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def only_history(history) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def typed_history(text: str, history: list[Message]) -> None: ...
async def a_number(text: int) -> None: ...
async def unknown(text: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821 (the name is not there)
async def two_texts(prefix: str, text: str) -> None: ...
async def two_unnamed(a, b) -> None: ...  # type: ignore[no-untyped-def]  # as people write it
async def two_turns(turn: Turn, other: Turn) -> None: ...
async def nothing() -> None: ...
async def only_more(*args: object) -> None: ...
async def only_keywords(**kwargs: object) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        text_and_history, only_history, typed_history, a_number, unknown, two_texts, two_unnamed, two_turns, nothing,
        only_more, only_keywords, three,
    ],
)  # fmt: skip
def test_a_signature_that_does_not_say_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"expected \(text\), \(turn\) or \(text, turn\)") as caught:
        arguments_for(function)
    assert function.__name__ in caught.value.message
    assert "duologue.Turn" in caught.value.next_step
