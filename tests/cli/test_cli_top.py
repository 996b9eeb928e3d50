"""`duologue top` against a real server with a call, and against what is none."""

from __future__ import annotations

import asyncio
import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from command_line import CommandLine
from duologue.cli.top import look, screen
from duologue.client import connect
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


TURN = {"session": "abc", "turn": 3, "voice_to_voice_s": 1.5, "parts": {"speech_end": 0.5, "agent": 1.0}}
BREAKER = {"provider": "deepgram", "capability": "stt", "state": "half_open", "calls": 9, "failures": 4, "refused": 7}


def test_turns_and_providers() -> None:
    history = [{"at": 0, "turns": 1, "p50_s": 1.0, "p95_s": value, "p99_s": 2.0} for value in (0.5, 2.0)]
    now = {
        "at": 60.0,
        "sum": {"ready": 1, "sessions": 0, "up_s": 200, "refused": 0},
        "workers": [{}],
        "turns": {"turns": 2, "p50_s": 1.0, "p95_s": 1.5, "p99_s": 2.0, "history": history, "slowest": [TURN]},
        "calls": [],
        "breakers": [BREAKER],
    }
    text = rendered(now)
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
