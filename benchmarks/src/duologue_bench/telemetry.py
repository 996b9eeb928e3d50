"""What telemetry costs the event loop for each turn, by what is counted and sent."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from duologue.agent import CallInfo
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.conversation.state import CallState
from duologue.engine import Engine
from duologue.errors import ProviderError
from duologue.server.app import create_app
from duologue.server.call_log import CallCounters, CallFollower
from duologue.server.engine_counters import engine_counters
from duologue.session import CallRecord
from duologue.session.call_trace import CallTrace, Parties
from duologue.session.events import TurnMeasured
from duologue.session.turn_meter import TurnMeter
from duologue.telemetry import TelemetryConfig
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.prometheus import render
from duologue.testing.fakes import PeakVad, SentenceEnd
from duologue_bench.echoing import EchoBackend

__all__ = ["measure_telemetry"]

STAGES: Final = {
    "speech_stopped": 0.2, "words": 0.3, "score": 0.3, "due": 0.4, "decided": 0.41, "first_text": 0.5, "clause": 0.52,
    "first_clause": 0.6, "first_audio": 0.65,
}  # fmt: skip


CALLS: Final = 100
TURNS_OF_A_CALL: Final = 10


async def measure_telemetry(turns: int = 400, repeats: int = 15) -> dict[str, float]:
    """CPU seconds of the event loop for each turn; the least of the repeats, because other programs only add.

    `off` counts nothing and `metrics` is the default; `otlp` sends metrics to a collector, `unsampled` traces of which
    none is sent, and `sampled` traces that are all sent. `page` is one rendering of `/metrics`, and `ops` one answer to
    the operations page with CALLS live calls.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # of spans that are dropped, as meant here
    each = [_turn(n) for n in range(1, turns + 1)]
    found: dict[str, float] = {}
    for name, config in {"off": TelemetryConfig(metrics=False), "metrics": TelemetryConfig()}.items():
        meter = TurnMeter("bench", telemetry := Telemetry(config))
        found[name] = _least(repeats, turns, partial(_tell, each, meter.follow))
    found["page"] = _least(repeats, 10, lambda: [render(telemetry.metrics.snapshot()) for _ in range(10)])
    async with _operations(telemetry, each[:TURNS_OF_A_CALL]) as ask:
        found["ops"] = _least(repeats, 10, lambda: [ask() for _ in range(10)])
    with _collector() as address:
        for name, options in {
            "otlp": {"traces": False},
            "unsampled": {"sample": 0.0},
            "sampled": {"sample": 1.0},
        }.items():
            async with Telemetry(TelemetryConfig(otlp_endpoint=address, **options)) as telemetry:  # type: ignore[arg-type]
                followers = [TurnMeter("bench", telemetry).follow]
                if (tracer := telemetry.tracer) is not None:
                    parties = Parties("agent", "recognizer", "voice")
                    trace = CallTrace("bench", tracer, parties, is_sampled=telemetry.is_sampled)
                    followers.append(trace.follow)
                found[name] = _least(repeats, turns, partial(_tell, each, *followers))
    return found


def _tell(turns: list[list[Event]], *followers: Callable[[Event], None]) -> None:
    for turn in turns:
        for event in turn:
            for follow in followers:
                follow(event)


def _least(repeats: int, count: int, run: Callable[[], Any]) -> float:
    """CPU seconds of this thread for each of `count`."""
    least = float("inf")
    for _ in range(repeats):
        began = time.thread_time()
        run()
        least = min(least, (time.thread_time() - began) / count)
    return least


def _turn(n: int) -> list[Event]:
    """The events of an ordinary turn that was prepared."""
    at: dict[str, Any] = {"pos": 16_000 * n, "wall": float(n), "turn": n}
    spoken: dict[str, Any] = {"start": 16_000 * n - 3_200, "end": 16_000 * n}
    heard: dict[str, Any] = {"text": "Yes.", "said": "Yes.", "interrupted": False, "estimated": False}
    return [
        events.SpeechStarted(**at, start=spoken["start"], reason="vad"),
        events.SpeechStopped(**at, end=spoken["end"], reason="vad"),
        events.TurnScored(
            **at, text="x", words=0.9, sound=None, probability=0.9, silence=0.3, reason="sentence", recognizer=None
        ),
        events.SpeculationStarted(**at, generation=n, text="x", reason="words"),
        events.TurnDecided(**at, **spoken, text="x", silence=0.4, probability=0.9, reason="words"),
        TurnMeasured(**at, generation=n, processing=0.2, voice_to_voice=0.65, speculation="hit", stages=STAGES),
        events.AgentHeard(**at, generation=n, **heard),
    ]


class _Backend(EchoBackend):
    """A backend with the counters of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def counters(self) -> Mapping[str, float]:
        """Those of an engine that has done nothing."""
        return engine_counters(self._engine)


@asynccontextmanager
async def _operations(telemetry: Telemetry, turns: list[list[Event]]) -> AsyncIterator[Callable[[], None]]:
    """Gives what asks a server with CALLS live calls, each with these turns, for the figures of its operations page."""
    counters = CallCounters()
    for number in range(CALLS):
        record = CallRecord(f"call-{number}")
        call = CallFollower(CallInfo(id=record.session), record, counters, telemetry.calls, log_words=False)
        for event in [events.CallChanged(0, 0.0, CallState.LIVE, "started"), *(e for turn in turns for e in turn)]:
            record.take(event)
            call.follow(event)

    @asynccontextmanager
    async def build() -> AsyncIterator[_Backend]:
        async with Engine(vad=PeakVad(), words=SentenceEnd()) as engine:
            yield _Backend(engine)

    app = create_app(build, telemetry=telemetry)
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/ops", "raw_path": b"/ops", "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"application/json")],
    }  # fmt: skip
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message.get("status"))

    def ask() -> None:
        answers.clear()
        request = app(dict(scope), receive, send)
        with suppress(StopIteration):
            request.send(None)  # it waits for nothing
        if answers[:1] != [200]:
            raise ProviderError(f"The operations page answered with {answers}.")

    async with app.lifespan():
        while not app.registry.takes_sessions:
            await asyncio.sleep(0)
        yield ask


@contextmanager
def _collector() -> Iterator[str]:
    """A collector that throws away what it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
