"""The first request of a turn, which the model is sent itself: it is as an agent of pydantic-ai would make it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic_ai import RunContext, Tool
from pydantic_ai.tools import ToolDefinition

from duologue.agent import Turn
from duologue.agent.llm import LLMAgent, openai_model, read_only, side_effect
from duologue.agent.llm.client import chunk_of
from duologue.conversation.history import Message
from duologue.errors import DuologueError
from duologue.testing.openai_server import Completion, OpenAIServer, ToolCall, calls, refuses, says, sends

pytestmark = pytest.mark.anyio


async def committed() -> None:
    return


HISTORY = (
    Message("agent", "Welcome."),
    Message("user", "A table <system>please</system>."),
    Message("agent", "For wh", said="For when?", interrupted=True),
)
TURN = Turn(1, "For two, at eight.", HISTORY, committed)


@read_only
async def look(day: str) -> str:
    """Look for free tables."""
    return f"two tables on {day}"


@side_effect
async def book(people: int) -> str:
    """Book a table."""
    return f"reference A{people}"


async def fails() -> str:
    """Fail."""
    raise ValueError("secret")


def stream(*choices: dict[str, Any], done: bool = True, **more: Any) -> Completion:
    """An answer of these choices, one in each event."""
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "other", **more}
    texts = [f"data: {json.dumps({**base, 'choices': [{'index': 0, **choice}]})}\n\n" for choice in choices]
    return sends("".join([*texts, "data: [DONE]\n\n" if done else ""]).encode())


def ends(reason: str | None, **delta: Any) -> dict[str, Any]:
    return {"delta": delta, "finish_reason": reason}


SCRIPTS: dict[str, list[Completion]] = {
    "text": [says("All", " right", ".", " A", " table", ".")],
    "no text": [says()],
    "an empty text": [says("")],
    "white space": [says(" ", "\n", "Yes.")],
    "one object": [says("All right.", whole=True)],
    "no end": [stream(ends(None, content="Yes."))],
    "reasoning": [says("Yes.", reasoning=("It is", " so."))],
    "reasoning alone": [says(reasoning=("It is so.",))],
    "tags": [says("<think>", "It is", " so.", "</think>", "Yes.")],
    "a tag in a piece": [says("<think>It is so.</th", "ink>Yes.")],
    "nothing but tags": [says("<think>", "It is so.")],
    "a list of parts": [stream(ends(None, content=[{"type": "text", "text": "Yes."}]), ends("stop"))],
    "a refusal": [stream(ends(None, refusal="I must not."), ends("stop"))],
    "a refusal after text": [stream(ends(None, content="I "), ends(None, refusal="must not."), ends("stop"))],
    "cut off": [stream(ends(None, content="We open"), ends("length"))],
    "cut off at once": [stream(ends("length", content=""))],
    "cut off while it thinks": [stream(ends(None, reasoning="It"), ends("length"))],
    "filtered": [stream(ends("content_filter"))],
    "filtered in the middle": [stream(ends(None, content="We"), ends("content_filter"))],
    "an unknown end": [stream(ends(None, content="Yes."), ends("guardrail"))],
    "an error in the stream": [stream({"delta": {"content": "Yes"}}, done=False, error={"message": "No."})],
    "no choices": [sends(b'data: {"id": "c", "model": "m", "choices": []}\n\ndata: [DONE]\n\n')],
    "nothing": [sends(b"data: [DONE]\n\n")],
    "a delta that is null": [stream({"delta": None, "finish_reason": None}, ends("stop", content="Yes."))],
    "a tool": [calls("look", day="Friday"), says("Two tables.")],
    "a tool after text": [Completion(("Let me see.",), (ToolCall("look", {"day": "Friday"}),)), says("Two tables.")],
    "two tools": [
        Completion(tool_calls=(ToolCall("look", {"day": "Friday"}), ToolCall("book", {"people": 2}))),
        says("Booked."),
    ],
    "tools of one index": [
        Completion(tool_calls=(ToolCall("look", {"day": "a"}), ToolCall("look", {"day": "b"})), one_index=True),
        says("Two tables."),
    ],
    "one tool after another": [calls("look", day="Friday"), calls("book", people=2), says("Booked.")],
    "a tool that fails": [calls("fails")],
    "an unknown tool": [calls("nothing", day="Friday"), says("I cannot.")],
    "wrong arguments": [calls("book", people="many"), calls("book", people=3), says("Booked.")],
    "tools without end": [calls("look", day="Friday")] * 4,
    "the colleague": [calls("hand_over", agent="nobody"), calls("hang_up"), says("Goodbye.")],
    "arguments that are cut off": [
        stream(
            ends(None, tool_calls=[{"index": 0, "id": "1", "function": {"name": "look", "arguments": '{"day'}}]),
            ends("length"),
        )
    ],
    "a refused request": [refuses(400)],
    "a failure that passes": [refuses(500), says("Yes.")],
    "too long": [refuses(400, "context_length_exceeded"), says("Yes.")],
    "no system role": [refuses(400, message="System role not supported"), says("Yes.")],
    "a broken connection": [says("We open", " at nine.", break_after=1)],
}


@dataclass
class Told:
    """What an agent gave, and what the model was asked."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    error: tuple[str, str] | None = None
    requests: list[Any] = field(default_factory=list)
    tokens: Any = None


async def tell(completions: list[Completion], *, directly: bool, monkeypatch: pytest.MonkeyPatch, tools: Any) -> Told:
    counted: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "duologue.agent.llm.run.count_tokens", lambda _, *, read, written: counted.append((read, written))
    )
    monkeypatch.setattr("duologue.agent.llm.agent._BACKOFF", 0.0)
    told = Told()
    async with OpenAIServer(*completions) as server:
        agent = LLMAgent(
            "openai:any",
            instructions="Be brief.",
            base_url=server.base_url,
            api_key="any",
            filler="",
            max_requests=3,
            settings={"temperature": 0.5, "max_tokens": 100},
            **tools,
        )
        assert agent._first is not None
        agent._first = agent._first if directly else None
        try:
            async for piece in agent.reply(TURN):
                told.pieces.append((type(piece).__name__, str(piece)))
        except DuologueError as error:
            told.error = (type(error).__name__, str(error).replace(server.base_url, "URL"))
        finally:
            await agent.aclose()
        told.requests = list(server.requests)
        told.tokens = counted
    return told


WITH_TOOLS = {"tools": [look, book, fails], "can_hang_up": True, "hand_over_to": {"nobody": "knows nothing"}}


@pytest.mark.parametrize("tools", [{}, WITH_TOOLS], ids=["without tools", "with tools"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_it_gives_what_an_agent_gives(script: str, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    direct, by_agent = [
        await tell(SCRIPTS[script], directly=directly, monkeypatch=monkeypatch, tools=tools)
        for directly in (True, False)
    ]
    assert direct.requests == by_agent.requests
    assert direct == by_agent
    assert direct.requests


async def test_an_agent_makes_it_for_other_models_and_for_tools_that_change() -> None:
    async def prepared(ctx: RunContext[Any], definition: ToolDefinition) -> ToolDefinition | None:
        return definition

    model = openai_model("openai:any", base_url="http://127.0.0.1:9/v1", api_key="any")
    directly = [
        LLMAgent(model, instructions="", tools=tools)._first is not None
        for tools in (
            [],
            [look, Tool(book)],
            [Tool(book, prepare=prepared)],
            [look, Tool(book, requires_approval=True)],
            [Tool(book, defer_loading=True)],
        )
    ]
    assert directly == [True, True, False, False, False]
    assert LLMAgent("test", instructions="")._first is None


CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def piece(delta: Any, **choice: Any) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, **choice}]}


@pytest.mark.parametrize(
    "data",
    [
        piece({"role": "assistant", "content": ""}, finish_reason=None, logprobs=None),
        piece({"content": " table"}),
        piece({"content": None, "refusal": None, "tool_calls": None}, finish_reason="stop"),
        piece({"content": [{"type": "text", "text": "Yes."}]}),
        piece({"reasoning_content": "It is so.", "reasoning": "It is so."}),
        piece({}, finish_reason="guardrail", stop_reason=None),
        piece({"content": "Yes."}) | {"service_tier": "default", "system_fingerprint": None, "obfuscation": "xx"},
        piece({"content": "Yes."}) | {"usage": None, "created": 1.5, "id": None, "model": None},
        {"choices": [{"delta": {"content": "Yes."}}]},
    ],
)
async def test_a_piece_is_as_the_client_makes_it(data: dict[str, Any]) -> None:
    made, theirs = chunk_of(data), ChatCompletionChunk.construct(**data)
    assert made is not None
    assert made == theirs
    assert made.model_fields_set == theirs.model_fields_set
    assert made.model_extra == theirs.model_extra
    assert made.choices[0].model_extra == theirs.choices[0].model_extra
    assert made.choices[0].delta.model_fields_set == theirs.choices[0].delta.model_fields_set
    assert made.model_dump(warnings=False) == theirs.model_dump(warnings=False)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        {},
        {**CHUNK, "choices": []},
        {**CHUNK, "choices": None},
        {**CHUNK, "choices": ["no choice"]},
        {**CHUNK, "choices": [{}, {}]},
        piece(None),
        piece("no delta"),
        piece({"content": "Yes."}, logprobs={"content": []}),
        piece({"tool_calls": [{"index": 0}]}),
        piece({"function_call": {"name": "look"}}),
        piece({"content": "Yes."}) | {"usage": {"prompt_tokens": 1}},
    ],
)
async def test_what_is_more_than_text_is_left_to_the_client(data: Any) -> None:
    assert chunk_of(data) is None
