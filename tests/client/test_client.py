"""The client against a server that a test scripts, on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from duologue.client import AudioFrame, Conversation, as_exception, connect
from duologue.errors import (
    AuthenticationError,
    DeadlineError,
    DuologueError,
    InvalidAudioError,
    InvalidMessageError,
    InvalidStateError,
    OverloadedError,
    StreamError,
)
from duologue.wire import messages as wire
from duologue.wire.fields import Audio, TurnTaking
from duologue.wire.frames import pack

pytestmark = pytest.mark.anyio

STARTED = wire.Started(
    session="s1",
    version=1,
    audio_in=Audio(),
    audio_out=Audio(rate=24_000),
    limits=wire.Limits(max_message_bytes=1_048_576, max_text=4000, timeout_s=1800, idle_timeout_s=300),
)

Script = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def server(script: Script, status: HTTPStatus | None = None) -> AsyncIterator[str]:
    """A server that reads `start` and then does as the script says; gives its address."""

    async def handle(socket: ServerConnection) -> None:
        await script(socket, json.loads(await socket.recv()))

    def refuse(socket: ServerConnection, _: Request) -> Response | None:
        return socket.respond(status, "no") if status else None

    async with serve(handle, "127.0.0.1", 0, process_request=refuse) as listening:
        yield f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/v1/stream"


def says(*items: wire.ServerMessage | bytes | str, close: tuple[int, str] | None = None) -> Script:
    """Say these and wait for the client to go, or close."""

    async def script(socket: ServerConnection, _: dict[str, Any]) -> None:
        for item in items:
            await socket.send(item if isinstance(item, bytes | str) else wire.dump(item))
        if close:
            await socket.close(*close)
        await socket.wait_closed()

    return script


async def all_of(conversation: Conversation) -> list[Any]:
    return [item async for item in conversation]


ENDED = wire.Ended(reason="agent_done")


async def test_it_asks_for_what_it_was_told_to() -> None:
    got: list[dict[str, Any]] = []

    tenants: list[str] = []

    async def script(socket: ServerConnection, start: dict[str, Any]) -> None:
        got.append(start)
        assert socket.request is not None
        tenants.append(socket.request.headers["X-Tenant"])
        await socket.send(wire.dump(STARTED))
        await socket.wait_closed()

    async with server(script) as url:
        phone = Audio(encoding="mulaw", rate=8000)
        async with connect(
            url,
            audio_in=phone,
            agent="booking",
            voice="anna",
            denoise="webrtc",
            turns="manual",
            turn_taking=TurnTaking(timeout_s=2.0),
            greeting=False,
            marks=True,
            meter=0.5,
            metadata={"order": 7},
            headers={"X-Tenant": "north"},
        ) as call:
            assert call.started == STARTED
    assert got == [
        {
            "type": "start",
            "version": 1,
            "audio_in": {"encoding": "mulaw", "rate": 8000},
            "audio_out": {"encoding": "pcm_s16le", "rate": 24_000},
            "agent": "booking",
            "language": None,
            "voice": "anna",
            "turns": "manual",
            "turn_taking": {"action_delay_s": None, "timeout_s": 2.0, "barge_in": None, "eagerness": None},
            "denoise": "webrtc",
            "greeting": False,
            "marks": True,
            "meter_s": 0.5,
            "resumable": True,
            "metadata": {"order": 7},
        }
    ]
    assert tenants == ["north"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agent": "x" * 65}, "agent: String should have at most 64 characters"),
        ({"meter": 9.0}, "meter_s: Input should be less than or equal to 5"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"metadata": {"text": "x" * 20_000}}, "metadata: has 20011 bytes as JSON, and may have 16384"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_it_connects(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidMessageError, match=message):
        connect("ws://127.0.0.1:9/v1/stream", **options)


async def test_it_gives_messages_and_frames_in_order_to_the_end() -> None:
    text = wire.AgentText(generation=1, text="Hello.")
    async with (
        server(says(STARTED, text, pack(0, 1, b"\1\2"), pack(1, 1, b"\3\4"), ENDED)) as url,
        connect(url) as call,
    ):
        assert await all_of(call) == [text, AudioFrame(0, 1, b"\1\2"), AudioFrame(1, 1, b"\3\4"), ENDED]
        assert await all_of(call) == []


async def test_it_leaves_out_the_sound_of_replies_that_were_interrupted() -> None:
    interrupted = wire.Interrupted(generation=2)
    frames = [pack(0, generation, b"\0\0") for generation in (1, 2, 3)]
    async with server(says(STARTED, *frames[:2], interrupted, *frames, ENDED)) as url, connect(url) as call:
        assert await all_of(call) == [
            AudioFrame(0, 1, b"\0\0"),
            AudioFrame(0, 2, b"\0\0"),
            interrupted,
            AudioFrame(0, 3, b"\0\0"),
            ENDED,
        ]


async def test_what_it_sends() -> None:
    got: list[Any] = []

    async def script(socket: ServerConnection, _: dict[str, Any]) -> None:
        await socket.send(wire.dump(STARTED))
        async for item in socket:
            got.append(item if isinstance(item, bytes) else json.loads(item))
            if got[-1] == {"type": "end"}:
                await socket.send(wire.dump(ENDED))

    async with server(script) as url, connect(url) as call:
        await call.send_audio(bytes(640))
        call.skip_audio(100)
        await call.send_audio(bytes(2))
        await call.mark(480)
        await call.text("Hello")
        await call.interrupt()
        await call.clear()
        await call.begin_turn()
        await call.end_turn()
        await call.ping(3)
        await call.end()
        assert await all_of(call) == [ENDED]
    assert got == [
        pack(0, 0, bytes(640)),
        pack(420, 0, bytes(2)),
        {"type": "mark", "position": 480},
        {"type": "text", "text": "Hello"},
        {"type": "interrupt"},
        {"type": "clear"},
        {"type": "turn.begin"},
        {"type": "turn.end"},
        {"type": "ping", "id": 3},
        {"type": "end"},
    ]


async def test_positions_count_samples_of_the_encoding() -> None:
    async with (
        server(says(STARTED)) as url,
        connect(url, audio_in=Audio(encoding="alaw", rate=8000)) as call,
    ):
        await call.send_audio(bytes(160))
        assert call.position == 160


def error(code: str, *, fatal: bool) -> wire.Error:
    return wire.Error(code=code, message="So it is.", hint="Do this.", retryable=False, fatal=fatal, retry_after_s=2.0)


async def test_an_error_that_is_not_fatal_is_a_message_like_others() -> None:
    mistake = error("invalid_audio", fatal=False)
    async with server(says(STARTED, mistake, ENDED)) as url, connect(url) as call:
        assert await all_of(call) == [mistake, ENDED]
        assert isinstance(as_exception(mistake), InvalidAudioError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("overloaded", OverloadedError),
        ("timeout", DeadlineError),
        ("invalid_message", InvalidMessageError),
        ("error", DuologueError),
        ("a_code_of_tomorrow", StreamError),
    ],
)
async def test_a_fatal_error_is_raised_as_what_it_is(code: str, kind: type[DuologueError]) -> None:
    async with server(says(STARTED, error(code, fatal=True), ENDED)) as url, connect(url) as call:
        with pytest.raises(DuologueError) as caught:
            await all_of(call)
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.next_step, caught.value.retry_after) == ("So it is.", "Do this.", 2.0)


async def refused(script: Script, kind: type[DuologueError], said: str, status: HTTPStatus | None = None) -> None:
    async with server(script, status) as url:
        with pytest.raises(DuologueError, match=said) as caught:
            async with connect(url, timeout=5):
                pass
        assert type(caught.value) is kind


async def test_a_session_that_is_refused() -> None:
    await refused(says(error("overloaded", fatal=True), ENDED, close=(1013, "overloaded")), OverloadedError, "So it is")


async def test_a_server_that_begins_with_something_else() -> None:
    await refused(says(ENDED), StreamError, "began with Ended, where `started` was expected")
    await refused(says(pack(0, 0, b"\0\0")), StreamError, "began with AudioFrame")
    await refused(says('{"type": "welcome"}'), InvalidMessageError, "'welcome' found")


async def test_a_server_that_closes_at_once() -> None:
    await refused(says(close=(1013, "full")), OverloadedError, "closed the connection: full")
    await refused(says(close=(1011, "")), StreamError, "code 1011: no reason")


async def test_a_server_that_answers_with_something_else_than_a_websocket() -> None:
    await refused(says(), OverloadedError, "answers that it is full", HTTPStatus.SERVICE_UNAVAILABLE)
    await refused(says(), AuthenticationError, "does not let this client in", HTTPStatus.FORBIDDEN)
    await refused(says(), StreamError, "answers with HTTP status 404", HTTPStatus.NOT_FOUND)


async def test_a_server_that_never_starts() -> None:
    async with server(says()) as url:
        with pytest.raises(DeadlineError, match=r"did not start a session in 0\.05 s"):
            async with connect(url, timeout=0.05):
                pass


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StreamError, match="cannot be reached"):
        async with connect("ws://127.0.0.1:1/v1/stream"):
            pass


async def test_an_address_that_is_none() -> None:
    with pytest.raises(StreamError, match="An address looks like"):
        async with connect("http://localhost/"):
            pass
    with pytest.raises(StreamError, match="An address looks like"):
        async with connect("ws://127.0.0.1:99999/v1/stream"):
            pass


async def test_a_connection_that_breaks_off() -> None:
    async with server(says(STARTED, close=(1012, "restart"))) as url, connect(url) as call:
        with pytest.raises(StreamError, match="code 1012: restart"):
            await all_of(call)
        with pytest.raises(StreamError, match="code 1012: restart"):
            await call.send_audio(bytes(2))


async def test_a_connection_that_is_cut() -> None:
    async def script(socket: ServerConnection, _: dict[str, Any]) -> None:
        await socket.send(wire.dump(STARTED))
        socket.transport.abort()

    async with server(script) as url, connect(url) as call:
        with pytest.raises(StreamError, match="broke off without a word"):
            await all_of(call)


async def test_it_cannot_be_used_before_it_is_open() -> None:
    call = connect("ws://127.0.0.1:1/")
    with pytest.raises(InvalidStateError, match="is not open"):
        await call.send_audio(bytes(2))
    with pytest.raises(InvalidStateError, match="is not open"):
        await anext(call)
    await call.aclose()


async def test_leaving_it_closes_the_connection() -> None:
    closed = asyncio.Event()

    async def script(socket: ServerConnection, _: dict[str, Any]) -> None:
        await socket.send(wire.dump(STARTED))
        await socket.wait_closed()
        closed.set()

    async with server(script) as url:
        async with connect(url):
            pass
        async with asyncio.timeout(5):
            await closed.wait()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
async def test_no_proxy_is_asked_for_this_machine(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with server(says(STARTED, wire.Ended(reason="agent_done"))) as url, connect(url) as conversation:
        assert conversation.started == STARTED
