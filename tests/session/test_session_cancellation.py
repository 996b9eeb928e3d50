"""A cancellation from outside passes through every part that contains what other code raises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from duologue.agent import Turn
from duologue.conversation import effects
from duologue.errors import DuologueError, ProviderError
from duologue.realtime import RealtimeToolCall
from duologue.session import ErrorRaised, SessionConfig
from duologue.session.agent_writer import AgentWriter
from duologue.session.hooks import Hooks
from duologue.session.host import WeakHost
from duologue.session.input_buffer import InputBuffer
from duologue.session.notify import notify
from duologue.session.realtime_link import RealtimeLink
from duologue.session.realtime_tools import ModelReply
from duologue.session.reopening import ReopeningStream
from duologue.session.replies import Replies
from duologue.session.reply_task import ReplyTask
from duologue.session.responder import Responder, ResponderCapabilities, ResponseRequest
from duologue.session.sink import AudioSink, SinkOutput
from duologue.session.text_queue import TextQueue
from duologue.testing.agents import ScriptedAgent
from duologue.testing.realtime import FakeRealtimeModel
from duologue.testing.streaming import FakeStreamingSpeechToText
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


def cancelled(*_: object, **__: object) -> Any:
    raise asyncio.CancelledError


async def committed() -> None:
    """A turn that is decided."""


class Host:
    """Keeps errors; a reply's output, too."""

    id = "call-1"
    accepted = 0
    busy = False
    ready = 0.0

    def __init__(self) -> None:
        self.errors: list[DuologueError] = []
        self.told: list[object] = []

    def failed(self, error: DuologueError, turn: int = 0, *, repeated: bool = False) -> None:
        self.errors.append(error)

    def broken(self, error: Exception) -> None:
        self.told.append(error)

    def tell_rules(self, input_: object) -> None:
        self.told.append(input_)

    def progressed(self) -> None:
        self.told.append("progressed")

    def measured(self, measured: object) -> None:
        self.told.append(measured)

    def publish(self, event: object) -> None:
        self.told.append(event)


class Cancelled(Responder):
    """Is cancelled whatever it is asked."""

    name = "cancelled"
    rate = 16_000
    capabilities = ResponderCapabilities(hears_audio=True)
    hear = commit = truncate = cancel = respond = cancelled


class CancelledSink(AudioSink):
    send = flush = cancelled


def request(host: Any) -> ResponseRequest:
    return ResponseRequest(1, Turn(1, "Hello.", (), committed), "call-1", SessionConfig(), host)


def hear(host: Any) -> None:
    Replies(host, Cancelled(), SessionConfig(), None).hear(np.zeros(512, np.int16), 512)


def send(host: Any) -> None:
    SinkOutput(host, CancelledSink()).send(b"", 0, 1)


class CancelledRecognizer(FakeStreamingSpeechToText):
    """Its streams are cancelled whatever they are asked."""

    name = "cancelled"
    latency = None
    push = finalize = cancelled


def recognize(act: Callable[[ReopeningStream], None]) -> Callable[[Any], None]:
    def run(_: Any) -> None:
        stt: Any = CancelledRecognizer()
        audio: Any = InputBuffer(window=512, max_bytes=64_000, max_lag=16_000)
        stream = ReopeningStream(stt, SessionConfig(), audio)
        stream._stream = stt
        act(stream)

    return run


@pytest.mark.parametrize(
    "act",
    [
        hear,
        send,
        lambda host: notify(Cancelled(), "commit", 1, host),
        recognize(lambda stream: stream.push(0, 0)),
        recognize(lambda stream: stream.finalize(0)),
    ],
    ids=["hear", "send", "notify", "push", "finalize"],
)
def test_a_plain_call_outside_of_tasks(act: Callable[[Host], None]) -> None:
    host = Host()
    with pytest.raises(asyncio.CancelledError):
        act(host)
    assert (host.errors, host.told) == ([], [])


async def in_a_cancelled_task(act: Callable[[], object]) -> None:
    """Run `act` in a task that has been cancelled and has not noticed."""

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        result = act()
        if isinstance(result, Awaitable):
            await result

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(run())


async def test_words_that_are_judged() -> None:
    class Policy:
        name = "cancelled"
        judge = cancelled

    async with VirtualCall(ScriptedAgent("Yes."), words=Policy()) as call:
        ask = effects.RequestTranscript(1, 0, 0, 0)
        await in_a_cancelled_task(lambda: call.session._evidence.answer_words(ask, "Hello."))
        assert call.of(ErrorRaised) == []


async def test_a_reply_that_is_begun() -> None:
    host: Any = Host()
    await in_a_cancelled_task(lambda: ReplyTask(host, Cancelled(), request(host)))
    assert host.errors == []


async def test_a_connection_that_is_written_to() -> None:
    model = FakeRealtimeModel("Yes.")
    link = RealtimeLink(model, None)
    connection: Any = await link.connected("", ())
    connection.push = connection.respond = cancelled
    await in_a_cancelled_task(lambda: link.push(bytes(1024)))
    await in_a_cancelled_task(lambda: link.call("respond", "response-1"))
    assert link.connection is connection, "it is not given up"
    await link.aclose()


async def test_a_connection_that_is_closed() -> None:
    model = FakeRealtimeModel("Yes.")
    link = RealtimeLink(model, None)
    connection: Any = await link.connected("", ())
    closing = asyncio.Event()

    async def aclose() -> None:
        closing.set()
        await asyncio.get_running_loop().create_future()

    connection.aclose = aclose
    task = link._task
    assert task is not None
    task.cancel()
    await closing.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(ProviderError, match="closed the connection"):
        await link.aclose()


async def test_an_agent_that_is_put_back() -> None:
    class Agent:
        speculative = True
        restore = cancelled

        def snapshot(self) -> int:
            return 1

        async def reply(self, turn: Turn) -> Any:
            yield "Yes."

    host: Any = Host()
    host.text_started = lambda generation: None
    writer = AgentWriter(Agent(), request(host), TextQueue(4), in_clauses=True)
    writer.extend(1.0)  # it has not begun, and its time does not run
    await writer.closed()
    await in_a_cancelled_task(writer.roll_back)
    assert host.errors == []


async def test_a_tool_that_fails_when_it_is_cancelled() -> None:
    begun = asyncio.Event()

    async def tool() -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise KeyError("secret")

    host: Any = Host()
    reply = ModelReply(request(host), "model")
    task = asyncio.create_task(reply.call({"look": tool}, RealtimeToolCall("response-1", "call-1", "look", "{}")))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert host.errors == []


@pytest.mark.parametrize("fails", [False, True])
async def test_a_hook(fails: bool) -> None:
    host = Host()
    hooks = Hooks(host.failed)
    begun = asyncio.Event()

    async def hook() -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if fails:
                raise KeyError("secret")

    hooks.call(hook)
    await begun.wait()
    task = hooks._task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert host.errors == []


def test_a_session_that_has_ended_is_told_nothing() -> None:
    told: Any = Host()
    host = WeakHost(told, "call-1")
    host.progressed()
    host.close()
    host.progressed()
    host.broken(ValueError())
    host.tell_rules(told)
    host.measured(told)
    host.publish(told)
    assert (told.told, host.accepted) == (["progressed"], 0)
