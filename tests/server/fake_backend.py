"""A backend without speech: its sessions record what the server does, and tell what a test has them tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.errors import DuologueError
from duologue.server.app import VoiceApp
from duologue.server.listener import Listener
from duologue.session import AudioSink, CallRequest, SessionConfig
from duologue.session.checkpoint import CallCheckpoint

DEADLINE = 30.0
"""Seconds after which a test that waits has failed."""


class FakeSession:
    id = "fake"
    output_rate = 24_000
    config = SessionConfig(agent_name="Anna")

    def __init__(self, request: CallRequest, sink: AudioSink, backend: FakeBackend) -> None:
        self.request = request
        self.sink = sink
        self.heard = bytearray()
        self.is_recorded = False
        self.accepted = 0
        self.dropped = 0
        self.calls: list[tuple[Any, ...]] = []
        self.closed = asyncio.Event()
        self._backend = backend
        self._on_event: Callable[[Event], None] = lambda _: None
        self._on_end: Callable[[str], None] = lambda _: None
        self.reason = ""
        self.state = CallCheckpoint()
        self.settled = True
        self.on_close: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        if self._backend.on_enter is not None:
            self._backend.on_enter(self)
        self._backend.opened.put_nowait(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    def tell(self, *events: Event) -> None:
        for event in events:
            self._on_event(event)

    def tell_words(self, text: str, generation: int) -> None:
        """The agent says this."""
        self.tell(events.AgentSaid(0, 0.0, generation, text))

    def finish(self, reason: str) -> None:
        if not self.reason:
            self.reason = reason
            self._on_end(reason)

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        self._on_event, self._on_end = on_event, on_end

    def suspend(self) -> None:
        self._call("suspend")

    def unsuspend(self, catch_up: float = 0.0) -> None:
        self._call("unsuspend", catch_up)

    def checkpoint(self) -> CallCheckpoint:
        return self.state

    async def abandon(self) -> None:
        self.calls.append(("abandon",))

    async def hang_up(self, reason: str = "closed") -> None:
        if not self.closed.is_set():
            self.on_close()
        self.finish(reason)
        self.closed.set()

    async def called(self, *call: Any) -> None:
        """Wait until the server has made this call."""
        async with asyncio.timeout(DEADLINE):
            while call not in self.calls:
                await asyncio.sleep(0)

    def process_audio(self, pcm: bytes) -> int:
        self.heard += pcm
        self.accepted += len(pcm) // 2
        self._call("process_audio", len(pcm))
        return len(pcm)

    def skip_audio(self, samples: int) -> None:
        self.accepted += samples
        self._call("skip_audio", samples)

    def interrupt(self) -> None:
        self._call("interrupt")

    def clear_buffers(self) -> None:
        self._call("clear_buffers")

    def begin_turn(self) -> None:
        self._call("begin_turn")

    def end_turn(self) -> None:
        self._call("end_turn")

    def send_text(self, text: str) -> None:
        self._call("send_text", text)

    def meter(self, every: float) -> None:
        self._call("meter", every)

    def mark_playback(self, position: int) -> None:
        self._call("mark_playback", position)

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        if self._backend.on_call is not None:
            self._backend.on_call(call)


class FakeBackend:
    def __init__(self) -> None:
        self.opened: asyncio.Queue[FakeSession] = asyncio.Queue()
        self.refuses: DuologueError | None = None
        self.checked: list[bool] = []
        self.restores = 0
        self.on_restore: Callable[[], Awaitable[object]] | None = None
        self.on_enter: Callable[[FakeSession], None] | None = None
        self.on_call: Callable[[tuple[Any, ...]], None] | None = None

    async def open_session(self, request: CallRequest, sink: AudioSink) -> FakeSession:
        return FakeSession(request, sink, self)

    async def restore_session(
        self, request: CallRequest, sink: AudioSink, checkpoint: CallCheckpoint, call: str
    ) -> FakeSession:
        self.restores += 1
        if self.on_restore is not None:
            await self.on_restore()
        session = FakeSession(request, sink, self)
        session.state = checkpoint
        return session

    def check(self, *, resumes: bool = False) -> None:
        self.checked.append(resumes)
        if self.refuses is not None:
            raise self.refuses

    def counters(self) -> dict[str, float]:
        return {"ticks": 3, "worst_tick_late_s": 0.25}

    async def session(self) -> FakeSession:
        """The next session that was opened."""
        async with asyncio.timeout(DEADLINE):
            return await self.opened.get()

    @asynccontextmanager
    async def build(self) -> AsyncIterator[FakeBackend]:
        yield self


@asynccontextmanager
async def listening(app: VoiceApp, port: int = 0, **options: Any) -> AsyncIterator[tuple[Listener, str]]:
    """A real server of `app` on a free port, or on this one; gives it and its address, `127.0.0.1:port`."""
    listener = Listener(app, port=port, log_config=None, **options)
    serving = asyncio.create_task(listener.serve())
    async with asyncio.timeout(DEADLINE):
        while not listener.started and not serving.done():
            await asyncio.sleep(0.001)
    try:
        yield listener, f"127.0.0.1:{listener.port}"
    finally:
        listener.should_exit = True
        await serving
