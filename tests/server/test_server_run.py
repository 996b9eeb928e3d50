"""`duologue.serve` with agents of all kinds, on a real port and with models that are fakes."""

import asyncio
import builtins
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import duologue
from duologue.agent import Reply, Turn
from duologue.agent.llm import LLMAgent
from duologue.client import Conversation, connect
from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError
from duologue.server import application, run
from duologue.server.listener import Listener
from duologue.server.policy import CallPolicy
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.openai_server import OpenAIServer, calls, says
from duologue.wire import messages as wire
from serving import PATIENT

Talk = Callable[[str], Awaitable[None]]


class Serving:
    """Serves an agent while a test talks to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        """What the server said."""
        self._monkeypatch = monkeypatch

    def __call__(self, agent: object, talk: Talk, **options: Any) -> None:
        addresses: list[str] = []

        def run_while_talking(listener: Listener, sockets: list[socket.socket]) -> None:
            async def main() -> None:
                serving = asyncio.create_task(listener.serve(sockets=sockets))
                try:
                    async with asyncio.timeout(30):
                        while not addresses:
                            await asyncio.sleep(0.01)
                        await talk(f"{addresses[0].replace('http', 'ws')}/v1/stream")
                finally:
                    listener.should_exit = True
                    await serving

            asyncio.run(main())

        options.setdefault("engine", PATIENT)
        models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
        self._monkeypatch.setattr(application, "load_local", lambda *_, **__: models)
        self._monkeypatch.setattr(Listener, "run", run_while_talking)
        run.serve(
            agent, port=0, say=self.lines.append, on_ready=lambda address, _: addresses.append(address), **options
        )


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    return Serving(monkeypatch)


async def answer(call: Conversation, text: str | None = None) -> str:
    """What the agent is heard to say, or the code of the error; next, or in answer to a typed text."""
    if text is not None:
        await call.text(text)
    async for message in call:
        if isinstance(message, wire.AgentHeard):
            return message.text
        if isinstance(message, wire.Error):
            return message.code
    raise AssertionError("the call ended")


FAULTS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "RecursionError", "Exception")


def test_what_an_agent_raises_ends_neither_its_call_nor_the_server(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(text: str) -> str:
        if text in FAULTS:
            raise getattr(builtins, text)("my secret")
        return "I am here."

    async def fails(url: str, fault: str) -> None:
        async with connect(url, greeting=False) as call:
            assert await answer(call, fault) == "agent_error"
            assert (await answer(call)).startswith("Sorry")
            assert await answer(call, "Hello.") == "I am here."

    async def talk(url: str) -> None:
        async with connect(url, greeting=False) as other:
            async with asyncio.TaskGroup() as group:
                for fault in FAULTS:
                    group.create_task(fails(url, fault))
                assert await answer(other, "Hello.") == "I am here."
            assert await answer(other, "Hello.") == "I am here."

    with caplog.at_level(logging.WARNING):
        serving(agent, talk)
    lines = [record.getMessage() for record in caplog.records]
    for fault in FAULTS:
        (line,) = [line for line in lines if re.search(rf"\b{fault}\b", line)]
        assert f"{__file__}:" in line
    assert "secret" not in caplog.text


def test_an_agent_that_cannot_be_made_for_a_call_ends_that_call_alone(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    made = 0

    class Shop:
        speculative = False

        def __init__(self) -> None:
            nonlocal made
            made += 1
            self.number = made
            if made == 3:
                raise SystemExit(2)

        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            yield "I am here."

    async def talk(url: str) -> None:
        codes = []
        for _ in range(3):
            try:
                async with connect(url, greeting=False) as call:
                    codes.append(await answer(call, "Hello."))
            except Exception as error:
                codes.append(getattr(error, "code", ""))
        assert sorted(codes) == ["I am here.", "I am here.", "agent_error"]

    serving(Shop, talk)
    assert "agent_error: test_an_agent" in caplog.text


class Host:
    speculative = False
    greeting = "Welcome."

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield "Yes."


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({}, "Welcome."),
        ({"greeting": "Good morning."}, "Good morning."),
        ({"greeting": ""}, ""),
        ({"config": SessionConfig(rules=ConversationConfig(greeting="Good evening."))}, "Good evening."),
        ({"config": SessionConfig(rules=ConversationConfig(greeting="Good evening.")), "greeting": ""}, ""),
    ],
)
@pytest.mark.parametrize("agent", [Host, Host()])
def test_the_agent_greets(options: dict[str, Any], heard: str, agent: Any, serving: Serving) -> None:
    async def talk(url: str) -> None:
        async with connect(url) as call:
            if heard:
                assert await answer(call) == heard
            assert await answer(call, "Hello.") == "Yes."

    serving(agent, talk, **options)


def test_one_language_model_agent_serves_many_callers_and_tells_none_of_another(serving: Serving) -> None:
    async def book(name: str) -> str:
        """Book a table."""
        return f"booked for {name}"

    async def talk(url: str) -> None:
        async with connect(url, greeting=False) as one:
            assert await answer(one, "A table for Ada.") == "It is booked."
            async with connect(url, greeting=False) as other:
                assert await answer(other, "Hello.") == "Good day."
        async with connect(url, greeting=False) as third:
            assert await answer(third, "Hello?") == "Good evening."

    async def with_model(url: str) -> None:
        async with OpenAIServer(
            calls("book", name="Ada"), says("It is booked."), says("Good day."), says("Good evening."), models=["other"]
        ) as server:
            servers.append(server)
            agent._model.client.base_url = server.base_url  # type: ignore[attr-defined]  # of an OpenAI model
            await talk(url)

    servers: list[OpenAIServer] = []
    agent = LLMAgent("openai:any", instructions="", tools=[book], base_url="http://127.0.0.1:9/v1", filler="")
    serving(agent, with_model)
    requests = [json.dumps(request["messages"]) for request in servers[0].requests]
    assert "booked for Ada" in requests[1]
    assert "Ada" not in requests[2] + requests[3]
    (warning,) = [line for line in serving.lines if line.startswith("warning: ")]
    assert "http://127.0.0.1:9/v1 cannot be reached" in warning


def test_an_agent_whose_own_check_fails_is_served(serving: Serving) -> None:
    class Checking(Host):
        async def startup_warning(self) -> str | None:
            raise SystemExit(2)

    async def talk(url: str) -> None:
        async with connect(url, greeting=False) as call:
            assert await answer(call, "Hello.") == "Yes."

    serving(Checking, talk)
    assert "warning: The agent's own check failed: SystemExit." in serving.lines


def test_an_agent_that_calls_would_share_is_refused_before_anything_is_done() -> None:
    class Shop(Host):
        def __init__(self) -> None:
            self.orders: list[str] = []

    with pytest.raises(ConfigError, match="One Shop would be shared by all calls"):
        run.serve(Shop(), port=0, say=lambda _: pytest.fail("it was started"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_sessions", r"engine=EngineConfig\(max_sessions=...\)"),
        ("idle_timeout", r"config=SessionConfig\(idle_timeout=...\)"),
        ("log_format", "logging_to"),
        ("allow_origins", "Use allowed_origins"),
        ("color", "The options are agents, allowed_origins, "),
    ],
)
def test_an_option_that_does_not_exist_is_refused_with_where_it_is(name: str, hint: str) -> None:
    async def agent(text: str) -> str:
        return text

    wrong: dict[str, Any] = {name: 1}
    for start in (duologue.asgi, duologue.serve):
        with pytest.raises(ConfigError, match=f"There is no option '{name}'.*{hint}"):
            start(agent, **wrong)


def nothing() -> None:
    """Take no argument."""


async def two(first: str, second: str) -> str:
    """Take two arguments that are not what any option gives."""
    return first + second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agents": [two]}, "agents is list; expected Mapping"),
        ({"greeting": 1}, "greeting is int; expected str"),
        ({"config": {}}, "config is dict; expected SessionConfig"),
        ({"engine": {}}, "engine is dict; expected EngineConfig"),
        ({"stt": 1}, "stt is int, which is no provider"),
        ({"stt": ["moonshine", 1]}, r"stt\[1\] is int, which is no provider"),
        ({"stt": []}, "stt is a list of 0; expected 1 to 8 providers"),
        ({"tts": ["hibari"] * 9}, "tts is a list of 9"),
        ({"tts": ["hibari", ["openai"]]}, r"tts\[1\] is a list in a list"),
        ({"tts": ["hibari", "openai/a", "hibari"]}, r"tts\[2\] is 'hibari', as tts\[0\] is"),
        ({"stt": ["moonshine", "moonshin"]}, r"stt\[1\]: There is no speech recognizer 'moonshin'"),
        ({"stt": [None, "moonshine"]}, r"stt\[0\] is None"),
        ({"vad": ["silero", "energy"]}, "vad is a list, and takes one detector"),
        ({"voices": {"anna": ["hibari", 2]}}, r"voices\['anna'\]\[1\] is int"),
        ({"resilience": {}}, "resilience is dict; expected ResilienceSettings"),
        ({"voices": {"anna": object()}}, r"voices\['anna'\] is object, which is no provider"),
        ({"policy": CallPolicy(voices=["eve"])}, "allows the voice 'eve', and there is none"),
        ({"on_start": nothing}, r"nothing\(\) cannot be called as on_start\(session\)"),
        ({"on_turn": nothing}, r"nothing\(\) cannot be called as on_turn\(session, measured\)"),
        ({"on_end": lambda a, b, c: None}, r"cannot be called as on_end\(session, record\)"),
        ({"user_data": two}, r"two\(\) cannot be called as user_data\(call\)"),
        ({"agents": {"desk": "booking"}}, "type str cannot answer.*Names are for the command line"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    async def agent(text: str) -> str:
        return text

    with pytest.raises(ConfigError, match=message):
        duologue.asgi(agent, **options)
