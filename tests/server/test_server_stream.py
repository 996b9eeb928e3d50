"""One client against a real socket; the sessions are fakes, which record what they are told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from fake_backend import DEADLINE, FakeBackend, FakeSession, listening
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from duologue.conversation import events
from duologue.conversation.state import CallState
from duologue.errors import ConfigError, InvalidStateError, OverloadedError
from duologue.server.app import create_app
from duologue.server.limits import StreamLimits
from duologue.server.listener import WEBSOCKETS, Listener
from duologue.wire.frames import MAX_MESSAGE_BYTES, pack, unpack

pytestmark = pytest.mark.anyio

START = {"type": "start", "version": 1}


class Server:
    def __init__(self, backend: FakeBackend, listener: Listener, address: str) -> None:
        self.backend = backend
        self.listener = listener
        self.address = address

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        url = f"ws://{self.address}/v1/stream"
        async with connect(url, compression=None, proxy=None, close_timeout=1, **options) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def started(
        self, sock: socket.socket | None = None, **fields: Any
    ) -> AsyncIterator[tuple[Client, FakeSession]]:
        async with self.client(sock=sock) as client:
            await client.say(**START, **fields)
            assert (await client.hear())["type"] == "started"
            yield client, await self.backend.session()


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        """The next message, as a dictionary, or the next frame."""
        async with asyncio.timeout(DEADLINE):
            received = await self.socket.recv()
        return json.loads(received) if isinstance(received, str) else unpack(received, 2)

    async def closed(self) -> tuple[int, str]:
        """The close code and the reason, once nothing more is to be heard."""
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ConnectionClosed) as caught:
                await self.socket.recv()
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason

    async def ends(self, code: int, reason: str) -> None:
        assert await self.hear() == {"type": "ended", "reason": reason}
        assert await self.closed() == (code, reason)

    async def refused(self, code: str, said: str, *, close: int = 1008) -> None:
        """A fatal error, `ended` and the close."""
        error = await self.hear()
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, True)
        assert said in error["message"]
        await self.ends(close, code)


@pytest.fixture(scope="module", params=WEBSOCKETS)
async def shared(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    backend = FakeBackend()
    limits = StreamLimits(start_timeout=0.5, max_errors=3, progress_timeout=0.2, close_timeout=0.2)
    async with listening(create_app(backend.build, limits=limits), websockets=request.param) as (listener, address):
        yield Server(backend, listener, address)


@pytest.fixture
async def server(shared: Server) -> Server:
    backend = shared.backend
    backend.refuses = backend.on_enter = backend.on_call = None
    while not backend.opened.empty():
        backend.opened.get_nowait()
    return shared


async def test_a_conversation_from_start_to_end(server: Server) -> None:
    async with server.client() as client:
        await client.say(**START, audio_out={"rate": 48_000}, agent="booking", denoise="webrtc", marks=True)
        started = await client.hear()
        session = await server.backend.session()
        assert started == {
            "type": "started",
            "recorded": False,
            "session": "fake",
            "version": 1,
            "resume_token": None,
            "resume_s": 0.0,
            "audio_in": {"encoding": "pcm_s16le", "rate": 16_000},
            "audio_out": {"encoding": "pcm_s16le", "rate": 48_000},
            "limits": {
                "max_message_bytes": MAX_MESSAGE_BYTES,
                "max_text": 4000,
                "timeout_s": 1800.0,
                "idle_timeout_s": 300.0,
            },
            "agent_name": "Anna",
        }
        assert (session.request.agent, session.request.denoise) == ("booking", "webrtc")

        await client.socket.send(pack(0, 0, b"\1\2" * 320))
        await session.called("process_audio", 640)
        assert session.heard == b"\1\2" * 320
        session.tell(events.CallChanged(0, 0.0, state=CallState.LIVE, reason="start"))
        assert (await client.hear())["session"] == "listening"

        session.sink.send(bytes(960), 0, 1)
        session.sink.send(bytes(960), 480, 1)
        first, second = await client.hear(), await client.hear()
        assert (first.position, first.generation) == (0, 1)
        assert second.position == len(first.audio) // 2
        await client.say(type="mark", position=960)
        await session.called("mark_playback", 480)

        await client.say(type="end")
        await client.ends(1000, "client_end")
        assert session.closed.is_set()
        assert session.reason == "client_end"


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ({"type": "text", "text": "Hello"}, ("send_text", "Hello")),
        ({"type": "interrupt"}, ("interrupt",)),
        ({"type": "clear"}, ("clear_buffers",)),
        ({"type": "turn.begin"}, ("begin_turn",)),
        ({"type": "turn.end"}, ("end_turn",)),
        ({"type": "mark", "position": 7}, ("mark_playback", 7)),
    ],
)
async def test_what_a_client_may_ask(server: Server, message: dict[str, Any], call: tuple[Any, ...]) -> None:
    async with server.started(marks=True) as (client, session):
        await client.say(**message)
        await session.called(*call)


async def test_marks_are_for_those_who_announced_them(server: Server) -> None:
    async with server.started() as (client, session):
        await client.say(type="mark", position=7)
        error = await client.hear()
        assert (error["code"], error["fatal"]) == ("invalid_state", False)
        assert error["message"] == "A `mark` came, and none was announced."
        assert session.calls == []


async def test_a_meter_is_for_those_who_ask(server: Server) -> None:
    async with server.started(meter_s=0.25) as (_, session):
        await session.called("meter", 0.25)
    async with server.started() as (client, session):
        await client.say(type="interrupt")
        await session.called("interrupt")
        assert [call[0] for call in session.calls] == ["interrupt"]


async def test_a_ping_is_answered(server: Server) -> None:
    async with server.started() as (client, _):
        await client.say(type="ping", id=42)
        assert await client.hear() == {"type": "pong", "id": 42}


async def test_input_is_acknowledged(server: Server) -> None:
    async with server.started() as (client, _):
        await client.socket.send(pack(100, 0, bytes(6400)))
        assert await client.hear() == {"type": "ack", "position": 3300, "gaps": 100, "duplicates": 0}


async def test_pause_resume_and_flush_reach_the_client(server: Server) -> None:
    async with server.started() as (client, session):
        session.sink.pause(1)
        session.sink.resume(1)
        session.sink.flush(1)
        assert [await client.hear() for _ in range(3)] == [
            {"type": "pause", "generation": 1},
            {"type": "resume", "generation": 1},
            {"type": "interrupted", "generation": 1},
        ]


async def test_a_session_that_ends_by_itself(server: Server) -> None:
    async with server.started() as (client, session):
        session.tell(events.AgentSaid(0, 0.0, generation=1, text="Goodbye."))
        session.finish("agent_done")
        assert (await client.hear())["text"] == "Goodbye."
        await client.ends(1000, "agent_done")


@pytest.mark.parametrize("reason", ["error", "sink_failed", "watcher_failed"])
async def test_a_session_that_broke_off_is_no_success(server: Server, reason: str) -> None:
    async with server.started() as (client, session):
        session.finish(reason)
        error = await client.hear()
        assert (error["code"], error["fatal"]) == ("error", True)
        assert "broke off" in error["message"]
        await client.ends(1011, reason)


@pytest.mark.parametrize(("reason", "shown"), [("ü" * 100, "ü" * 61), ("half \ud83d", "half ?")])
async def test_a_reason_is_closed_with_as_far_as_it_goes(server: Server, reason: str, shown: str) -> None:
    async with server.client() as client:
        await client.say(**START)
        await client.hear()
        session = await server.backend.session()
        session.tell_words(f"So {reason}", 1)
        session.finish(reason)
        assert (await client.hear())["text"] == f"So {reason}".replace("\ud83d", "?")
        assert (await client.hear())["reason"] == reason.replace("\ud83d", "?")
        assert await client.closed() == (1000, shown)


async def test_the_last_events_come_before_the_end(server: Server) -> None:
    async with server.started() as (client, session):
        heard = events.AgentHeard(
            0, 0.0, generation=1, turn=0, text="Hi.", said="Hi.", interrupted=True, estimated=True
        )
        session.on_close = lambda: session.tell(heard)
        await client.say(type="end")
        assert (await client.hear())["type"] == "agent.heard"
        await client.ends(1000, "client_end")


# Before a session there is little patience.


async def test_audio_before_start(server: Server) -> None:
    async with server.client() as client:
        await client.socket.send(pack(0, 0, bytes(640)))
        await client.refused("invalid_message", "Audio came before `start`")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type": "ping", "id": 1}', "first message must be `start`, and was `ping`"),
        ('{"type": "start", "version": 99}', "version 99 is not spoken"),
        ('{"type": "start", "version": 1, "audio_in": {"rate": 7}}', "rate 7 is not one of"),
        ('{"type": "start", "version": 1, "tempo": 2}', "tempo: Extra inputs"),
        ('{"type": "start"}', "version: Field required"),
        ("good morning", "Invalid JSON"),
    ],
)
async def test_a_bad_start(server: Server, text: str, said: str) -> None:
    async with server.client() as client:
        await client.socket.send(text)
        await client.refused("invalid_message", said)


async def test_no_start(server: Server) -> None:
    async with server.client() as client:
        await client.refused("timeout", "No `start` came in 0.5 s")


async def test_a_full_server(server: Server) -> None:
    server.backend.refuses = OverloadedError("Full.", retry_after=5.0)
    async with server.client() as client:
        error = await client.hear()
        assert (error["code"], error["retryable"], error["retry_after_s"]) == ("overloaded", True, 5.0)
        await client.ends(1013, "overloaded")


async def test_a_session_that_is_refused_as_it_opens(server: Server) -> None:
    refused: list[FakeSession] = []

    def refuse(session: FakeSession) -> None:
        refused.append(session)
        raise OverloadedError("Just now full.")

    server.backend.on_enter = refuse
    async with server.client() as client:
        await client.say(**START)
        await client.refused("overloaded", "Just now full.", close=1013)
    await refused[0].called("abandon")


async def test_an_agent_that_is_not_there(server: Server) -> None:
    def refuse(_: FakeSession) -> None:
        raise ConfigError("There is no agent 'pirate'.")

    server.backend.on_enter = refuse
    async with server.client() as client:
        await client.say(**START, agent="pirate")
        await client.refused("invalid_config", "no agent 'pirate'")


async def test_a_server_that_fails_says_no_more_than_that(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: FakeSession) -> None:
        raise RuntimeError("a secret")

    server.backend.on_enter = fail
    async with server.client() as client:
        await client.say(**START)
        await client.refused("error", "The server failed.", close=1011)
    assert "a secret" in caplog.text


# In a session mistakes are told and ignored, up to a number.


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ("", "invalid_message", "Invalid JSON"),
        ("null", "invalid_message", "should be an object"),
        ('{"type": "nothing"}', "invalid_message", "'nothing' found"),
        ('{"type": "mark", "position": "far"}', "invalid_message", "mark.position"),
        (json.dumps(START), "invalid_state", "The session has been started."),
        ("UklGRiQAAABXQVZF", "invalid_message", "Invalid JSON"),
        (b"", "invalid_audio", "0 bytes, and must have a header"),
        (bytes(12), "invalid_audio", "12 bytes, and must have a header"),
        (bytes(13), "invalid_audio", "not whole samples of 2 bytes"),
        (pack(2**50, 0, b"\0\0"), "invalid_audio", "cannot be missing"),
        (pack(0, 0, bytes(40_000)), "invalid_audio", "holds 1.2 s of sound, and may hold 1 s"),
        (bytes(MAX_MESSAGE_BYTES + 1), "invalid_audio", "may have 1048576"),
    ],
)
async def test_a_mistake_is_told_and_the_session_goes_on(
    server: Server, frame: str | bytes, code: str, said: str
) -> None:
    async with server.started() as (client, session):
        await client.socket.send(frame)
        error = await client.hear()
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
        assert said in error["message"]
        await client.say(type="text", text="still here")
        await session.called("send_text", "still here")


async def test_what_a_session_refuses_is_told(server: Server) -> None:
    def refuse(call: tuple[Any, ...]) -> None:
        if call == ("end_turn",):
            raise InvalidStateError("No turn was begun.")

    server.backend.on_call = refuse
    async with server.started() as (client, _):
        await client.say(type="turn.end")
        error = await client.hear()
        assert (error["code"], error["message"], error["fatal"]) == ("invalid_state", "No turn was begun.", False)


async def test_too_many_mistakes_end_the_session(server: Server) -> None:
    async with server.started() as (client, session):
        for _ in range(4):
            await client.socket.send("?")
        for _ in range(3):
            assert (await client.hear())["fatal"] is False
        await client.refused("invalid_message", "Invalid JSON")
        assert session.closed.is_set()


async def test_a_message_beyond_all_bounds_ends_the_connection(server: Server) -> None:
    async with server.started() as (client, session):
        await client.socket.send(bytes(2 * MAX_MESSAGE_BYTES + 1))
        code, _ = await client.closed()
        assert code == 1009
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()


async def test_a_session_that_breaks_is_the_servers_fault(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def fail(call: tuple[Any, ...]) -> None:
        raise RuntimeError("a secret")

    server.backend.on_call = fail
    async with server.started() as (client, session):
        await client.socket.send(pack(0, 0, bytes(640)))
        await client.refused("error", "The server failed.", close=1011)
        assert session.closed.is_set()


async def test_sound_in_a_hurry_is_held_back_and_told_of_once_a_second(server: Server) -> None:
    async with server.started() as (client, session):
        for number in range(11):
            await client.socket.send(pack(number * 1600, 0, bytes(3200)))
        heard = [await client.hear() for _ in range(6)]
        errors = [message for message in heard if message["type"] == "error"]
        assert [(error["code"], error["fatal"]) for error in errors] == [("rate_limited", False)]
        assert "faster than it sounds" in errors[0]["message"]
        await session.called("process_audio", 3200)


# What WebSockets allow besides whole messages.


async def test_a_message_may_come_in_parts(server: Server) -> None:
    async with server.started() as (client, session):
        frame = pack(0, 0, b"\1\2" * 320)
        await client.socket.send([frame[:5], frame[5:100], frame[100:]])
        await session.called("process_audio", 640)
        assert session.heard == b"\1\2" * 320
        await client.socket.send(['{"type": "text", ', '"text": "In p', 'arts"}'])
        await session.called("send_text", "In parts")


async def test_a_message_in_parts_has_the_same_bound(server: Server) -> None:
    async with server.started() as (client, session):
        with suppress(ConnectionClosed):
            await client.socket.send([bytes(MAX_MESSAGE_BYTES)] * 3)
        async with asyncio.timeout(DEADLINE):
            await client.socket.wait_closed()
        assert client.socket.close_code == 1009
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.heard == b""


async def test_text_that_is_none_ends_the_connection(server: Server) -> None:
    async with server.started() as (client, session):
        await client.socket.send(b"\xff\xfe", text=True)
        code, _ = await client.closed()
        assert code == 1007
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.reason == "client_gone"


async def test_a_websocket_ping_is_answered(server: Server) -> None:
    async with server.started() as (client, _), asyncio.timeout(DEADLINE):
        await (await client.socket.ping())


async def test_a_client_that_closes_without_a_word_is_answered(server: Server) -> None:
    async with server.started() as (client, session), asyncio.timeout(DEADLINE):
        await client.socket.close()
        assert client.socket.close_code == 1000
        await session.closed.wait()
        assert session.reason == "client_gone"


@pytest.mark.parametrize("size", [1, 100, 125, 126, 4000, 65_535, 65_536, 100_000])
async def test_messages_of_every_length_reach_the_client(server: Server, size: int) -> None:
    async with server.started() as (client, session):
        session.tell(events.AgentSaid(0, 0.0, generation=1, text="é" * size))
        assert (await client.hear())["text"] == "é" * size


async def test_a_flood_of_small_messages_is_held_back(server: Server) -> None:
    async with server.started(marks=True) as (client, session):
        for number in range(4000):
            await client.say(type="mark", position=number)
        error = await client.hear()
        assert (error["code"], error["fatal"]) == ("rate_limited", False)
        await session.called("mark_playback", 749)


# Clients that go, or do not read.


def held_by(server: Server) -> list[asyncio.Task[None]]:
    """The tasks of the connections that the server holds."""
    return list(cast(Any, server.listener).server_state.tasks)


async def test_a_client_that_vanishes_leaves_nothing_behind(server: Server) -> None:
    before = held_by(server)
    async with server.started() as (client, session):
        held = [task for task in held_by(server) if task not in before]
        assert len(held) == 1
        client.socket.transport.abort()
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
            while not held[0].done() or held[0] in held_by(server):
                await asyncio.sleep(0)
        assert session.reason == "client_gone"


async def test_a_client_that_vanishes_before_it_starts(server: Server) -> None:
    async with server.client() as client:
        client.socket.transport.abort()
    async with server.started():
        pass


async def flood(session: FakeSession, stop: Callable[[], bool]) -> None:
    position = 0
    while not stop():
        session.sink.send(bytes(960), position, 1)
        position += 480
        await asyncio.sleep(0)


async def test_a_client_that_does_not_read_is_cut_off(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.server.sockets.LINGER", 0.1)
    with socket.socket() as narrow:
        # With a small buffer of its own the client's side holds nothing for it.
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = server.address.split(":")
        narrow.connect((host, int(port)))
        narrow.setblocking(False)
        async with server.started(sock=narrow) as (client, session), asyncio.timeout(DEADLINE):
            client.socket.transport.pause_reading()
            await flood(session, session.closed.is_set)
            assert session.reason == "slow_client"
            # The server cuts the connection although its last bytes were not taken.
            streams = cast(Any, server.listener).server_state.connections
            while streams:
                await asyncio.sleep(0.01)
            client.socket.transport.resume_reading()
    assert "could not be told" in caplog.text


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_a_client_that_answers_no_ping_is_given_up(websockets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.server.listener.PONG_TIMEOUT", 0.02)
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build), keep_alive=0.02, websockets=websockets) as (listener, address),
        Server(backend, listener, address).started() as (client, session),
        asyncio.timeout(DEADLINE),
    ):
        client.socket.transport.pause_reading()
        await session.closed.wait()
        assert session.reason == "client_gone"


# The end of the server.


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_a_server_that_ends_tells_its_clients(websockets: str) -> None:
    backend = FakeBackend()
    async with listening(create_app(backend.build), websockets=websockets) as (listener, address):
        server = Server(backend, listener, address)
        async with server.started() as (client, session), server.client() as idle:
            listener.should_exit = True
            await client.ends(1001, "shutdown")
            await idle.refused("overloaded", "shutting down", close=1013)  # it may come again
            assert session.reason == "shutdown"
