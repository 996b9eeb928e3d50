"""A server whose sessions send back what they hear, and do nothing else: what it takes is what its sockets take.

It runs in a process of its own: `python -m duologue_bench.echoing --port PORT --listener NAME`.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from duologue.audio.format import RATE
from duologue.conversation.events import Event
from duologue.server.app import create_app
from duologue.server.listener import WEBSOCKETS, Listener
from duologue.session import AudioSink, CallRequest, SessionConfig
from duologue.session.checkpoint import CallCheckpoint

__all__ = ["MAX_CLIENTS", "EchoBackend"]

MAX_CLIENTS: Final = 2000


class EchoSession:
    """A Session that hands each frame to its sink again, in the same call."""

    id = "echo"
    output_rate = RATE  # the rate of the input, so that nothing is converted
    dropped = 0
    is_recorded = False
    config = SessionConfig()

    def __init__(self, sink: AudioSink) -> None:
        self.accepted = 0
        self._sink = sink

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def process_audio(self, pcm: bytes) -> int:
        """Send it back."""
        self._sink.send(pcm, self.accepted, 1)
        self.accepted += len(pcm) // 2
        return len(pcm)

    def skip_audio(self, samples: int) -> None:
        """They are missing on the way back, too."""
        self.accepted += samples

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        """Nothing happens."""

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    interrupt = clear_buffers = begin_turn = end_turn = send_text = mark_playback = meter = _nothing

    @property
    def settled(self) -> bool:
        """Nothing is ever open."""
        return True

    def suspend(self) -> None:
        """It is never resumed."""

    def unsuspend(self, catch_up: float = 0.0) -> None:
        """It is never resumed."""

    def checkpoint(self) -> CallCheckpoint:
        """There is no state."""
        return CallCheckpoint()

    async def abandon(self) -> None:
        """Nothing to close."""

    async def hang_up(self, reason: str = "closed") -> None:
        """There is nothing to close."""


class EchoBackend:
    """A Backend that takes everyone."""

    async def open_session(self, request: CallRequest, sink: AudioSink) -> EchoSession:
        """For any client."""
        return EchoSession(sink)

    async def restore_session(
        self, request: CallRequest, sink: AudioSink, checkpoint: CallCheckpoint, call: str
    ) -> EchoSession:
        """One like all others."""
        return EchoSession(sink)

    def check(self, *, resumes: bool = False) -> None:
        """There is room."""

    def counters(self) -> Mapping[str, float]:
        """None."""
        return {}


@asynccontextmanager
async def _build() -> AsyncIterator[EchoBackend]:
    yield EchoBackend()


def _main() -> None:
    parser = argparse.ArgumentParser(description="Send back what is heard, to measure what the sockets cost.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--listener", choices=WEBSOCKETS, default="uvicorn")
    asked = parser.parse_args()
    app = create_app(_build, max_connections=MAX_CLIENTS)
    Listener(
        app, port=asked.port, websockets=asked.listener, max_waiting_per_address=MAX_CLIENTS, log_level="warning"
    ).run()


if __name__ == "__main__":
    _main()
