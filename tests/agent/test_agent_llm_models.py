"""LLMAgent on pydantic-ai's own model objects, and what is loaded when."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.models.test import TestModel

from duologue.agent import Turn
from duologue.agent.llm import LLMAgent, side_effect
from duologue.agent.llm.context import CALL_BEGINS, CUT_OFF
from duologue.conversation.history import Message
from duologue.errors import AgentError, DeadlineError

pytestmark = pytest.mark.anyio


async def committed() -> None:
    return


def turn(text: str, *history: Message) -> Turn:
    return Turn(1, text, history, committed)


async def answer(agent: LLMAgent, asked: Turn) -> str:
    return "".join([piece async for piece in agent.reply(asked) if isinstance(piece, str)])


async def test_a_test_model_calls_each_tool_and_answers() -> None:
    called = []

    @side_effect
    async def book(people: int) -> str:
        called.append(people)
        return "booked"

    agent = LLMAgent(TestModel(custom_output_text="Done."), instructions="", tools=[book])
    assert await answer(agent, turn("Book a table.")) == "Done."
    assert len(called) == 1
    await agent.aclose()


async def test_a_model_by_its_name() -> None:
    agent = LLMAgent("test", instructions="")
    assert await answer(agent, turn("Hello?")) == "success (no tool calls)"
    assert repr(agent) == "LLMAgent('test', tools=[])"
    await agent.aclose()


async def test_the_messages_of_the_history() -> None:
    seen: list[ModelMessage] = []

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        seen.extend(messages)
        yield "Hello"
        yield "!"

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="Be brief.")
    history = (
        Message("agent", "Welcome."),
        Message("user", "One?"),
        Message("agent", "Tw", said="Two.", interrupted=True),
    )
    assert await answer(agent, turn("Three?", *history)) == "Hello!"
    words = [part.content for message in seen for part in message.parts if isinstance(part, TextPart | UserPromptPart)]
    assert words == [CALL_BEGINS, "Welcome.", "One?", f"Tw {CUT_OFF}", "Three?"]
    assert [type(message) for message in seen] == [
        ModelRequest,
        ModelResponse,
        ModelRequest,
        ModelResponse,
        ModelRequest,
    ]
    assert isinstance(seen[-1], ModelRequest)
    assert seen[-1].instructions is not None
    assert seen[-1].instructions.startswith("Be brief.")


async def test_a_model_that_raises_is_an_agent_error() -> None:
    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield "Hello"
        raise ValueError("secret")

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="")
    with pytest.raises(AgentError, match="raised ValueError") as caught:
        await answer(agent, turn("Hello?"))
    assert "secret" not in str(caught.value)


async def test_waiting_for_the_decision_is_not_a_stall() -> None:
    decided = asyncio.Event()

    async def wait() -> None:
        await decided.wait()

    async def book() -> str:
        return "booked"

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if len(messages) == 1:
            yield {0: DeltaToolCall("book", "{}")}
        else:
            yield "Booked."

    agent = LLMAgent(
        FunctionModel(stream_function=reply),
        instructions="",
        tools=[book],
        stall_timeout=0.05,
        tool_timeout=0.05,
        filler="",
    )
    asyncio.get_running_loop().call_later(0.15, decided.set)
    assert await answer(agent, Turn(1, "Book it.", (), wait)) == "Booked."


async def test_a_model_that_stalls_after_a_tool_is_given_up() -> None:
    async def look() -> str:
        return "two tables"

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if len(messages) > 1:
            await asyncio.Event().wait()
        yield {0: DeltaToolCall("look", "{}")}

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="", tools=[look], first_token_timeout=0.05)
    with pytest.raises(DeadlineError, match="no first token"):
        await answer(agent, turn("Any tables?"))


async def test_a_slow_consumer_holds_the_model_back() -> None:
    sent = 0

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        nonlocal sent
        for sent in range(5000):  # noqa: B007 (what is counted)
            yield "word "

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="")
    reply_ = agent.reply(turn("Go on."))
    await anext(reply_)
    for _ in range(2000):
        await asyncio.sleep(0)
    assert sent < 1000
    await reply_.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator


def test_pydantic_ai_is_loaded_when_an_agent_is_made() -> None:
    program = (
        "import sys; import duologue.agent.llm, duologue.agent.booking, duologue.agent.function;"
        "assert not {'pydantic_ai', 'openai', 'numpy', 'onnxruntime'} & sys.modules.keys(), 'loaded too early';"
        "duologue.agent.llm.LLMAgent('test', instructions='');"
        "assert 'pydantic_ai' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
