"""What telemetry costs the event loop for each turn, by what is counted and sent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.session.call_trace import CallTrace, Parties
from duologue.session.events import TurnMeasured
from duologue.session.turn_meter import TurnMeter
from duologue.telemetry import TelemetryConfig
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.prometheus import render

__all__ = ["measure_telemetry"]

STAGES: Final = {
    "speech_stopped": 0.2, "words": 0.3, "score": 0.3, "due": 0.4, "decided": 0.41, "first_text": 0.5, "clause": 0.52,
    "first_clause": 0.6, "first_audio": 0.65,
}  # fmt: skip


async def measure_telemetry(turns: int = 400, repeats: int = 15) -> dict[str, float]:
    """CPU seconds of the event loop for each turn; the least of the repeats, because other programs only add.

    `off` counts nothing and `metrics` is the default; `otlp` sends metrics to a collector, `unsampled` traces of which
    none is sent, and `sampled` traces that are all sent. `page` is one rendering of `/metrics`.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # of spans that are dropped, as meant here
    each = [_turn(n) for n in range(1, turns + 1)]
    found: dict[str, float] = {}
    for name, config in {"off": TelemetryConfig(metrics=False), "metrics": TelemetryConfig()}.items():
        meter = TurnMeter("bench", telemetry := Telemetry(config))
        found[name] = _least(repeats, turns, partial(_tell, each, meter.follow))
    found["page"] = _least(repeats, 10, lambda: [render(telemetry.metrics.snapshot()) for _ in range(10)])
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
