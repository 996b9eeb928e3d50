"""`duologue top` against a real server with a call, and against what is none."""

from __future__ import annotations

import asyncio
import http.server
import importlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from command_line import CommandLine
from duologue.cli.top import look, screen
from duologue.client import connect
from duologue.errors import ConfigError, StreamError
from serving import heard, serving, use_fakes


async def agent(text: str) -> str:
    return f"You said: {text}"


def rendered(now: object, before: object = None) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(screen(now, before))  # type: ignore[arg-type]
    return console.export_text()


@pytest.mark.anyio
async def test_a_server_with_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(agent) as stream, connect(stream) as call:
        await heard(call, "Hello.")
        address = stream.replace("ws", "http").removesuffix("/v1/stream")
        now = await asyncio.to_thread(look, address, None)
        text = rendered(now)
        assert "ready  1 process, up" in text
        assert call.started.session in text
        then = {**now, "at": now["at"] - 60, "sum": {**now["sum"], "calls_started": 0}}
        assert "a minute" in rendered(now, then)


top_module: Any = importlib.import_module("duologue.cli.top")
TURN = {"session": "abc", "turn": 3, "voice_to_voice_s": 1.5, "parts": {"speech_end": 0.5, "agent": 1.0}}
BREAKER = {"provider": "deepgram", "capability": "stt", "state": "half_open", "calls": 9, "failures": 4, "refused": 7}


HISTORY = [{"at": 0, "turns": 1, "p50_s": 1.0, "p95_s": value, "p99_s": 2.0} for value in (0.5, 2.0)]
SHOWN: dict[str, object] = {
    "at": 60.0,
    "sum": {"ready": 1, "sessions": 0, "up_s": 200, "refused": 0},
    "workers": [{}],
    "turns": {"turns": 2, "p50_s": 1.0, "p95_s": 1.5, "p99_s": 2.0, "history": HISTORY, "slowest": [TURN]},
    "calls": [],
    "breakers": [BREAKER],
}


def test_turns_and_providers() -> None:
    text = rendered(SHOWN)
    assert "▂█ up to 2.0 s" in text
    assert "half-open" in text
    (bar,) = [line for line in text.splitlines() if "abc" in line]
    assert bar.count("█") == 40  # 13 and 27


@contextmanager
def answering(status: int, body: bytes = b"{}") -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"{}", "is not the page of a duologue server"),
        (200, b"<html>", "is not the page of a duologue server"),
        (401, b"{}", "asks for a token. Give it with --token"),
        (500, b"{}", "answered with status 500"),
        (200, b"[" * 100_000, "is not the page of a duologue server"),
        (200, b'{"sum": {}, "turns": {}, "workers": []}', "cannot be shown: KeyError. Use the release of duologue"),
        (200, b'{"sum": [], "turns": [], "workers": 1}', "cannot be shown: TypeError. Use the release of duologue"),
    ],
)
def test_what_is_no_server_of_ours(duologue: CommandLine, status: int, body: bytes, told: str) -> None:
    with answering(status, body) as address:
        outcome = duologue("top", address, "--once")
    assert outcome.code == 1
    assert told in outcome.told


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:1", "does not answer"),
        ("ftp://here", "is no address of a server"),
        ("host:99999", "must have a port"),
    ],
)
def test_nobody_answers(duologue: CommandLine, address: str, told: str) -> None:
    outcome = duologue("top", address, "--json")
    assert outcome.code == 1
    assert told in outcome.told


def test_a_token_that_is_none_is_refused(duologue: CommandLine) -> None:
    for token in ("t\nX: 1", "tök"):
        assert "The token has characters that no token has" in duologue("top", "--token", token, "--json").told


def test_a_server_that_ends_in_the_middle_of_its_answer(duologue: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

        answering_once = threading.Thread(target=answer)
        answering_once.start()
        outcome = duologue("top", f"127.0.0.1:{server.getsockname()[1]}", "--json")
        answering_once.join()
    assert outcome.code == 1
    assert "does not answer: IncompleteRead" in outcome.told


def test_it_waits_for_a_server_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a server starts again, a proxy answers in its place; Ctrl-C ends it."""
    shown: list[str] = []
    looks: list[dict[str, object] | Exception] = [
        StreamError("It does not answer."),
        SHOWN,
        ConfigError("It is not the page of a duologue server."),
        {"sum": {}, "turns": {}, "workers": []},
        SHOWN,
    ]

    def look_once(*_: object) -> object:
        if not looks:
            raise KeyboardInterrupt
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    console = Console(width=40, height=10, file=io.StringIO(), force_terminal=True, record=True)
    monkeypatch.setattr(top_module, "console", console)
    monkeypatch.setattr(top_module, "look", look_once)
    monkeypatch.setattr(top_module.time, "sleep", lambda _: shown.append(console.export_text()))
    with pytest.raises(KeyboardInterrupt):
        top_module.watch("http://here", None, 2.0)
    told = ("does not answer", "duologue ready", "is not the page", "cannot be shown: KeyError", "duologue ready")
    assert [part in " ".join(text.split()) for part, text in zip(told, shown, strict=True)] == [True] * 5


def test_what_is_no_server_at_the_start_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_once(*_: object) -> object:
        raise ConfigError("It is not the page of a duologue server.")

    monkeypatch.setattr(top_module, "console", Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(top_module, "look", look_once)
    with pytest.raises(ConfigError):
        top_module.watch("http://here", None, 2.0)
