"""The application under an ASGI server of one's own, alone and mounted in another application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fake_backend import DEADLINE, FakeBackend, FakeSession
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

import duologue
from duologue.client import AudioFrame, connect
from duologue.errors import ConfigError, InvalidMessageError, InvalidStateError, StreamError
from duologue.server.app import VoiceApp, create_app
from duologue.server.limits import StreamLimits
from duologue.wire import messages as wire
from serving import run_by_uvicorn

pytestmark = pytest.mark.anyio

LIMITS = StreamLimits(start_timeout=5.0, progress_timeout=0.3, close_timeout=0.3, resume_window=0.3)


@pytest.fixture
def backend(anyio_backend: str) -> FakeBackend:
    return FakeBackend()


@pytest.fixture
async def voice(backend: FakeBackend) -> VoiceApp:
    return create_app(backend.build, limits=LIMITS)


def mounted(voice: VoiceApp) -> Starlette:
    return Starlette(routes=[Mount("/talk/voice", app=voice)], lifespan=voice.lifespan)


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
        return await client.get(f"http://{address}{path}")


@pytest.mark.parametrize("ws", ["websockets-sansio", "duologue.server.sockets:StreamProtocol"])
async def test_mounted_under_a_path_page_stream_and_client_work(ws: str, voice: VoiceApp, backend: FakeBackend) -> None:
    async with run_by_uvicorn(mounted(voice), ws=ws) as address:
        page = await get(address, "/talk/voice/")
        assert page.status_code == 200
        assert (await get(address, "/talk/voice/console/console.js")).status_code == 200
        assert (await get(address, "/talk/voice/ready")).json() == {"ready": True}

        url = f"ws://{address}/talk/voice/v1/stream?table=4"
        headers = {"X-Tenant": "north"}
        async with connect(url, agent="desk", metadata={"order": 7}, headers=headers) as call:
            session = await backend.session()
            asked = session.request
            assert (asked.agent, asked.metadata, asked.query) == ("desk", {"order": 7}, {"table": "4"})
            assert (asked.client, asked.headers["x-tenant"]) == ("127.0.0.1", "north")

            await call.send_audio(b"\1\2" * 320)
            await session.called("process_audio", 640)
            assert session.heard == b"\1\2" * 320
            session.sink.send(b"\3\4" * 480, 0, 1)
            session.tell_words("Hello.", 1)
            frame, words = await anext(call), await anext(call)
            assert isinstance(frame, AudioFrame)
            assert frame.data == b"\3\4" * 480
            assert isinstance(words, wire.AgentText)
            await call.text("Bye.")
            await session.called("send_text", "Bye.")
            await call.end()
            assert [type(message) for message in [each async for each in call]] == [wire.Ended]
        assert session.reason == "client_end"
        assert (await get(address, "/talk/voice/ops")).json()["sum"]["came"] == 1


async def test_a_client_that_leaves_ends_its_session(voice: VoiceApp, backend: FakeBackend) -> None:
    async with run_by_uvicorn(voice) as address:
        async with connect(f"ws://{address}/v1/stream"):
            session = await backend.session()
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.reason == "client_gone"


async def test_a_client_that_reads_nothing_is_cut_off(voice: VoiceApp, backend: FakeBackend) -> None:
    async with (
        run_by_uvicorn(voice) as address,
        open_websocket(f"ws://{address}/v1/stream", proxy=None, max_queue=1, close_timeout=0.2) as socket,
    ):
        await socket.send('{"type": "start", "version": 1}')
        session = await backend.session()
        sending = asyncio.create_task(_send_without_end(session))
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        sending.cancel()
        assert session.reason == "slow_client"
        with contextlib.suppress(ConnectionClosed):
            await socket.close()


async def _send_without_end(session: FakeSession) -> None:
    position = 0
    noise = random.randbytes(9600)  # uvicorn compresses what it can
    while True:
        for _ in range(50):
            session.sink.send(noise, position, 1)
            position += 4800
        await asyncio.sleep(0)


async def test_a_session_ends_with_its_server(voice: VoiceApp, backend: FakeBackend) -> None:
    async with asyncio.timeout(DEADLINE):
        async with run_by_uvicorn(voice) as address:
            call = connect(f"ws://{address}/v1/stream")
            await call.__aenter__()
            session = await backend.session()
        await session.closed.wait()
        with pytest.raises(StreamError, match=r"was not made again in 0\.3 s\. .* cannot be reached"):
            await anext(call)
        await call.aclose()


async def test_clients_are_told_goodbye_when_the_lifespan_ends(voice: VoiceApp, backend: FakeBackend) -> None:
    lifespan = voice.lifespan()
    await lifespan.__aenter__()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await voice(scope, receive, send)
            return
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})

    async with asyncio.timeout(DEADLINE), run_by_uvicorn(app) as address:
        while not voice.registry.takes_sessions:
            await asyncio.sleep(0)
        async with connect(f"ws://{address}/v1/stream") as call:
            session = await backend.session()
            await lifespan.__aexit__(None, None, None)
            said = [each async for each in call]
    assert session.reason == "shutdown"
    assert [message.reason for message in said if isinstance(message, wire.Ended)] == ["shutdown"]


async def test_an_address_without_a_stream_and_a_page_of_a_stranger_are_refused(voice: VoiceApp) -> None:
    async with run_by_uvicorn(mounted(voice)) as address:
        for path, origin, status in (("/nowhere", None, 404), ("/v1/stream", "https://stranger.example", 403)):
            with pytest.raises(InvalidStatus) as refused:
                async with open_websocket(f"ws://{address}/talk/voice{path}", origin=origin, proxy=None):  # type: ignore[arg-type]  # a NewType
                    pass
            assert refused.value.response.status_code == status


async def test_without_its_lifespan_the_first_request_says_what_to_add(
    voice: VoiceApp, caplog: pytest.LogCaptureFixture
) -> None:
    forgetful = Starlette(routes=[Mount("/voice", app=voice)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=forgetful), base_url="http://test") as client:
        with pytest.raises(ConfigError, match=r"app = FastAPI\(lifespan=voice.lifespan\)"):
            await client.get("/voice/")
    with caplog.at_level(logging.ERROR):
        async with run_by_uvicorn(forgetful) as address:
            assert (await get(address, "/voice/ready")).status_code == 500
            with pytest.raises(InvalidStatus):
                async with open_websocket(f"ws://{address}/voice/v1/stream", proxy=None):
                    pass
    assert "voice = duologue.asgi(agent)" in caplog.text


async def test_the_lifespan_runs_once_at_a_time_and_again_afterwards(voice: VoiceApp) -> None:
    for _ in range(2):
        async with voice.lifespan():
            with pytest.raises(InvalidStateError, match="runs already"):
                async with voice.lifespan():
                    pass
            async with asyncio.timeout(DEADLINE):
                while not voice.registry.takes_sessions:
                    await asyncio.sleep(0)
        assert not voice.registry.started


class Doorman:
    """A middleware that proves who calls."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            scope.setdefault("state", {})["claims"] = {"sub": "ada"}
        await self.app(scope, receive, send)


async def test_claims_come_from_a_middleware(voice: VoiceApp, backend: FakeBackend) -> None:
    app = mounted(voice)
    app.add_middleware(Doorman)
    async with run_by_uvicorn(app) as address, connect(f"ws://{address}/talk/voice/v1/stream"):
        assert (await backend.session()).request.claims == {"sub": "ada"}


async def test_metadata_of_a_megabyte_is_refused_clearly(voice: VoiceApp) -> None:
    async with (
        run_by_uvicorn(voice) as address,
        open_websocket(f"ws://{address}/v1/stream", proxy=None, close_timeout=1) as socket,
    ):
        await socket.send('{"type": "start", "version": 1, "metadata": {"a": "' + "x" * 1_000_000 + '"}}')
        told = await socket.recv()
        assert "invalid_message" in str(told)
        assert "`metadata` may have 16384 bytes" in str(told)
    with pytest.raises(InvalidMessageError, match="metadata: has 1000008 bytes as JSON, and may have 16384"):
        connect(f"ws://{address}/v1/stream", metadata={"a": "x" * 1_000_000})


def handshake(path: str, origin: str = "") -> dict[str, Any]:
    """The scope of a WebSocket under a server without extensions."""
    headers = [(b"host", b"here"), *([(b"origin", origin.encode())] if origin else [])]
    return {
        "type": "websocket", "path": path, "root_path": "", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "scheme": "ws", "extensions": None,
    }  # fmt: skip


@pytest.mark.parametrize(("path", "origin"), [("/nowhere", ""), ("/v1/stream", "https://stranger.example")])
async def test_a_server_that_can_only_answer_403_refuses_all_the_same(path: str, origin: str, voice: VoiceApp) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with voice.lifespan():
        await voice(handshake(path, origin), receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


@pytest.mark.parametrize("fault", [OSError("gone"), RuntimeError("a bug of the server")])
async def test_a_server_whose_receive_raises_has_lost_the_client(
    fault: Exception, voice: VoiceApp, backend: FakeBackend
) -> None:
    messages: list[Any] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"type": "start", "version": 1, "resumable": false}'},
    ]

    async def receive() -> Any:
        if not messages:
            raise fault
        return messages.pop(0)

    async def send(message: Any) -> None:
        """It is taken."""

    async with voice.lifespan(), asyncio.timeout(DEADLINE):
        while not voice.registry.takes_sessions:
            await asyncio.sleep(0)
        await voice(handshake("/v1/stream"), receive, send)
        assert (await backend.session()).reason == "client_gone"


async def test_a_server_that_cancels_a_call_leaves_its_client_the_way_back(
    voice: VoiceApp, backend: FakeBackend
) -> None:
    """hypercorn cancels what serves a connection, and ends the lifespan afterwards."""
    messages: list[Any] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"type": "start", "version": 1}'},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        while not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async with voice.lifespan(), asyncio.timeout(DEADLINE):
        while not voice.registry.takes_sessions:
            await asyncio.sleep(0)
        serving = asyncio.create_task(voice(handshake("/v1/stream"), receive, send))
        await backend.session()
        serving.cancel()
        await asyncio.wait([serving])
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1012)


async def test_a_server_that_cancels_the_lifespan_leaves_nothing_behind(voice: VoiceApp) -> None:
    """Servers wait so long for an application to end, and no longer."""
    is_draining = asyncio.Event()

    async def drain() -> None:
        is_draining.set()
        await asyncio.Event().wait()

    voice.registry.drain = drain  # type: ignore[method-assign,assignment]

    async def run() -> None:
        async with voice.lifespan():
            pass

    before = asyncio.all_tasks()
    running = asyncio.create_task(run())
    async with asyncio.timeout(DEADLINE):
        await is_draining.wait()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert asyncio.all_tasks() == before
    assert not voice.registry.started


async def test_a_failure_that_is_told_again_and_again_keeps_no_frames() -> None:
    @contextlib.asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        if failing:
            raise ConfigError("The voice is missing.")
        yield FakeBackend()

    failing = True
    voice = create_app(build, limits=LIMITS)
    async with voice.lifespan():
        while voice.registry.failure is None:
            await asyncio.sleep(0)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=voice), base_url="http://here") as client:
            for _ in range(20):
                shown = (await client.get("/ready")).json()
        assert (shown["code"], shown["message"]) == ("invalid_config", "The voice is missing.")
        failure = voice.registry.failure
        assert failure is not None
        assert len(traceback.extract_tb(failure.__traceback__)) <= 3


def test_options_that_cannot_be_meant_are_refused_at_once() -> None:
    async def agent(text: str) -> str:
        return text

    for options, message in (
        ({}, "No agent was given"),
        ({"agents": {"": agent}}, "An agent's name has 1 to 64 printable characters"),
        ({"agents": {"a": agent}, "policy": duologue.CallPolicy(agents=["b"])}, "allows the agent 'b'"),
        ({"agents": {"a": agent}, "tts": 1, "voices": {"b": 2}}, "Both tts and voices"),
        ({"agents": {"a": agent}, "on_end": "never"}, "on_end is str; expected a function"),
        ({"agents": {"a": agent}, "stt": lambda model: model}, "cannot make a provider"),
    ):
        with pytest.raises(ConfigError, match=message):
            duologue.asgi(**options)
