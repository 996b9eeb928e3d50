"""Endpoints that imitate OpenAI's, each in its own way, and endpoints that are broken."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duologue.agent import Progress, Reply, Turn
from duologue.agent.llm import LLMAgent, openai_model
from duologue.agent.llm.context import CALL_BEGINS
from duologue.agent.llm.http import MAX_LINE_BYTES, checked_url, shown_url
from duologue.agent.llm.model import ChatModel
from duologue.agent.llm.probe import probe
from duologue.cli.live_check import check_live
from duologue.conversation.history import Message
from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    RateLimitedError,
)
from duologue.loopback import is_loopback
from duologue.testing.openai_server import Completion, OpenAIServer, ToolCall, refuses, says, sends

pytestmark = pytest.mark.anyio


async def collect(answer: AsyncIterator[Reply], pieces: list[Reply]) -> None:
    """Keep what an answer yields, also where it fails."""
    async for piece in answer:
        pieces += [piece]


async def committed() -> None:
    return


def turn(text: str = "Hello?", *history: Message) -> Turn:
    return Turn(1, text, history, committed)


async def ask(agent: LLMAgent, asked: Turn | None = None) -> str:
    return "".join([str(piece) async for piece in agent.reply(asked or turn())])


@asynccontextmanager
async def agent_on(base_url: str, **options: Any) -> AsyncIterator[LLMAgent]:
    usual: dict[str, Any] = {"instructions": "Be brief.", "base_url": base_url, "api_key": "sk-secret"}
    agent = LLMAgent("openai:any", **(usual | options))
    try:
        yield agent
    finally:
        await agent.aclose()


def roles(server: OpenAIServer) -> list[str]:
    return [message["role"] for message in server.requests[-1]["messages"]]


# --- what they expect ---


@pytest.mark.parametrize(("model", "effort"), [("gpt-6-luna", "none"), ("any", None)])
async def test_models_that_take_tools_only_without_reasoning_are_asked_for_none(model: str, effort: str | None) -> None:
    agent_options: dict[str, Any] = {"instructions": "Be brief.", "api_key": "sk-secret"}
    async with OpenAIServer(says("Yes.")) as server:
        agent = LLMAgent(f"openai:{model}", base_url=server.base_url, **agent_options)
        assert await ask(agent) == "Yes."
        assert server.requests[-1].get("reasoning_effort") == effort
        await agent.aclose()


GREETED = Message("agent", "Hello, how may I help you?")
HISTORIES = [
    (),
    (GREETED,),
    (GREETED, Message("user", "A table."), Message("agent", "For when?")),
    (GREETED, Message("agent", "Are you there?"), Message("user", "Yes."), Message("user", "A table.")),
    (Message("user", "One."), Message("user", "Two."), Message("agent", "Three."), Message("agent", "Four.")),
    (Message("user", "One."), Message("agent", "", said="Two.", interrupted=True), Message("agent", "Three?")),
]


@pytest.mark.parametrize("history", HISTORIES)
async def test_the_roles_alternate_whatever_happened(history: tuple[Message, ...]) -> None:
    async def look(city: str) -> str:
        """Look a city up."""
        return "fine"

    both = Completion(tool_calls=(ToolCall("look", {"city": "Oslo"}), ToolCall("look", {"city": "Rome"})))
    async with (
        OpenAIServer(both, says("Fine."), says("Bye."), strict_roles=True) as server,
        agent_on(server.base_url, tools=[look], filler="") as agent,
    ):
        assert await ask(agent, turn("A table for two.", *history)) == "Fine."
        assert await ask(agent, turn("Bye.", *history, Message("agent", "Fin", interrupted=True))) == "Bye."
        assert roles(server).count("system") == 1
        said = json.dumps(server.requests[-1]["messages"])
        assert all(message.text in said for message in history)
        assert (CALL_BEGINS in said) == (not history or history[0] == GREETED)


async def test_a_model_without_a_system_role_gets_the_instructions_with_the_first_words() -> None:
    no_system = refuses(400, message="System role not supported")
    async with (
        OpenAIServer(no_system, says("Fine."), says("Yes.")) as server,
        agent_on(server.base_url) as agent,
    ):
        assert await ask(agent, turn("A table.")) == "Fine."
        assert server.requests[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nA table."}]
        other = agent.clone()
        assert await ask(other, turn("And?", Message("user", "A table."), Message("agent", "Fine."))) == "Yes."
        await other.aclose()
        assert roles(server) == ["user", "assistant", "user"]
        assert len(server.requests) == 3, "it is asked in vain once"


LONG = tuple(Message(role, f"{role} {n} " + "word " * 80) for n in range(20) for role in ("user", "agent"))


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, "context_length_exceeded"),
        refuses(400, message="This model's maximum context length is 4096 tokens. However, you requested 5000."),
        refuses(400, message="the request exceeds the available context size. try increasing the context size"),
        refuses(500, message="input is too long: n_ctx is 4096"),
        refuses(413),
    ],
)
async def test_a_conversation_that_outgrows_the_model_is_shortened(refusal: Completion) -> None:
    async with (
        OpenAIServer(refusal, refusal, says("Fine."), says("Yes.")) as server,
        agent_on(server.base_url) as agent,
    ):
        assert await ask(agent, turn("A table.", *LONG)) == "Fine."
        lengths = [len(json.dumps(request["messages"])) for request in server.requests]
        assert lengths[0] > 1.8 * lengths[1] > 3 * lengths[2]
        assert "agent 19" in json.dumps(server.requests[-1]["messages"]), "the newest stay"
        await ask(agent, turn("And now?", *LONG))
        assert len(server.requests) == 4, "the length is remembered"


async def test_what_cannot_be_shortened_fails_after_a_few_attempts() -> None:
    refusal = refuses(400, "context_length_exceeded")
    async with OpenAIServer(*[refusal] * 20) as server, agent_on(server.base_url) as agent:
        with pytest.raises(ProviderError, match="too long for it") as caught:
            await ask(agent, turn("A table.", *LONG))
        assert 2 <= len(server.requests) <= 6
        assert "max_context_tokens" in caught.value.next_step


async def test_a_model_that_is_being_loaded_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.agent.llm.run._HEARTBEAT_S", 0.05)
    async with OpenAIServer(says("Here I am.", delay=0.5)) as server, agent_on(server.base_url) as agent:
        pieces = [piece async for piece in agent.reply(turn())]
        assert pieces.count(Progress()) >= 3
        assert "".join(map(str, pieces)) == "Here I am."
        assert server.disconnects == 0


@pytest.mark.parametrize("one_index", [False, True])
async def test_two_tools_at_once(one_index: bool) -> None:
    called: list[str] = []

    async def look(city: str) -> str:
        """Look a city up."""
        called.append(city)
        return "fine"

    both = tuple(ToolCall("look", {"city": city}) for city in ("Oslo", "Rome"))
    async with (
        OpenAIServer(Completion(tool_calls=both, one_index=one_index), says("Done.")) as server,
        agent_on(server.base_url, tools=[look], filler="") as agent,
    ):
        assert await ask(agent, turn("Oslo and Rome?")) == "Done."
    assert called == ["Oslo", "Rome"]


@pytest.mark.parametrize("tool_calls", [(), (ToolCall("look", {"city": "Oslo"}),)])
async def test_an_answer_that_comes_whole(tool_calls: tuple[ToolCall, ...]) -> None:
    async def look(city: str) -> str:
        """Look a city up."""
        return f"{city} is fine"

    whole = Completion(("It is", " fine."), tool_calls, whole=True)
    async with (
        OpenAIServer(whole, says("Done.")) as server,
        agent_on(server.base_url, tools=[look], filler="") as agent,
    ):
        assert await ask(agent) == ("It is fine. Done." if tool_calls else "It is fine.")
        assert ("Oslo is fine" in json.dumps(server.requests[-1])) == bool(tool_calls)


# --- what they send that is no answer ---


@pytest.mark.parametrize(
    ("completion", "message"),
    [
        (sends(b"<html>Welcome</html>", content_type="text/html"), "answered with a web page"),
        (sends(b'{"models": []}'), "something that is no completion"),
        (sends(b"{not json"), "something that is no completion"),
        (sends(b'{"error": {"message": "sk-secret"}}'), "cannot be understood"),
        (sends(b"data: {not json\n\n"), "cannot be understood"),
        (sends(b"data: [DONE]\n\n"), "gave an empty answer"),
        (sends(b"\n \n"), "gave an empty answer"),
        (sends(b"data: " + b"x" * (MAX_LINE_BYTES + 1)), "an event of more than 1 MB"),
        (sends(b'{"x": "' + b"x" * (MAX_LINE_BYTES + 1)), "an event of more than 1 MB"),
        (sends(b"data: " + json.dumps({"x": "y" * (MAX_LINE_BYTES + 1)}).encode() + b"\n\n"), "more than 1 MB"),
        (sends(b": still here\n" * 1_400_000), "an answer of more than 16 MB"),
        (sends(zlib.compress(bytes(50_000_000)), content_encoding="deflate"), "answered with deflate"),
        (Completion(status=302, headers={"location": "http://u:p@x.example/v1?key=secret"}), "redirects to http://x"),
    ],
)
async def test_what_is_no_answer_is_an_error(
    completion: Completion, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.agent.llm.agent._BACKOFF", 0.0)
    async with OpenAIServer(*[completion] * 3) as server, agent_on(server.base_url) as agent:
        with pytest.raises(DuologueError, match=message) as caught:
            await ask(agent)
        shown = f"{caught.value} {caught.value.as_dict()}"
        assert server.base_url in shown
        assert "secret" not in shown


async def test_the_words_of_an_error_are_read_up_to_a_bound() -> None:
    async with OpenAIServer(refuses(400, message="x" * 5_000_000)) as server, agent_on(server.base_url) as agent:
        with pytest.raises(ProviderError, match=r"rejected the request \(HTTP 400\)") as caught:
            await ask(agent)
        assert len(str(caught.value.__cause__)) < 200_000


@pytest.mark.parametrize(("after", "known"), [("7", 7), ("nan", None), ("inf", None), ("-5", None), ("soon", None)])
async def test_a_time_to_wait_that_is_none(after: str, known: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.agent.llm.agent._BACKOFF", 0.0)
    refusal = Completion(status=429, headers={"retry-after": after})
    async with (
        OpenAIServer(*[refusal] * 3) as server,
        agent_on(server.base_url, first_token_timeout=5.0) as agent,
    ):
        with pytest.raises(RateLimitedError) as caught:
            await ask(agent)
        assert caught.value.retry_after == known
        assert len(server.requests) == (3 if known is None else 1)


async def test_an_answer_that_is_cut_off_is_an_error() -> None:
    """As HTTP/1.0 cuts it off: the end of the connection is the only end of the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        delta = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        choice = {"index": 0, "delta": {"content": "We open at"}, "finish_reason": None}
        writer.write(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writer.write(b"data: " + json.dumps(delta | {"choices": [choice]}).encode() + b"\n\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pieces: list[Reply] = []
    async with server, agent_on(f"http://127.0.0.1:{port}/v1") as agent:
        with pytest.raises(ProviderUnavailableError, match="in the middle of its answer"):
            await collect(agent.reply(turn()), pieces)
    assert "".join(map(str, pieces)) == "We open at"


# --- where they are ---


async def test_one_that_cannot_be_reached_is_named(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}/v1"
    async with agent_on(url, max_retries=0) as agent:
        with pytest.raises(ProviderUnavailableError, match="cannot be reached") as caught:
            await ask(agent)
    assert url in caught.value.message
    assert caught.value.next_step == f"Start it, or correct the base URL (--base-url): {url}"


async def test_one_that_is_not_there_may_lack_its_version() -> None:
    async with OpenAIServer() as server:
        root = server.base_url.removesuffix("/v1")
        async with agent_on(root) as agent:
            with pytest.raises(ProviderError, match="is not there") as caught:
                await ask(agent)
        assert f"whether the base URL is {root}/v1" in caught.value.next_step


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("localhost:8080", "http://localhost:8080"),
        ("gpu-box:8080/v1", "http://gpu-box:8080/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("ftp://example.com/v1", "http://127.0.0.1:8080/v1"),
        ("http://", "http://127.0.0.1:8080/v1"),
        ("http:///v1", "http://127.0.0.1:8080/v1"),
        ("http://host:port/v1", "http://127.0.0.1:8080/v1"),
        ("http://a b/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/chat/completions", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/models/", "http://127.0.0.1:8080/v1"),
    ],
)
def test_a_base_url_that_cannot_be_is_refused_with_the_one_that_was_meant(url: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        openai_model("openai:any", base_url=url, api_key="any")
    assert hint in caught.value.next_step
    assert len(str(caught.value).splitlines()) == 1


def test_a_base_url_is_shown_without_its_secrets() -> None:
    assert shown_url("https://me:secret@example.com:8443/v1?key=secret#x") == "https://example.com:8443/v1"
    with pytest.raises(ConfigError) as caught:
        openai_model("openai:any", base_url="ftp://me:secret@example.com/v1?key=secret", api_key="any")
    assert "secret" not in str(caught.value)
    assert checked_url(" https://me:secret@example.com/v1 ") == "https://me:secret@example.com/v1"


@pytest.mark.parametrize(("key", "sent"), [(None, "none"), ("", "none"), ("sk-own", "sk-own")])
def test_an_endpoint_that_needs_no_key_needs_none(key: str | None, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    model = openai_model("openai:any", base_url="http://127.0.0.1:8080/v1")
    assert isinstance(model, ChatModel)
    assert model.client.api_key == sent


@pytest.mark.parametrize("key", [None, ""])
@pytest.mark.parametrize("url", [None, ""])
def test_openai_itself_needs_a_key(key: str | None, url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OPENAI_API_KEY", key), ("OPENAI_BASE_URL", url)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="needs a key") as caught:
        openai_model("openai:gpt-6-luna")
    assert "OPENAI_API_KEY" in caught.value.next_step


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
async def test_an_endpoint_on_this_machine_is_not_asked_by_way_of_a_proxy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "socks5://127.0.0.1:9" if name == "ALL_PROXY" else "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with OpenAIServer(says("Hello.")) as server, agent_on(server.base_url) as agent:
        assert await ask(agent) == "Hello."


def test_what_is_on_this_machine() -> None:
    assert [is_loopback(f"http://{host}:80/v1") for host in ("localhost", "127.8.8.8", "[::1]", "a.localhost")] == [
        True
    ] * 4
    assert not any(is_loopback(f"http://{host}/v1") for host in ("example.com", "10.0.0.1", "localhost.example.com"))


# --- asked at the start ---


async def probed(base_url: str, name: str = "openai:any") -> str | None:
    model = openai_model(name, base_url=base_url, api_key="sk-secret")
    async with model:
        return await probe(model)


async def test_a_probe_of_one_that_is_well_says_nothing() -> None:
    for models in ([], ["any"], ["other", "any:latest"], ["models/any"]):
        async with OpenAIServer(models=models) as server:
            assert await probed(server.base_url) is None
            assert (server.listed, len(server.requests)) == (1, 0), "a completion would cost"


async def test_a_probe_warns_of_what_will_fail(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings = [await probed(f"http://127.0.0.1:{unused_port}/v1")]
    async with OpenAIServer(models=["one", "two"], api_key="sk-other") as server:
        warnings.append(await probed(server.base_url))
    async with OpenAIServer(models=["one", "two"]) as server:
        warnings.append(await probed(server.base_url))
        warnings.append(await probed(server.base_url.removesuffix("/v1")))
    monkeypatch.setattr("duologue.agent.llm.probe.PROBE_TIMEOUT_S", 0.2)

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    stuck = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with stuck:
        warnings.append(await probed(f"http://127.0.0.1:{stuck.sockets[0].getsockname()[1]}/v1"))
    for warning, words in zip(
        warnings,
        ["cannot be reached", "does not accept the key (HTTP 401)", "one, two", "lacks /v1", "within 0.2 s"],
        strict=True,
    ):
        assert warning is not None
        assert words in warning
        assert "http://127.0.0.1:" in warning
        assert len(warning.splitlines()) == 1
        assert "secret" not in warning
        assert "Error" not in warning


async def test_a_probe_of_one_that_lists_no_models_says_nothing() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        assert await probed(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") is None


async def test_a_model_without_an_endpoint_is_not_asked() -> None:
    assert await LLMAgent("test", instructions="").startup_warning() is None


async def test_doctor_asks_a_language_model_for_one_word() -> None:
    async with OpenAIServer(says("Yes."), refuses(401)) as server:
        options = {"llm": {"": {"base_url": server.base_url}}}
        said, seconds = await asyncio.to_thread(check_live, "llm:any", options)
        assert said == "answered with 4 characters"
        assert seconds < 20
        with pytest.raises(AuthenticationError):
            await asyncio.to_thread(check_live, "llm:any", options)
