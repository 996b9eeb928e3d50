"""Calls outlive their connection: in the process that holds them, and in another one, over both listeners."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_backend import DEADLINE, FakeBackend, FakeSession, listening
from websockets.asyncio.client import connect as open_websocket

from duologue.agent import Turn
from duologue.agent.booking import BookingAgent
from duologue.client import AudioFrame, Conversation, connect
from duologue.client.resend import MAX_MESSAGES
from duologue.conversation import events
from duologue.conversation.history import Message
from duologue.errors import DuologueError, InputError, OverloadedError, SessionNotActiveError, StreamError
from duologue.server.app import VoiceApp, create_app
from duologue.server.backlog import RESEND_S, Backlog
from duologue.server.limits import StreamLimits
from duologue.server.listener import WEBSOCKETS
from duologue.server.resume.state import SavedCall
from duologue.server.store.files import FileStore
from duologue.session.checkpoint import CallCheckpoint
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION, Audio
from duologue.wire.frames import pack
from serving import heard, serving, use_fakes

pytestmark = pytest.mark.anyio

FRAME = bytes(640)


class Server:
    def __init__(self, app: VoiceApp, backend: FakeBackend, address: str) -> None:
        self.app = app
        self.backend = backend
        self.url = f"ws://{address}/v1/stream"

    async def call(self, **options: Any) -> tuple[Conversation, FakeSession]:
        call = await connect(self.url, timeout=DEADLINE, ping_interval=None, **options).__aenter__()
        return call, await self.backend.session()

    async def report(self, name: str, value: int) -> None:
        """Wait until the report of the server says so."""
        await until(lambda: self.app.registry.report()[name] == value)


@pytest.fixture(params=WEBSOCKETS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    backend = FakeBackend()
    app = create_app(backend.build, limits=StreamLimits(resume_window=20.0), max_connections=2)
    async with listening(app, websockets=request.param) as (_, address):
        yield Server(app, backend, address)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not is_so():
            await asyncio.sleep(0.001)


def reset(call: Conversation) -> None:
    """The network of the client breaks."""
    assert call._socket is not None
    call._socket.transport.abort()


async def next_of(call: Conversation, kind: type[Any]) -> Any:
    async with asyncio.timeout(DEADLINE):
        async for message in call:
            if isinstance(message, kind):
                return message
    raise AssertionError("the call ended")


async def test_a_call_goes_on_where_its_connection_broke(server: Server) -> None:
    call, session = await server.call()
    for _ in range(10):
        await call.send_audio(FRAME)
    session.sink.send(b"\1\0" * 480, 0, 1)
    session.tell_words("One", 1)
    assert (await next_of(call, wire.AgentText)).text == "One"
    await until(lambda: session.accepted == 3200)
    reset(call)
    await session.called("suspend")
    for _ in range(10):
        await call.send_audio(FRAME)
    session.sink.send(b"\2\0" * 480, 480, 1)
    session.tell_words("Two", 1)
    again = await next_of(call, wire.Reconnected)
    assert (again.session, again.restored, call.reconnects) == ("fake", False, 1)
    assert (await next_of(call, wire.AgentText)).text == "Two"
    frame = await next_of(call, AudioFrame)
    assert (frame.position, frame.data) == (480, b"\2\0" * 480)
    await call.send_audio(FRAME)
    await until(lambda: session.accepted == 21 * 320)
    assert session.calls.count(("unsuspend", 5.0)) == 1
    assert not [call for call in session.calls if call[0] == "skip_audio"]
    assert session.reason == ""
    await call.end()
    assert (await next_of(call, wire.Ended)).reason == "client_end"
    await server.report("connections", 0)
    assert len(server.app.registry.desk) == 0


async def test_a_message_that_is_sent_meanwhile_waits(server: Server) -> None:
    call, session = await server.call()
    reset(call)
    await call.text("Hello?")  # into a connection that is broken already, and though nobody iterates
    await session.called("suspend")
    await call.text("Are you there?")
    assert call.reconnects == 1
    await next_of(call, wire.Reconnected)
    await session.called("send_text", "Are you there?")
    assert [words for kind, *words in session.calls if kind == "send_text"] == [["Hello?"], ["Are you there?"]]
    await call.aclose()
    await session.closed.wait()


async def test_audio_and_messages_are_sent_again_in_their_order(server: Server) -> None:
    call, session = await server.call(turns="manual")
    reset(call)
    await session.called("suspend")
    frames, messages = range(8), {2: wire.dump(wire.TurnBegin()), 6: wire.dump(wire.TurnEnd())}
    for number in frames:  # into a network that has failed and has not said so
        if number in messages:
            call._sent.add_message(messages[number])
        call.position += 320
        call._sent.add_frame(call.position, pack(call.position - 320, 0, FRAME))
    await next_of(call, wire.Reconnected)
    await until(lambda: session.accepted == len(frames) * 320)
    came = [kind for kind, *_ in session.calls if kind in ("process_audio", "begin_turn", "end_turn")]
    assert came == ["process_audio"] * 2 + ["begin_turn"] + ["process_audio"] * 4 + ["end_turn"] + ["process_audio"] * 2
    await call.aclose()


async def test_messages_that_were_lost_for_good_are_not_counted(server: Server) -> None:
    call, _ = await server.call()
    for number in range(MAX_MESSAGES + 6):  # into a network that has failed and has not said so
        call._sent.add_message(wire.dump(wire.Ping(id=number)))
    reset(call)
    answered = [(await next_of(call, wire.Pong)).id for _ in range(MAX_MESSAGES)]
    assert answered == [*range(6, MAX_MESSAGES + 6)]
    reset(call)
    await next_of(call, wire.Reconnected)
    await call.ping(100)
    assert (await next_of(call, wire.Pong)).id == 100, "none was sent again"
    await call.aclose()


async def test_a_client_that_says_goodbye_is_not_waited_for(server: Server) -> None:
    call, session = await server.call()
    await call.aclose()
    async with asyncio.timeout(DEADLINE):
        await session.closed.wait()
    assert ("suspend",) not in session.calls
    call, session = await server.call(resumable=False)
    assert call.started.resume_token is None
    reset(call)
    async with asyncio.timeout(DEADLINE):
        await session.closed.wait()
    with pytest.raises(StreamError, match="broke off"):
        await anext(call)


async def test_a_token_is_valid_once_and_the_newest_connection_wins(server: Server) -> None:
    call, session = await server.call()
    thief = connect(server.url, timeout=DEADLINE)
    thief._token, thief._window = call._token, 1.0
    used = call._token
    await thief._reconnect()  # while the other connection lives
    with pytest.raises(StreamError, match="replaced"):
        await next_of(call, wire.Ended)
    await thief.text("It is me.")
    await session.called("send_text", "It is me.")
    thief._token = used
    with pytest.raises(SessionNotActiveError, match="over, or its token was used"):
        await thief._reconnect()
    await thief.aclose()
    async with asyncio.timeout(DEADLINE):
        await session.closed.wait()


async def test_the_answer_to_a_reconnect_may_be_lost(server: Server) -> None:
    call, session = await server.call()
    before = call._token
    reset(call)
    await next_of(call, wire.Reconnected)
    call._token = before  # as if `reconnected` had not come
    reset(call)
    await next_of(call, wire.Reconnected)
    await call.aclose()
    await session.closed.wait()


@pytest.mark.parametrize("first", ['{"type":"start","version":1}', '{"type":"reconnect","version":1,"token":"x"}', "{"])
async def test_a_connection_that_reconnects_has_to_name_a_call(server: Server, first: str) -> None:
    call = connect(server.url, timeout=DEADLINE)
    socket = await call._open(f"{server.url}?reconnect=1")
    await socket.send(first)
    answer = wire.parse_server(str(await socket.recv()))
    assert isinstance(answer, wire.Error)
    assert answer.fatal
    await socket.close()
    assert server.backend.opened.empty()


async def test_parked_calls_count_and_have_their_room(server: Server) -> None:
    (one, _), (two, session) = await server.call(), await server.call()
    reset(two)
    await server.report("parked", 1)
    assert server.app.registry.report()["connections"] == 2
    with pytest.raises(OverloadedError):
        await server.call()
    await next_of(two, wire.Reconnected)
    for call in (one, two):
        await call.aclose()
    await session.closed.wait()


async def test_a_call_ends_when_its_client_stays_away() -> None:
    backend = FakeBackend()
    app = create_app(backend.build, limits=StreamLimits(resume_window=0.05))
    async with listening(app) as (_, address):
        call, session = await Server(app, backend, address).call()
        reset(call)
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.reason == "client_gone"
        await until(lambda: app.registry.report()["resume_expired"] == 1)
        with pytest.raises(DuologueError):
            await next_of(call, wire.Ended)


async def test_a_server_that_ends_leaves_its_calls_to_another(tmp_path: Path) -> None:
    one, two = FakeBackend(), FakeBackend()
    ends = create_app(one.build, store=FileStore(tmp_path))
    goes_on = create_app(two.build, store=FileStore(tmp_path))
    async with listening(goes_on) as (_, second):
        async with listening(ends) as (_, first):
            call, session = await Server(ends, one, first).call(metadata={"order": 17})
            session.state = CallCheckpoint(history=(Message("user", "Hello."),), turn=3, generation=2)
            call._url = f"ws://{second}/v1/stream"  # where a balancer sends it from now on
            await call.send_audio(FRAME)
            await until(lambda: session.accepted == 320)
            session.sink.send(bytes(960), 24_000, 7)
            await next_of(call, AudioFrame)
        assert session.reason == "shutdown"
        again = await next_of(call, wire.Reconnected)
        restored = await two.session()
        assert (again.restored, again.input, restored.accepted) == (True, 320, 0)
        assert restored.request.metadata == {"order": 17}
        # Counters go on from what the client has seen.
        assert restored.state == replace(session.state, generation=7, output_s=24_480 / 24_000)
        await call.send_audio(FRAME)
        await until(lambda: restored.accepted == 320)
        await call.end()
        await next_of(call, wire.Ended)
    assert list(tmp_path.iterdir()) == []


async def test_another_server_may_take_a_call_from_one_that_lives(tmp_path: Path) -> None:
    one, two = FakeBackend(), FakeBackend()
    app = create_app(one.build, store=FileStore(tmp_path))
    other = create_app(two.build, store=FileStore(tmp_path))
    async with listening(app) as (_, first), listening(other) as (_, second):
        call, session = await Server(app, one, first).call()
        await until(lambda: any(tmp_path.iterdir()))
        call._url = f"ws://{second}/v1/stream"
        reset(call)
        assert (await next_of(call, wire.Reconnected)).restored
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.reason == "resumed_elsewhere"
        await call.aclose()
        await (await two.session()).closed.wait()


async def test_a_client_that_did_not_get_its_new_token_goes_on_in_yet_another_process(tmp_path: Path) -> None:
    backends = FakeBackend(), FakeBackend(), FakeBackend()
    one, two, three = (create_app(backend.build, store=FileStore(tmp_path)) for backend in backends)
    async with listening(two) as (_, second), listening(three) as (_, third):
        async with listening(one) as (_, first):
            call, _ = await Server(one, backends[0], first).call()
        unheard = connect(f"ws://{second}/v1/stream", timeout=DEADLINE)
        unheard._token, unheard._window = call._token, 1.0
        await unheard._reconnect()
        between = await backends[1].session()
        desk = two.registry.desk
        await until(lambda: all(entry.stored for entry in desk._of_owner.values()))  # only then it can be missed
        reset(unheard)
        call._url = f"ws://{third}/v1/stream"
        assert (await next_of(call, wire.Reconnected)).restored
        async with asyncio.timeout(DEADLINE):
            await between.closed.wait()
        assert between.reason == "resumed_elsewhere"
        await call.aclose()
        await (await backends[2].session()).closed.wait()
    assert list(tmp_path.iterdir()) == []


async def test_a_client_that_does_not_wait_until_its_call_is_restored_finds_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.client.resumable.ATTEMPT_TIMEOUT", 0.05)
    one, two = FakeBackend(), FakeBackend()
    ends, goes_on = (create_app(backend.build, store=FileStore(tmp_path)) for backend in (one, two))
    may_go_on = asyncio.Event()
    two.on_restore = may_go_on.wait
    async with listening(goes_on) as (_, second):
        async with listening(ends) as (_, first):
            call, _ = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
        again = asyncio.create_task(next_of(call, wire.Reconnected))
        await until(lambda: two.restores == 1)
        lost = goes_on.registry.report()
        await until(lambda: goes_on.registry.report()["connections"] > lost["connections"])  # it has come again
        may_go_on.set()
        assert (await again).restored, "no answer to this was heard before"
        await call.text("Here I am.")
        session = await two.session()
        await session.called("send_text", "Here I am.")
        assert two.restores == 1
        await call.aclose()
        await session.closed.wait()
    assert list(tmp_path.iterdir()) == []


async def test_a_state_that_is_being_moved_is_waited_for(tmp_path: Path) -> None:
    class Moving(FileStore):
        misses = 2

        async def take(self, key: str) -> bytes | None:
            if self.misses:
                self.misses -= 1
                return None
            return await super().take(key)

    one, two = FakeBackend(), FakeBackend()
    ends = create_app(one.build, store=FileStore(tmp_path))
    goes_on = create_app(two.build, store=Moving(tmp_path))
    async with listening(goes_on) as (_, second):
        async with listening(ends) as (_, first):
            call, _ = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
        assert (await next_of(call, wire.Reconnected)).restored
        await call.aclose()


async def test_a_client_that_has_gone_already_takes_no_call(server: Server) -> None:
    call, _ = await server.call()
    gone = await call._open(f"{server.url}?reconnect=1")
    await gone.send(wire.dump(wire.Reconnect(version=VERSION, token=str(call._token))))
    gone.transport.close()
    await server.report("connections", 1)
    await call.ping(1)
    assert (await next_of(call, wire.Pong)).id == 1
    assert (call.reconnects, server.app.registry.report()["resumed"]) == (0, 0)
    await call.aclose()


async def test_what_was_said_meanwhile_may_come_at_once_in_another_process(tmp_path: Path) -> None:
    one, two = FakeBackend(), FakeBackend()
    ends, goes_on = (create_app(backend.build, store=FileStore(tmp_path)) for backend in (one, two))
    async with listening(goes_on) as (_, second):
        async with listening(ends) as (_, first):
            call, _ = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
        for _ in range(250):  # five seconds
            call.position += 320
            call._sent.add_frame(call.position, pack(call.position - 320, 0, FRAME))
        await next_of(call, wire.Reconnected)
        session = await two.session()
        await until(lambda: session.accepted == 80_000)
        await call.ping(1)
        async with asyncio.timeout(DEADLINE):
            async for message in call:
                assert not isinstance(message, wire.Error), message
                if isinstance(message, wire.Pong):
                    break
        await call.aclose()


async def test_a_call_that_changes_while_it_is_stored_is_left_to_another_process_all_the_same(tmp_path: Path) -> None:
    heard = [events.AgentHeard(0, 0.0, 1, 1, "Yes.", "Yes.", interrupted=False, estimated=False)] * 2

    class Slow(FileStore):
        async def put(self, key: str, value: bytes, ttl: float) -> None:
            await super().put(key, value, ttl)
            if key.startswith("call:") and not ends.registry.takes_sessions and heard:
                session.tell(heard.pop())

    one, two = FakeBackend(), FakeBackend()
    ends = create_app(one.build, store=Slow(tmp_path))
    async with listening(create_app(two.build, store=FileStore(tmp_path))) as (_, second):
        async with listening(ends) as (_, first):
            call, session = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
        assert heard == []
        assert (await next_of(call, wire.Reconnected)).restored
        await call.aclose()


async def test_a_turn_that_begins_while_its_call_is_stored_is_finished_before_the_server_ends(tmp_path: Path) -> None:
    class Slow(FileStore):
        async def put(self, key: str, value: bytes, ttl: float) -> None:
            await super().put(key, value, ttl)
            if key.startswith("call:") and not ends.registry.takes_sessions and not stored.is_set():
                session.settled = False
                stored.set()

    stored = asyncio.Event()
    one, two = FakeBackend(), FakeBackend()
    ends = create_app(one.build, store=Slow(tmp_path))
    async with listening(create_app(two.build, store=FileStore(tmp_path))) as (_, second):
        async with listening(ends) as (listener, first):
            call, session = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
            listener.should_exit = True
            await stored.wait()
            session.tell_words("One", 1)
            assert (await next_of(call, wire.AgentText)).text == "One"
            session.state = CallCheckpoint(turn=7)
            session.settled = True
        assert (await next_of(call, wire.Reconnected)).restored
        assert (await two.session()).state.turn == 7
        await call.aclose()


async def test_all_who_use_a_call_that_cannot_be_resumed_are_told(server: Server) -> None:
    call, session = await server.call()
    for owner in list(server.app.registry.desk._of_owner):
        server.app.registry.desk.forget(owner)
    reset(call)
    told = await asyncio.gather(call.text("Hello?"), next_of(call, wire.Ended), return_exceptions=True)
    assert [isinstance(error, DuologueError) for error in told] == [True, True], told
    session.finish("timeout")


async def test_a_call_that_found_no_place_is_not_lost(tmp_path: Path) -> None:
    one, two = FakeBackend(), FakeBackend()
    ends = create_app(one.build, store=FileStore(tmp_path))
    goes_on = create_app(two.build, store=FileStore(tmp_path))

    def refuse(_: FakeSession) -> None:
        two.on_enter = None
        raise OverloadedError("The place is taken.")

    two.on_enter = refuse
    async with listening(goes_on) as (_, second):
        async with listening(ends) as (_, first):
            call, _ = await Server(ends, one, first).call()
            call._url = f"ws://{second}/v1/stream"
        assert (await next_of(call, wire.Reconnected)).restored
        assert set(two.checked) == {True}, "it is not refused because others are late"
        assert goes_on.registry.report()["restored"] == 1
        await call.aclose()


@pytest.mark.parametrize("query", ["", "?reconnect=1"])
async def test_a_client_without_a_session_may_come_again_when_the_server_ends(query: str) -> None:
    app = create_app(FakeBackend().build)
    async with listening(app) as (listener, address), open_websocket(f"ws://{address}/v1/stream{query}") as socket:
        await until(lambda: app.registry.report()["connections"] == 1)
        listener.should_exit = True
        async with asyncio.timeout(DEADLINE):
            error = json.loads(await socket.recv())
            assert (error["type"], error["code"], error["retryable"]) == ("error", "overloaded", True)
            await socket.wait_closed()
        assert socket.close_code == 1013


async def test_a_call_that_is_being_restored_when_the_server_ends_goes_on_elsewhere(tmp_path: Path) -> None:
    one, two, three = FakeBackend(), FakeBackend(), FakeBackend()
    limits = StreamLimits(drain_timeout=0.0)
    apps = [create_app(backend.build, store=FileStore(tmp_path), limits=limits) for backend in (one, two, three)]
    may_go_on = asyncio.Event()
    two.on_restore = may_go_on.wait
    async with listening(apps[2]) as (_, third), listening(apps[1]) as (listener, second):
        async with listening(apps[0]) as (_, first):
            call, _ = await Server(apps[0], one, first).call()
            call._url = f"ws://{second}/v1/stream"
        again = asyncio.create_task(next_of(call, wire.Reconnected))
        await until(lambda: two.restores == 1)
        call._url = f"ws://{third}/v1/stream"
        listener.should_exit = True
        await until(lambda: all(stream.is_leaving for stream in apps[1].registry._streams))
        may_go_on.set()
        assert (await again).restored
        assert await three.session()
        await call.aclose()
        await until(lambda: list(tmp_path.iterdir()) == [])


async def test_a_turn_is_finished_before_the_server_ends() -> None:
    backend = FakeBackend()
    app = create_app(backend.build)
    async with listening(app) as (listener, address):
        call, session = await Server(app, backend, address).call()
        session.settled = False
        listener.should_exit = True
        await until(lambda: not app.registry.takes_sessions)
        with pytest.raises(OverloadedError):
            await Server(app, backend, address).call()
        assert session.reason == ""
        session.settled = True
        assert (await next_of(call, wire.Ended)).reason == "shutdown"


class Counter:
    """Knows how often it was asked, and what is in the history."""

    speculative = False

    def __init__(self) -> None:
        self.asked = 0

    async def reply(self, turn: Turn) -> AsyncIterator[str]:
        self.asked += 1
        yield f"{self.asked} {len(turn.history)} {turn.user_data}"

    def dump_state(self) -> int:
        return self.asked

    def load_state(self, state: int) -> None:
        self.asked = state


async def test_the_agent_remembers_the_call_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    async with serving(Counter, store=str(tmp_path), user_data=lambda: "b") as second:
        async with serving(Counter, store=str(tmp_path), user_data=lambda: "a") as first:
            call = await connect(first, timeout=DEADLINE).__aenter__()
            assert await heard(call, "Hello.") == "1 0 a"
            call._url = second
        assert (await next_of(call, wire.Reconnected)).restored
        assert await heard(call, "And again.") == "2 2 a"
        await call.aclose()


@pytest.mark.parametrize("turns", [0, 1, 4])
async def test_the_booking_agent_goes_on_from_its_state(turns: int) -> None:
    agent = BookingAgent(today=date(2026, 1, 2))
    asked = ["A table for four.", "Tomorrow at eight.", "My name is Ada.", "Yes."]
    for number, text in enumerate(asked[:turns]):
        async for _ in agent.reply(Turn(number, text, (), committed)):
            pass
    again = BookingAgent(today=date(2026, 1, 2))
    again.load_state(json.loads(json.dumps(agent.dump_state())))
    assert again.snapshot() == agent.snapshot()
    with pytest.raises((KeyError, TypeError, ValueError)):
        again.load_state({"booking": {}})


async def committed() -> None:
    pass


def test_a_backlog_is_bounded_and_sends_what_was_not_got() -> None:
    sent: list[str | bytes] = []
    backlog = Backlog(Audio(rate=8000), sent.append)
    for number in range(300):
        backlog.write(f'{{"type":"pong","id":{number}}}')
    backlog.write('{"type":"meter"}')
    for number in range(1000):
        backlog.write(pack(number * 160, 1, bytes(320)))
    assert len(sent) == 1301
    sent.clear()
    backlog.detach()
    backlog.write("last")
    backlog.attach(sent.append, messages=298, position=159_000)
    assert sent[:3] == ['{"type":"pong","id":298}', '{"type":"pong","id":299}', "last"]
    assert next(struct.unpack_from("<Q", frame)[0] for frame in sent[3:] if isinstance(frame, bytes)) == 158_880
    sent.clear()
    backlog.attach(sent.append, messages=0, position=0)
    assert backlog.dropped == 45
    backlog.drop_audio(1)
    sent.clear()
    backlog.attach(sent.append, messages=301, position=0)
    assert sent == []
    assert RESEND_S == 10.0


@pytest.mark.parametrize("value", [{}, {"start": {}}, {"start": None}])
def test_a_stored_call_that_cannot_be_read_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        SavedCall.from_json(value)


def test_a_stored_call_has_no_token() -> None:
    session: Any = FakeSession.__new__(FakeSession)
    session.state = CallCheckpoint(agent_state="x" * 600_000, user_data=[1], history=(Message("user", "Hi."),))
    saved = SavedCall(wire.Start(version=VERSION), "c1", token="secret")
    stored = saved.as_json(session, 7)
    assert "secret" not in repr(stored)
    again = SavedCall.from_json(stored)
    assert (again.call, again.position, again.checkpoint.agent_state) == ("c1", 7, None)
    assert again.checkpoint.history == session.state.history
