import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from duologue.agent import Agent, EndCall, FunctionCall, Progress, Reply, Turn
from duologue.agent.function import FunctionAgent, as_agent, name_of
from duologue.errors import AgentError, ConfigError, ProviderUnavailableError

pytestmark = pytest.mark.anyio


async def committed() -> None:
    return


TURN = Turn(7, "hello", (), committed, user_data="data")


async def answer(agent: Agent, turn: Turn = TURN) -> list[Reply]:
    return [piece async for piece in agent.reply(turn)]


class Parrot:
    speculative = True

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield turn.text


class ParrotWithoutVoice:
    speculative = True

    async def reply(self, turn: Turn) -> str:
        return turn.text


class Callable:
    async def __call__(self, text: str) -> str:
        return text.upper()


async def plain(text: str) -> str:
    return f"plain {text}"


async def with_turn(text: str, turn: Turn) -> str:
    return f"{text} {turn.id}"


async def only_turn(turn: Turn) -> str:
    return f"turn {turn.id}"


async def annotated(about: "Turn") -> str:
    return f"turn {about.id}"


async def optional(text: str = "nothing") -> str:
    return text


async def stream(text: str) -> AsyncIterator[Reply]:
    yield "one "
    yield text
    yield EndCall("done")


async def hang_up(text: str) -> Reply:
    return EndCall()


async def prefixed(prefix: str, text: str) -> str:
    return prefix + text


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain, ["plain hello"]),
        (with_turn, ["hello 7"]),
        (only_turn, ["turn 7"]),
        (annotated, ["turn 7"]),
        (optional, ["hello"]),
        (stream, ["one ", "hello", EndCall("done")]),
        (hang_up, [EndCall()]),
        (Callable(), ["HELLO"]),
        (functools.partial(prefixed, "-> "), ["-> hello"]),
    ],
)
async def test_a_function_answers(function: Any, expected: list[Reply]) -> None:
    agent = as_agent(function)
    assert await answer(agent) == expected
    assert not agent.speculative


async def test_an_agent_is_taken_as_it_is() -> None:
    parrot = Parrot()
    assert as_agent(parrot) is parrot


@pytest.mark.parametrize("factory", [Parrot, lambda: Parrot(), functools.partial(Parrot)])
async def test_a_class_or_factory_makes_one(factory: Any) -> None:
    agent = as_agent(factory)
    assert isinstance(agent, Parrot)
    assert agent is not as_agent(factory)


def sync(text: str) -> str:
    return text


async def three(a: str, b: str, c: str) -> str:
    return a + b + c


async def keyword(text: str, *, mood: str) -> str:
    return text + mood


async def nothing() -> str:
    return ""


class Silent:
    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield ""


class Undecided(Silent):
    speculative = "no"


class Blocking:
    speculative = False

    def reply(self, turn: Turn) -> Any:
        yield ""


class NeedsArguments(Parrot):
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (sync, "not `async`"),
        ("hello", "type str"),
        (None, "type NoneType"),
        (three, "3 arguments"),
        (keyword, r"2 arguments"),
        (nothing, "0 arguments"),
        (dict, "cannot be read"),
        (Silent(), "has `reply` and lacks `speculative`"),
        (Silent, "has `reply` and lacks `speculative`"),
        (lambda: Silent(), "has `reply` and lacks `speculative`"),
        (Undecided(), "speculative is str; expected True or False"),
        (Blocking, "reply is not `async`"),
        (list, "made list"),
        (lambda: "hello", "made str"),
        (NeedsArguments, "needs arguments"),
        (ParrotWithoutVoice(), "expected it to yield"),
        (ParrotWithoutVoice, "expected it to yield"),
    ],
)
async def test_what_cannot_answer_is_refused(source: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_agent(source)


async def returns_int(text: str) -> Any:
    return 5


async def yields_int(text: str) -> AsyncIterator[Any]:
    yield 5


async def raises(text: str) -> str:
    raise ValueError("secret")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (returns_int, "returned int; expected str"),
        (yields_int, "yielded int; expected str"),
        (raises, "raised ValueError"),
    ],
)
async def test_a_wrong_answer_is_an_agent_error(function: Any, message: str) -> None:
    with pytest.raises(AgentError, match=message) as caught:
        await answer(as_agent(function))
    assert "secret" not in str(caught.value)


async def test_a_function_may_return_nothing_and_yield_calls_of_functions() -> None:
    async def says_nothing(text: str) -> None:
        """Does all it has to do with `turn.call`."""

    async def calls(text: str) -> AsyncIterator[Reply]:
        yield FunctionCall("show_map")

    assert await answer(as_agent(says_nothing)) == []
    assert await answer(as_agent(calls)) == [FunctionCall("show_map")]


async def test_progress_and_its_attributes_pass() -> None:
    async def works(text: str) -> AsyncIterator[Reply]:
        yield Progress()
        yield "Done."

    works.greeting = "Hello."  # type: ignore[attr-defined]  # a function takes any attribute
    agent = as_agent(works)
    assert await answer(agent) == [Progress(), "Done."]
    assert isinstance((await answer(agent))[0], Progress)
    assert getattr(agent, "greeting", None) == "Hello."
    assert "".join([str(piece) for piece in await answer(agent)]) == "Done.", "to others it is an empty text"


async def test_a_factory_may_make_a_function() -> None:
    assert await answer(as_agent(lambda: plain)) == ["plain hello"]
    assert await answer(as_agent(Callable)) == ["HELLO"]


async def test_our_own_errors_pass_unchanged() -> None:
    async def unavailable(text: str) -> str:
        raise ProviderUnavailableError("gone")

    with pytest.raises(ProviderUnavailableError, match="gone"):
        await answer(as_agent(unavailable))


async def test_closing_the_reply_closes_the_generator() -> None:
    closed = asyncio.Event()

    async def endless(text: str) -> AsyncIterator[str]:
        try:
            while True:
                yield text
        finally:
            closed.set()

    reply = FunctionAgent(endless).reply(TURN)
    assert await anext(reply) == "hello"
    await reply.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator
    assert closed.is_set()


class TableBookingAgent(Parrot):
    pass


class FAQAgent(Parrot):
    pass


class Agent2(Parrot):
    name = "  Anna \n from  sales "


class Unprintable(Parrot):
    name = "\x07"


class Numbered(Parrot):
    name = 7


async def book_a_table(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (TableBookingAgent, "Table booking"),
        (FAQAgent, "FAQ"),
        (Agent2, "Anna from sales"),
        (Unprintable, ""),
        (Numbered, "Numbered"),
        (book_a_table, "Book a table"),
        (functools.partial(with_turn, turn=TURN), "With turn"),
        (Callable(), "Callable"),
    ],
)
def test_what_an_agent_is_called(source: Any, name: str) -> None:
    assert name_of(as_agent(source)) == name
