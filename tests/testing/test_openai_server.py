from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from duologue.testing.openai_server import Completion, OpenAIServer, ToolCall, calls, refuses, says

pytestmark = pytest.mark.anyio

ASK = {"model": "any", "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(api_key="right") as server:
        yield server


@pytest.fixture
async def client(running: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    running.script()
    running.requests.clear()
    async with openai.AsyncOpenAI(base_url=running.base_url, api_key="right", max_retries=0) as client:
        yield client


async def stream(client: openai.AsyncOpenAI) -> list[str]:
    chunks = await client.chat.completions.create(
        model="any",
        messages=[{"role": "user", "content": "Hello?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return [chunk.choices[0].delta.content or "" if chunk.choices else str(chunk.usage) async for chunk in chunks]


async def test_the_official_client_streams_from_it(running: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    running.script(says("Hello", " there."))
    *words, usage = await stream(client)
    assert words == ["Hello", " there.", ""]
    assert "completion_tokens=2" in usage
    assert running.requests[-1]["messages"] == ASK["messages"]


async def test_a_whole_answer(running: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    running.script(Completion(("Let me", " see."), (ToolCall("look", {"day": "Friday"}),)), says())
    answer = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello?"}])
    message = answer.choices[0].message
    assert message.content == "Let me see."
    assert message.tool_calls is not None
    assert message.tool_calls[0].model_dump()["function"] == {"name": "look", "arguments": '{"day": "Friday"}'}
    assert answer.choices[0].finish_reason == "tool_calls"
    empty = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello?"}])
    assert empty.choices[0].message.content is None


async def test_tool_calls_are_streamed(running: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    running.script(calls("look", day="Friday"))
    chunks = await client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    deltas = [chunk.choices[0].delta async for chunk in chunks]
    assert deltas[0].tool_calls is not None
    assert deltas[0].tool_calls[0].function is not None
    assert deltas[0].tool_calls[0].function.arguments == '{"day": "Friday"}'


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        (refuses(401), openai.AuthenticationError),
        (refuses(429, retry_after=2), openai.RateLimitError),
        (refuses(500), openai.InternalServerError),
        (refuses(404, "model_not_found"), openai.NotFoundError),
    ],
)
async def test_refusals(
    running: OpenAIServer, client: openai.AsyncOpenAI, completion: Completion, error: type[openai.APIStatusError]
) -> None:
    running.script(completion)
    with pytest.raises(error) as caught:
        await stream(client)
    assert caught.value.code == completion.error_code
    assert caught.value.response.headers.get("retry-after") == ("2" if completion.retry_after else None)


async def test_a_broken_connection(running: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    running.script(says("Hello", " there.", break_after=1))
    with pytest.raises(openai.APIConnectionError):
        await stream(client)


async def test_beyond_the_script(running: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no more answers"):
        await stream(client)


async def test_the_wrong_key(running: OpenAIServer) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{running.base_url}/chat/completions", json=ASK)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


async def test_it_closes_while_a_client_waits() -> None:
    async with (
        OpenAIServer(says("Hello", " there.", stall_after=1)) as server,
        httpx.AsyncClient() as client,
        client.stream("POST", f"{server.base_url}/chat/completions", json=ASK | {"stream": True}) as response,
    ):
        lines = response.aiter_lines()
        assert "Hello" in await anext(lines)
