from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fake_backend import DEADLINE, FakeBackend, listening
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from duologue.errors import ConfigError, NotInstalledError, OverloadedError
from duologue.server.app import create_app
from duologue.server.limits import StreamLimits
from duologue.server.listener import WEBSOCKETS, Listener
from duologue.server.registry import REFUSALS

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def backend(anyio_backend: str) -> FakeBackend:
    return FakeBackend()


@pytest.fixture(scope="module", params=WEBSOCKETS)
async def address(backend: FakeBackend, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    app = create_app(backend.build, allowed_origins=["https://friend.example"])
    async with listening(app, websockets=request.param) as (_, address):
        yield address


async def get(address: str, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=DEADLINE, trust_env=False) as client:
        return await client.get(path, headers=headers)


async def test_it_lives_and_is_ready(address: str) -> None:
    assert (await get(address, "/live")).json() == {"live": True}
    response = await get(address, "/ready")
    assert (response.status_code, response.json()) == (200, {"ready": True})


async def test_it_is_not_ready_when_full(address: str, backend: FakeBackend) -> None:
    backend.refuses = OverloadedError("Full.", retry_after=1.5)
    try:
        response = await get(address, "/ready")
    finally:
        backend.refuses = None
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert response.json() == {
        "ready": False,
        "code": "overloaded",
        "message": "Full.",
        "hint": "Try again later or on another machine.",
        "retryable": True,
        "provider": None,
        "retry_after_s": 1.5,
    }


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/console.js", "text/javascript; charset=utf-8"),
        ("/console/capture-worklet.js", "text/javascript; charset=utf-8"),
        ("/console/playback-worklet.js", "text/javascript; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
    ],
)
async def test_the_console_is_served_under_a_strict_policy(address: str, path: str, media_type: str) -> None:
    response = await get(address, path)
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src")} == {"'self'"}
    assert policy["connect-src"] == f"'self' ws://{address} wss://{address}"
    assert {policy[name] for name in ("object-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    again = await get(address, path, **{"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_asks_for_nothing_from_elsewhere(address: str) -> None:
    page = (await get(address, "/")).text
    assert "//" not in page.replace("<!doctype html>", "")
    assert "style=" not in page
    assert " on" not in page.split("<body", 1)[0]


@pytest.mark.parametrize("path", ["/console/nothing.js", "/console/../app.py", "/console/%2e%2e%2fapp.py", "/v1"])
async def test_there_is_nothing_else(address: str, path: str) -> None:
    assert (await get(address, path)).status_code == 404


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "", "localhost:123456"])
async def test_a_host_that_is_none_does_not_get_into_the_policy(address: str, host: str) -> None:
    assert (await get(address, "/", host=host)).status_code == 400


@pytest.mark.parametrize("origin", [None, "http://{address}", "https://friend.example"])
async def test_pages_that_may_connect(address: str, origin: str | None) -> None:
    here = None if origin is None else origin.format(address=address)
    async with connect(f"ws://{address}/v1/stream", origin=here, proxy=None) as socket:  # type: ignore[arg-type]  # a NewType
        await socket.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://friend.example.evil"])
async def test_pages_that_may_not_connect(address: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://{address}/v1/stream", origin=origin, proxy=None):  # type: ignore[arg-type]  # a NewType
            pass
    assert caught.value.response.status_code == 403


async def test_while_the_models_load_it_lives_but_is_not_ready() -> None:
    loaded = asyncio.Event()
    backend = FakeBackend()

    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        await loaded.wait()
        yield backend

    async with listening(create_app(build)) as (_, address):
        assert (await get(address, "/live")).status_code == 200
        response = await get(address, "/ready")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "being loaded" in response.json()["message"]
        loaded.set()
        async with asyncio.timeout(DEADLINE):
            while (await get(address, "/ready")).status_code == 503:
                pass


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_a_call_that_comes_while_the_models_load_waits_for_them(websockets: str) -> None:
    loaded = asyncio.Event()
    backend = FakeBackend()

    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        await loaded.wait()
        yield backend

    async with (
        listening(create_app(build), websockets=websockets) as (_, address),
        connect(f"ws://{address}/v1/stream", proxy=None) as socket,
        connect(f"ws://{address}/v1/stream", proxy=None) as other,
    ):
        await socket.send('{"type": "start", "version": 1}')
        await other.close()  # it does not wait
        loaded.set()
        await backend.session()


async def test_a_call_is_refused_where_the_models_take_too_long() -> None:
    loaded = asyncio.Event()

    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        await loaded.wait()
        yield FakeBackend()

    app = create_app(build, limits=StreamLimits(start_timeout=0.05))
    async with listening(app) as (_, address):
        async with connect(f"ws://{address}/v1/stream", proxy=None) as socket:
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1013, "overloaded")
        loaded.set()


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_connections_are_counted(websockets: str) -> None:
    backend = FakeBackend()
    async with listening(create_app(backend.build, max_connections=1), websockets=websockets) as (_, address):
        async with connect(f"ws://{address}/v1/stream", proxy=None) as first:
            await first.send('{"type": "start", "version": 1}')
            await backend.session()
            async with connect(f"ws://{address}/v1/stream", proxy=None) as second:
                await second.wait_closed()
                assert second.close_code == 1013
            assert (await get(address, "/ready")).status_code == 503
        async with connect(f"ws://{address}/v1/stream", proxy=None) as third:
            await third.send('{"type": "start", "version": 1}')
            await backend.session()


async def test_the_backend_is_let_go_at_the_end() -> None:
    steps: list[str] = []
    backend = FakeBackend()

    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        steps.append("built")
        try:
            yield backend
        finally:
            steps.append("let go")

    async with listening(create_app(build)):
        pass
    assert steps == ["built", "let go"]


@pytest.mark.parametrize(
    "error", [NotInstalledError("The package 'voices' is not installed."), RuntimeError("Broken.")]
)
async def test_a_backend_that_cannot_be_built_ends_the_server(error: Exception) -> None:
    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        if error:
            raise error
        yield FakeBackend()

    listener = Listener(create_app(build), port=0, log_config=None)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(type(error), match=str(error.args[0])):
            await listener.serve()


async def test_ops_shows_what_the_server_does_and_has_done() -> None:
    backend = FakeBackend()
    async with listening(create_app(backend.build, max_connections=1)) as (_, address):
        async with connect(f"ws://{address}/v1/stream", proxy=None) as first:
            await first.send('{"type": "start", "version": 1}')
            session = await backend.session()
            session.dropped = 320
            async with connect(f"ws://{address}/v1/stream", proxy=None) as second:
                await second.wait_closed()
            during = (await get(address, "/ops")).json()
        async with asyncio.timeout(DEADLINE):
            while (after := (await get(address, "/ops")).json())["sum"]["connections"]:
                pass
    assert len(during["workers"]) == 1
    assert during["workers"][0].pop("pid") == os.getpid()
    assert during["workers"][0] == during["sum"]
    assert during["sum"].pop("up_s") >= 0
    assert during["sum"].pop("memory_bytes") > 0
    sockets = {name: during["sum"].pop(name) for name in list(during["sum"]) if name.startswith("sockets")}
    assert sockets.pop("sockets") >= sockets.pop("sockets_waiting") + 1
    assert set(sockets.values()) == {0}
    assert during["sum"] == {
        "ready": False,
        "connections": 1,
        "sessions": 1,
        "came": 2,
        "refused": 1,
        **{f"refused_{reason}": int(reason == "connections") for reason in REFUSALS},
        **dict.fromkeys(
            ("parked", "resumed", "restored", "resume_expired", "resumed_elsewhere", "checkpoints_failed"), 0
        ),
        "dropped_samples": 320,
        "ticks": 3,
        "worst_tick_late_s": 0.25,
    }
    assert {name: after["sum"][name] for name in ("ready", "sessions", "came", "refused", "dropped_samples")} == {
        "ready": True,
        "sessions": 0,
        "came": 2,
        "refused": 1,
        "dropped_samples": 320,
    }


@pytest.mark.parametrize("reason", ["sessions", "tick_lag", "lateness", "backlog", "memory", "never heard of"])
async def test_each_refusal_is_counted_once_by_its_reason_and_told_in_full(reason: str) -> None:
    backend = FakeBackend()
    backend.refuses = OverloadedError("Full.", retry_after=1.5, reason=reason)
    async with listening(create_app(backend.build)) as (_, address):
        assert (await get(address, "/ready")).status_code == 503
        for _ in range(2):
            async with connect(f"ws://{address}/v1/stream", proxy=None) as socket:
                told = json.loads(await socket.recv())
                await socket.wait_closed()
            assert (told["code"], told["message"], told["retry_after_s"]) == ("overloaded", "Full.", 1.5)
            assert (socket.close_code, socket.close_reason) == (1013, "overloaded")
        async with asyncio.timeout(DEADLINE):
            while (shown := (await get(address, "/ops")).json()["sum"])["connections"]:
                pass
    counted = {name: count for name, count in shown.items() if name.startswith("refused") and count}
    assert counted == {"refused": 2, f"refused_{reason if reason in REFUSALS else 'other'}": 2}


def test_a_listener_that_is_not_installed_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.delitem(sys.modules, "duologue.server.picows", raising=False)
    with pytest.raises(NotInstalledError, match=r"picows is not installed. Run `pip install 'duologue\[fast\]'`"):
        Listener(create_app(FakeBackend().build), websockets="picows")


def test_a_listener_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no listener 'nginx'\. Choose one of: uvicorn, picows"):
        Listener(create_app(FakeBackend().build), websockets="nginx")
