"""What a message over a WebSocket costs the server: clients who send sound and get it back, and nothing in between."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from duologue.audio.format import FRAME_SAMPLES, RATE
from duologue.callers.connection import CallerConnection
from duologue.callers.dial import open_connection
from duologue.callers.ticker import Ticker
from duologue.errors import ConfigError, StreamError
from duologue.wire import frames
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION, Audio
from duologue_bench.echoing import MAX_CLIENTS
from duologue_bench.figures import LATE_S, Spread
from duologue_bench.server import ServerProcess

__all__ = ["SocketRun", "measure"]

WARM_S: Final = 2.0
"""Not counted: buffers grow, and code is warmed."""
START_S: Final = 10.0
"""Seconds until a session is open."""


@dataclass(frozen=True, slots=True)
class SocketRun:
    """What so many clients of one listener came to."""

    listener: str
    clients: int
    chunk_ms: int
    seconds: float
    sent: int
    """Messages of sound to the server..."""
    returned: int
    """...and from it."""
    server_cpu_s: float
    clients_cpu_s: float
    round_trip: Spread
    """From the moment at which a message was sent until it was back."""
    clients_late: Spread
    """How late the clients' own clock was. They share the machine; beyond 20 ms at p99 nothing else counts."""

    @property
    def cpu_per_message_s(self) -> float:
        """CPU of the server for each message of sound, in either direction; acknowledgements are in it."""
        return self.server_cpu_s / max(1, 2 * self.returned)

    @property
    def why_void(self) -> str:
        """What makes the run say nothing; empty if it counts. What is under way at its ends may be missing."""
        if self.clients_late.p99 >= LATE_S:
            return f"the clients were {1000 * self.clients_late.p99:.0f} ms late at p99"
        if self.returned < self.sent - 2 * self.clients:
            return f"the server kept up with {self.returned} of {self.sent} messages"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "listener": self.listener,
            "clients": self.clients,
            "chunk_ms": self.chunk_ms,
            "seconds": round(self.seconds, 2),
            "sent": self.sent,
            "returned": self.returned,
            "cpu_per_message_us": round(1e6 * self.cpu_per_message_s, 2),
            "server_cores": round(self.server_cpu_s / self.seconds, 3),
            "clients_cores": round(self.clients_cpu_s / self.seconds, 3),
            "round_trip": self.round_trip.as_dict(),
            "clients_late": self.clients_late.as_dict(),
            "why_void": self.why_void,
        }


async def measure(
    listener: str,
    *,
    clients: int = 100,
    chunk_ms: int = 20,
    seconds: float = 10.0,
    on_progress: Callable[[float], None] | None = None,
) -> SocketRun:
    """`clients` at once, each with a message of `chunk_ms` both ways all the time, against a server of its own.

    Raises ConfigError for sizes out of range, StreamError where a connection breaks off.
    """
    if not (1 <= clients <= MAX_CLIENTS and chunk_ms in (20, 40) and seconds > 0):
        raise ConfigError(
            f"{clients} clients with {chunk_ms} ms for {seconds:g} s were asked for; "
            f"there may be 1 to {MAX_CLIENTS}, with 20 or 40 ms."
        )
    options = ["--listener", listener]
    async with ServerProcess(options, program=("duologue_bench.echoing",)) as server:
        run = _Run(server, chunk_ms // 20)
        try:
            await run.connect(clients)
            await asyncio.sleep(WARM_S)
            return await run.count(listener, seconds, on_progress)
        finally:
            run.hang_up()


class _Client:
    """Sends silence on the tick, and counts what comes back."""

    def __init__(self, frames_a_chunk: int) -> None:
        self.line: CallerConnection | None = None
        self.started = asyncio.Event()
        self.failure = ""
        self.sent = self.returned = 0
        self.round_trips: list[float] = []
        self._frames_a_chunk = frames_a_chunk
        self._samples = FRAME_SAMPLES * frames_a_chunk
        self._silence = bytes(2 * self._samples)
        self._ticks = self._position = 0
        self._under_way: deque[float] = deque()

    def tick(self, _: float) -> None:
        """Send what makes a chunk."""
        self._ticks += 1
        if self.line is None or self._ticks % self._frames_a_chunk:
            return
        self._under_way.append(time.perf_counter())
        self.line.send(frames.pack(self._position, 0, self._silence))
        self._position += self._samples
        self.sent += 1

    def text(self, message: str) -> None:
        """A message came."""
        parsed = wire.parse_server(message)
        if isinstance(parsed, wire.Started):
            self.started.set()
        elif isinstance(parsed, wire.Error):
            self.failure = parsed.message

    def sound(self, _: bytes) -> None:
        """A frame is back."""
        self.returned += 1
        self.round_trips.append(time.perf_counter() - self._under_way.popleft())

    def closed(self, code: int | None, reason: str) -> None:
        """The line is closed."""
        self.failure = self.failure or f"it was closed with code {code}: {reason or 'no reason'}"
        self.line = None
        self.started.set()


class _Run:
    def __init__(self, server: ServerProcess, frames_a_chunk: int) -> None:
        self._server = server
        self._frames_a_chunk = frames_a_chunk
        self._clients: list[_Client] = []
        self._ticker = Ticker(asyncio.get_running_loop())

    async def connect(self, clients: int) -> None:
        start = wire.dump(wire.Start(version=VERSION, audio_in=Audio(rate=RATE), audio_out=Audio(rate=RATE)))
        self._ticker.start()
        for _ in range(clients):
            client = _Client(self._frames_a_chunk)
            line = await open_connection(self._server.url, client)
            line.say(start)
            self._clients.append(client)
            try:
                async with asyncio.timeout(START_S):
                    await client.started.wait()
            except TimeoutError:
                client.failure = f"it was not told that it may begin within {START_S:g} s"
            self._check()
            client.line = line
            self._ticker.join(client.tick)

    async def count(self, listener: str, seconds: float, on_progress: Callable[[float], None] | None) -> SocketRun:
        clients = self._clients
        for client in clients:
            client.round_trips.clear()
        ticked = len(self._ticker.lateness)
        sent, returned = sum(c.sent for c in clients), sum(c.returned for c in clients)
        began, cpu, mine = time.perf_counter(), self._server.footprint().cpu_s, time.process_time()
        while (passed := time.perf_counter() - began) < seconds:
            await asyncio.sleep(min(0.5, seconds - passed))
            if on_progress is not None:
                on_progress(passed)
            self._check()
        return SocketRun(
            listener=listener,
            clients=len(clients),
            chunk_ms=20 * self._frames_a_chunk,
            seconds=time.perf_counter() - began,
            sent=sum(c.sent for c in clients) - sent,
            returned=sum(c.returned for c in clients) - returned,
            server_cpu_s=self._server.footprint().cpu_s - cpu,
            clients_cpu_s=time.process_time() - mine,
            round_trip=Spread.of([s for c in clients for s in c.round_trips]),
            clients_late=Spread.of(self._ticker.lateness[ticked:]),
        )

    def _check(self) -> None:
        for client in self._clients:
            if client.failure:
                raise StreamError(f"A client of {len(self._clients)} was lost: {client.failure}.")

    def hang_up(self) -> None:
        self._ticker.stop()
        for client in self._clients:
            line, client.line = client.line, None
            if line is not None:
                line.close()
