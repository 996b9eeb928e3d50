"""What an agent keeps of one caller never reaches another."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from duologue.agent import Agent, Reply, Turn
from duologue.agent.booking import BookingAgent
from duologue.agent.function import agents_from, as_agent
from duologue.agent.llm import LLMAgent
from duologue.errors import AgentError, ConfigError

pytestmark = pytest.mark.anyio


class Shop:
    """Keeps what it was asked."""

    speculative = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        self.asked.append(turn.text)
        yield " ".join(self.asked)

    async def answer(self, text: str) -> str:
        self.asked.append(text)
        return " ".join(self.asked)


class CallableShop:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, text: str) -> str:
        self.asked.append(text)
        return " ".join(self.asked)


class SlottedShop:
    __slots__ = ("asked",)
    speculative = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield ""


class Resettable:
    """Has state that is not in its attributes."""

    speculative = True
    seen: list[str] = []  # noqa: RUF012 (the state of the class is what is tested)

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield ""

    def snapshot(self) -> object:
        return len(self.seen)

    def restore(self, state: object) -> None:
        pass


class Stateless:
    speculative = True

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield turn.text


class SharedPool(Shop):
    shareable = True


class ClonedShop(Shop):
    def clone(self) -> "ClonedShop":
        return ClonedShop()


async def said(agent: Agent, text: str) -> str:
    async def committed() -> None:
        return

    return "".join([str(piece) async for piece in agent.reply(Turn(1, text, (), committed))])


SHOP = Shop()


@pytest.mark.parametrize(
    "source",
    [Shop(), SHOP.answer, CallableShop(), SlottedShop(), Resettable(), lambda: SHOP, lambda: SHOP.answer],
    ids=["agent", "method", "callable object", "slots", "snapshots", "factory of one", "factory of one method"],
)
async def test_an_agent_with_state_is_refused_for_many_calls(source: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        agents_from(source)
    name = caught.value.message.split()[1]
    assert "would be shared by all calls" in caught.value.message
    assert f"lambda: {name}(...)" in caught.value.next_step


@pytest.mark.parametrize("source", [Shop, lambda: Shop(), CallableShop, lambda: Shop().answer, ClonedShop()])
async def test_each_call_has_an_agent_of_its_own(source: Any) -> None:
    make = agents_from(source)
    first, second = as_agent(make()), as_agent(make())
    assert await said(first, "Ada's address.") == "Ada's address."
    assert await said(second, "Hello.") == "Hello."


@pytest.mark.parametrize("source", [Stateless(), SharedPool()])
async def test_an_agent_without_state_is_shared(source: Any) -> None:
    make = agents_from(source)
    assert make() is make() is source
    assert as_agent(source) is as_agent(source) is source


async def test_a_function_is_shared() -> None:
    async def agent(text: str) -> str:
        return text

    make = agents_from(agent)
    assert make() is make()
    assert as_agent(make()) is as_agent(make())


async def test_an_agent_serves_one_session_after_which_it_is_refused() -> None:
    agent = Shop()
    assert as_agent(agent) is agent
    with pytest.raises(ConfigError, match="One Shop has served a session before"):
        as_agent(agent)
    method = Shop().answer
    as_agent(method)
    with pytest.raises(ConfigError, match="One Shop has served a session before"):
        as_agent(method)


async def test_the_booking_agent_and_language_models_are_copied() -> None:
    booking = BookingAgent(seed=3)
    first = as_agent(booking)
    assert first is booking
    await said(booking, "A table for four.")
    second = as_agent(booking)
    assert isinstance(second, BookingAgent)
    assert (booking.booking.people, second.booking.people) == (4, None)
    assert (await said(second, "A table.")) == (await said(BookingAgent(seed=3), "A table."))

    model = LLMAgent("test", instructions="Be brief.", max_retries=7, greeting="Hello.")
    copy = model.clone()
    assert copy._model is model._model
    assert (copy._instructions, copy._max_retries, copy.greeting) == ("Be brief.", 7, "Hello.")
    assert copy._effects is not model._effects


@pytest.mark.parametrize("fault", [ValueError("secret"), SystemExit(2), KeyboardInterrupt(), GeneratorExit()])
async def test_a_factory_that_fails_is_an_agent_error(fault: BaseException) -> None:
    class Broken(Shop):
        def __init__(self) -> None:
            raise fault

    with pytest.raises(AgentError, match=f"failed to make an agent: {type(fault).__name__}") as caught:
        as_agent(Broken)
    assert "secret" not in str(caught.value)
