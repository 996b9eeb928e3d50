"""`duologue serve`: its options, a port that is taken, and a server from its start to Ctrl-C."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from command_line import CommandLine
from duologue.agent.booking import BookingAgent
from duologue.errors import ConfigError
from duologue.server import run
from duologue.server.acceptor import listen
from duologue.server.configured import options_of
from duologue.server.listener import Listener
from duologue.session import SessionConfig
from duologue.settings.load import Loaded

PATIENCE = 60.0
"""Seconds that a server may take to be ready; it takes about three."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been served."""
    calls: list[dict[str, Any]] = []

    def serve(*, settings: Loaded, **options: Any) -> None:
        calls.append({**settings.settings.server.model_dump(), **options_of(settings), **options})

    monkeypatch.setattr(run, "serve", serve)
    return calls


def test_without_options_the_booking_agent_is_served(served: list[dict[str, Any]], duologue: CommandLine) -> None:
    duologue.port = None
    assert duologue("serve").code == 0
    (call,) = served
    assert isinstance(call["agent"](), BookingAgent)
    assert (call["host"], call["port"]) == ("127.0.0.1", 8000)
    assert call["config"].rules.greeting == BookingAgent.greeting
    assert call["smart_turn"] is True
    assert not call["allowed_origins"]
    assert (call["workers"], call["listener"]) == (1, "uvicorn")


def test_options_are_passed_on(served: list[dict[str, Any]], duologue: CommandLine) -> None:
    outcome = duologue(
        "serve", "--host", "0.0.0.0", "--port", "0", "--agent", "echo", "--greeting", "Hi.", "--max-sessions", "7",
        "--allow-origin", "https://one.example", "--allow-origin", "https://two.example", "--no-smart-turn",
        "--workers", "3", "--listener", "picows", "--agent-name", " Anna  Smith ", "--records", "calls",
        "--log-words", "--log-level", "warning", "--log-format", "json",
    )  # fmt: skip
    assert outcome.code == 0
    (call,) = served
    assert (call["host"], call["port"]) == ("0.0.0.0", 0)
    assert call["config"].rules.greeting == "Hi."
    assert call["engine"].max_sessions == 7
    assert list(call["allowed_origins"]) == ["https://one.example", "https://two.example"]
    assert call["smart_turn"] is False
    assert (call["workers"], call["listener"]) == (3, "picows")
    assert call["config"].agent_name == "Anna Smith"
    assert (str(call["records"]), call["log_words"]) == ("calls", True)


def test_several_agents_are_a_dictionary_of_a_module(
    served: list[dict[str, Any]], duologue: CommandLine, tmp_path: Path
) -> None:
    lines = ["async def a(text): return text", "async def b(text): return text", "AGENTS = {'a': a, 'b': b}"]
    (tmp_path / "shop.py").write_text("\n".join(lines))
    assert duologue("serve", "--agent", "shop:AGENTS").code == 0
    (call,) = served
    assert list(call["agents"]) == ["a", "b"]
    assert call["greeting"] is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], ""),
        (["--llm", "openai:gpt-6-luna"], "gpt-6-luna"),
        (["--llm", "openai:meta/llama-3:free"], "llama-3:free"),
        (["--llm", "openai:gpt-6-luna", "--agent-name", "Anna"], "Anna"),
        (["--realtime", "openai:gpt-realtime-2.1"], "gpt-realtime-2.1"),
    ],
)
def test_a_language_model_gives_its_name(
    options: list[str], name: str, served: list[dict[str, Any]], duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    assert duologue("serve", *options).code == 0
    assert served[0]["config"].agent_name == name


def test_a_speech_to_speech_model_takes_the_place_of_agent_and_voice(
    served: list[dict[str, Any]], duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    options = ("--realtime", "openai:gpt-realtime-2.1", "--instructions", "Be brief.", "--greeting", "Hi.")
    assert duologue("serve", *options).code == 0
    (call,) = served
    assert (call["agent"], call["agents"], call["tts"], call["greeting"]) == (None, {}, None, "Hi.")
    assert call["realtime"]().settings.instructions == "Be brief."
    monkeypatch.delenv("OPENAI_API_KEY")
    outcome = duologue("serve", "--realtime", "openai:gpt-realtime-2.1")
    assert outcome.code != 0
    assert "needs a key" in outcome.err


@pytest.mark.usefixtures("served")
def test_a_name_that_is_too_long_is_told(duologue: CommandLine) -> None:
    outcome = duologue("serve", "--agent-name", "x" * 41)
    assert outcome.code != 0
    assert "at most 40" in outcome.err


@pytest.mark.parametrize(("given", "asked"), [(None, BookingAgent.greeting), ("Hi.", "Hi."), ("", "")])
def test_the_greeting_is_the_agents_own_or_the_one_that_is_given(
    given: str | None, asked: str, served: list[dict[str, Any]], duologue: CommandLine
) -> None:
    assert duologue("serve", *(() if given is None else ("--greeting", given))).code == 0
    assert served[0]["greeting"] == served[0]["config"].rules.greeting == asked


def test_deadlines_are_the_sessions_and_the_models(served: list[dict[str, Any]], duologue: CommandLine) -> None:
    model = ("--llm", "openai:any", "--base-url", "http://127.0.0.1:9/v1")
    deadlines = ("--first-text-timeout", "7", "--stall-timeout", "8", "--text-timeout", "9")
    for options in ((), model, (*model, *deadlines)):
        assert duologue("serve", *options).code == 0
    sessions = [call["config"] for call in served]
    assert [(c.first_text_timeout, c.stall_timeout, c.text_timeout) for c in sessions] == [
        (15, 15, 120), (15, 15, 120), (7, 8, 9),
    ]  # fmt: skip
    limits = [call["agent"]()._limits for call in served[1:]]
    assert [(limit.first_token, limit.stall) for limit in limits] == [(60, 15), (7, 8)]


def test_host_and_port_come_from_the_environment(
    served: list[dict[str, Any]], duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "::1")
    monkeypatch.setenv("PORT", "9000")
    duologue.port = None
    duologue("serve")
    duologue("serve", "--port", "9001")
    assert [(call["host"], call["port"]) for call in served] == [("::1", 9000), ("::1", 9001)]


@pytest.mark.usefixtures("unloadable")
def test_a_port_that_is_taken_is_told_before_models_are_loaded(duologue: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = duologue("serve", "--port", port)
    assert outcome.code == 1
    assert f"error: Port {port} on 127.0.0.1 is taken. Choose another" in outcome.told
    assert not outcome.out


def test_a_port_is_taken_from_the_first_moment(unused_port: int) -> None:
    with listen("127.0.0.1", unused_port), pytest.raises(ConfigError, match=f"Port {unused_port} .* is taken"):
        listen("127.0.0.1", unused_port)


@pytest.mark.parametrize(
    ("config", "pinged"),
    [(None, 30.0), (SessionConfig(keep_alive_interval=5.0), 5.0), (SessionConfig(enable_keep_alive=False), None)],
)
def test_clients_are_pinged_as_the_session_is_told(
    config: SessionConfig | None, pinged: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[Any] = []
    monkeypatch.setattr(Listener, "run", lambda self, **_: intervals.append(self.config.ws_ping_interval))
    run.serve(BookingAgent, port=0, config=config, say=lambda _: None)
    assert intervals == [pinged]


@pytest.mark.usefixtures("unloadable")
def test_a_port_that_is_taken_is_told_before_workers_are_started(duologue: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        outcome = duologue("serve", "--port", other.getsockname()[1], "--workers", "2")
    assert outcome.code == 1
    assert "is taken. Choose another" in outcome.told


@pytest.mark.usefixtures("unloadable")
def test_fewer_sessions_than_workers_cannot_be_divided(duologue: CommandLine) -> None:
    outcome = duologue("serve", "--port", "0", "--workers", "3", "--max-sessions", "2")
    assert outcome.code == 1
    assert "error: 2 sessions cannot be divided among 3 workers." in outcome.told


@pytest.mark.usefixtures("unloadable")
def test_a_listener_that_is_not_installed_is_told(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.delitem(sys.modules, "duologue.server.picows", raising=False)
    outcome = duologue("serve", "--port", "0", "--listener", "picows")
    assert outcome.code == 1
    assert "The package picows is not installed. Run `pip install 'duologue[fast]'`" in outcome.told


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize("host", ["203.0.113.1", "::::"])
def test_a_host_that_is_not_ours_is_told(host: str, duologue: CommandLine) -> None:
    outcome = duologue("serve", "--host", host, "--port", "0")
    assert outcome.code == 1
    assert f"error: Cannot listen on {host}:0: " in outcome.told


@asynccontextmanager
async def process(*arguments: str, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`duologue` in a process of its own; killed where a test leaves it running."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "duologue", *arguments, cwd=cwd, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def line_with(stream: asyncio.StreamReader | None, words: str) -> str:
    """Read up to the line that holds `words`."""
    assert stream is not None
    seen = ""
    while line := (await stream.readline()).decode():
        if words in line:
            return line
        seen += line
    raise AssertionError(f"{words!r} is not in {seen!r}")


@pytest.mark.anyio
@pytest.mark.models
async def test_a_server_from_its_start_to_ctrl_c(tmp_path: Path) -> None:
    async with process("serve", "--port", "0", cwd=tmp_path) as server, httpx.AsyncClient() as client:
        ready = await line_with(server.stderr, "talk at ")
        address = ready.partition("talk at ")[2].split()[0]
        assert address.startswith("http://localhost:")
        assert not address.endswith(":0")
        assert (await client.get(f"{address}/ready")).status_code == 200
        assert "<title>" in (await client.get(address)).text
        server.send_signal(signal.SIGINT)
        out, errors = await server.communicate()
    assert server.returncode == 0
    assert [json.loads(line)["message"] for line in errors.decode().splitlines()] == ["ended"]
    assert out == b""


@pytest.mark.anyio
@pytest.mark.models
async def test_two_workers_from_their_start_to_their_end(tmp_path: Path) -> None:
    async with process("serve", "--port", "0", "--workers", "2", cwd=tmp_path) as server, httpx.AsyncClient() as client:
        ready = await line_with(server.stderr, "talk at ")
        address = ready.partition("talk at ")[2].split()[0]
        async with asyncio.timeout(PATIENCE):
            while (shown := (await client.get(f"{address}/ops")).json())["sum"]["ready"] < 2:
                await asyncio.sleep(0.02)
        assert len(shown["workers"]) == 2
        assert {"ticks", "late_ticks", "worst_tick_late_s", "batches", "jobs_refused"} <= set(shown["sum"])
        server.send_signal(signal.SIGTERM)
        _, errors = await server.communicate()
    assert server.returncode == 0
    assert [json.loads(line)["message"] for line in errors.decode().splitlines()] == ["ended"]
    assert not any(Path(f"/proc/{worker['pid']}").exists() for worker in shown["workers"])


@pytest.mark.anyio
@pytest.mark.models
async def test_while_models_load_the_server_says_that_it_is_not_ready(tmp_path: Path, unused_port: int) -> None:
    answers: list[httpx.Response] = []
    async with process("serve", "--port", str(unused_port), cwd=tmp_path) as server, httpx.AsyncClient() as client:
        await line_with(server.stderr, "loading models")
        while not answers or answers[-1].status_code != 200:
            try:
                answers.append(await client.get(f"http://127.0.0.1:{unused_port}/ready"))
            except httpx.ConnectError:
                assert server.returncode is None
            await asyncio.sleep(0.02)
        server.send_signal(signal.SIGHUP)  # the terminal is closed
        assert await server.wait() == 0
    for answer in answers[:-1]:
        assert answer.status_code == 503
        assert answer.json()["ready"] is False
        assert answer.headers["retry-after"]


@pytest.mark.anyio
@pytest.mark.models
async def test_ctrl_c_ends_a_call_without_a_traceback(silence: Path, tmp_path: Path) -> None:
    async with process("call", str(silence), "--greeting", "Good morning to you.", "--events", cwd=tmp_path) as call:
        await line_with(call.stdout, "AgentSaid")
        call.send_signal(signal.SIGINT)
        _, errors = await call.communicate()
    assert call.returncode == 130
    assert errors == b""
