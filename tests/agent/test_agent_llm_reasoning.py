"""What a language model thinks is not spoken, and what it says is not held up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from duologue.agent import Progress, Reply, Turn
from duologue.agent.llm import LLMAgent, openai_model
from duologue.agent.llm.habits import MAX_REASONING_CHARS, Habits, HeldAnswer
from duologue.errors import DeadlineError
from duologue.testing.openai_server import OpenAIServer, says

pytestmark = pytest.mark.anyio


async def collect(answer: AsyncIterator[Reply], pieces: list[Reply]) -> None:
    """Keep what an answer yields, also where it fails."""
    async for piece in answer:
        pieces += [piece]


async def committed() -> None:
    return


ASKED = Turn(1, "What is six times seven?", (), committed)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


class Line:
    """Agents on the models of one server, whose connections are closed in the end."""

    def __init__(self, server: OpenAIServer, life: AsyncExitStack) -> None:
        self.script = server.script
        self._server = server
        self._life = life

    async def agent(self, name: str = "openai:any", **options: Any) -> LLMAgent:
        return await self.on(openai_model(name, base_url=self._server.base_url, api_key="any"), **options)

    async def on(self, model: Model, **options: Any) -> LLMAgent:
        await self._life.enter_async_context(model)
        return LLMAgent(model, instructions="Be brief.", **options)

    async def theirs(self) -> LLMAgent:
        """On a model that the application has made."""
        return await self.on(OpenAIChatModel("any", provider=OpenAIProvider(self._server.base_url, "any")))


@pytest.fixture
async def line(server: OpenAIServer) -> AsyncIterator[Line]:
    async with AsyncExitStack() as life:
        yield Line(server, life)


async def pieces_of(agent: LLMAgent) -> list[Any]:
    return [piece async for piece in agent.reply(ASKED)]


async def said(agent: LLMAgent) -> str:
    return "".join(await pieces_of(agent)).strip()


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nIt is a sum.\n</think>\n\nForty two.",
        "<THINKING>It is a sum.</THINKING>Forty two.",
        "<think>Say <think>? No.</think>It is a sum.</think>Forty two.",
        "<|channel|>analysis<|message|>A sum.<|end|><|start|>assistant<|channel|>final<|message|>Forty two.",
    ],
)
async def test_tags_are_found_wherever_the_stream_is_cut(line: Line, text: str) -> None:
    agent = await line.agent()
    for n in range(1, len(text), 5):
        ends = [0, n, min(n + 7, len(text)), len(text)]
        line.script(says(*[text[a:b] for a, b in pairwise(ends)]))
        assert await said(agent) == "Forty two.", n
    line.script(says(*text))
    assert await said(agent) == "Forty two."


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>", "It is a sum.", "</think>", "Forty two."],
        ["<think>", "It is a sum.", "\n</think>\n\nForty", " two."],
        ["<think>It is", " a sum.", "</think>", "Forty two."],
    ],
)
async def test_tags_that_the_client_library_takes_for_its_own(line: Line, pieces: list[str]) -> None:
    for agent in (await line.agent(), await line.theirs()):
        line.script(says(*pieces))
        assert await said(agent) == "Forty two."


async def test_reasoning_is_progress(line: Line) -> None:
    line.script(says("Forty two.", reasoning=("It is", " a sum.", "\n")))
    assert await pieces_of(await line.agent()) == [Progress(), Progress(), "Forty two."]
    line.script(says("<think>", "It is", " a sum.", "</think>", "Forty two."))
    pieces = await pieces_of(await line.agent())
    assert [type(piece) for piece in pieces].count(Progress) >= 2
    assert [piece for piece in pieces if not isinstance(piece, Progress)] == ["Forty two."]


async def test_reasoning_alone_is_no_answer(line: Line) -> None:
    for completion in (says("<think>It is a sum."), says(reasoning=("It is a sum.",))):
        line.script(completion)
        assert await said(await line.agent()) == ""


@pytest.mark.parametrize("interval", [0.0, 0.1])
async def test_reasoning_that_no_tag_opens_is_not_spoken_if_it_is_short(line: Line, interval: float) -> None:
    line.script(says("A", " sum of", " two", "</think>", "Forty two.", interval=interval))
    assert await said(await line.agent()) == "Forty two."


LONG = [
    "The user wants to know",
    " what six times seven is. ",
    "I know that: it is",
    " forty two. ",
    "I shall say so. ",
]


async def test_a_model_that_starts_inside_of_its_reasoning_is_known_from_then_on(line: Line) -> None:
    agent = await line.agent()
    line.script(says(*LONG, "</think>", "Forty two.", interval=0.1))
    assert "Forty two." in await said(agent), "the first time it may be taken for the answer"
    for other in (agent, agent.clone()):
        line.script(says(*LONG, "</think>", "Forty two.", interval=0.1))
        assert await said(other) == "Forty two."


@pytest.mark.parametrize("name", ["openai:deepseek-r1:8b", "openai:qwq", "openai:Qwen3-30B-Thinking-2507"])
async def test_models_that_are_known_to_start_inside(line: Line, name: str) -> None:
    line.script(says(*LONG, "</think>", "Forty two.", interval=0.1))
    assert await said(await line.agent(name)) == "Forty two."


async def test_a_model_that_does_not_after_all_is_believed(line: Line) -> None:
    agent = await line.agent("openai:qwq")
    line.script(says("Forty two. ", "I am sure."))
    assert await said(agent) == "Forty two. I am sure."
    line.script(says("Forty two. ", "I am sure of that.", stall_after=1))
    reply = agent.reply(ASKED)
    assert await anext(reply) == "Forty two. ", "it is not waited for any more"
    await reply.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator


async def test_a_server_that_separates_reasoning_is_believed(line: Line) -> None:
    agent = await line.agent("openai:qwq")
    line.script(says("Forty two. ", "I am sure.", reasoning=("A sum.",), stall_after=2))
    reply = agent.reply(ASKED)
    assert [await anext(reply), await anext(reply)] == [Progress(), "Forty two. "]
    await reply.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator


async def test_the_beginning_is_given_as_soon_as_a_clause_of_it_could_be_spoken(line: Line) -> None:
    agent = await line.agent()
    line.script(says("Forty", " two, I", " think.", stall_after=2))
    reply = agent.reply(ASKED)
    assert [await anext(reply), await anext(reply)] == ["Forty", " two, I"]
    await reply.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator


async def test_text_before_an_error_is_given(line: Line) -> None:
    agent = await line.agent(stall_timeout=0.2)
    line.script(says("Forty", " two.", stall_after=1))
    pieces: list[Reply] = []
    with pytest.raises(DeadlineError):
        await collect(agent.reply(ASKED), pieces)
    assert "".join(map(str, pieces)) == "Forty"


async def test_each_response_is_judged_by_itself() -> None:
    async def look() -> str:
        """Look."""
        return "fine"

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if len(messages) == 1:
            yield "I look.</think>One moment."
            yield {0: DeltaToolCall("look", "{}")}
        else:
            yield "It is fine.</think>All is fine."

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="", tools=[look], filler="")
    assert await said(agent) == "One moment. All is fine."


def test_what_is_held_is_bounded() -> None:
    habits = Habits("qwq")
    held = HeldAnswer(habits)
    for _ in range(MAX_REASONING_CHARS // 5 + 10):
        assert held.push("word ") == []
    assert sum(map(len, held._held)) <= MAX_REASONING_CHARS
    assert held.end() == [], "so much text is no answer"
    assert habits.starts_inside


async def test_white_space_is_no_progress() -> None:
    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield "Sure."
        while True:
            yield "\n"
            await asyncio.sleep(0.02)

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="", stall_timeout=0.2)
    pieces: list[Reply] = []
    with pytest.raises(DeadlineError, match=r"no next token within 0\.2 s"):
        await collect(agent.reply(ASKED), pieces)
    assert pieces[0] == "Sure."


async def test_a_model_or_tool_that_takes_long_is_reported_as_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.agent.llm.run._HEARTBEAT_S", 0.02)

    async def look() -> str:
        """Look."""
        await asyncio.sleep(0.2)
        return "fine"

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if len(messages) == 1:
            await asyncio.sleep(0.2)
            yield {0: DeltaToolCall("look", "{}")}
        else:
            yield "All is fine."

    agent = LLMAgent(FunctionModel(stream_function=reply), instructions="", tools=[look], filler="")
    pieces = await pieces_of(agent)
    assert pieces[-1] == "All is fine."
    assert len(pieces) > 6
    assert all(isinstance(piece, Progress) for piece in pieces[:-1])
