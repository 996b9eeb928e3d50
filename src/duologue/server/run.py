"""Serve an agent: the models are loaded, the port is taken, and everyone who opens the page can talk."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from starlette.applications import Starlette

from duologue.agent import Stocked
from duologue.agent.function import as_agent
from duologue.engine import EngineConfig
from duologue.errors import ConfigError
from duologue.server.app import MAX_CONNECTIONS, create_app
from duologue.server.conversations import Conversations
from duologue.server.door import listen
from duologue.server.listener import Listener, protocol_of
from duologue.server.supervisor import Supervisor, share
from duologue.server.worker import serve_as_worker
from duologue.session import SessionConfig
from duologue.settings.local import load_local

__all__ = ["serve"]

MAX_SESSIONS = 100
"""What two cores carry with the local models."""


def serve(
    agent: object,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    config: SessionConfig | None = None,
    engine: EngineConfig | None = None,
    smart_turn: bool = True,
    allowed_origins: Sequence[str] = (),
    workers: int = 1,
    listener: str = "uvicorn",
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
) -> None:
    """Serve conversations with `agent` until Ctrl-C.

    `agent` is anything that `as_agent` takes: an `async` function of the user's words, one that yields text, an Agent
    or a class of agents. An Agent *instance* with state of its own would be shared by all calls: give its class. `say`
    is told what happens, a line at a time; without it that is printed. `on_ready` is given the address and the seconds
    that it took. `workers` processes share the port and divide `max_sessions` among them; each loads models of its own.
    `listener` holds the WebSockets: `uvicorn`, or `picows`. Raises ConfigError where the port cannot be taken,
    NotInstalledError where a model or the listener is missing.
    """
    say = say or _print
    carries = engine or EngineConfig(max_sessions=MAX_SESSIONS)
    if workers < 1 or carries.max_sessions < workers:
        raise ConfigError(
            f"{carries.max_sessions} sessions cannot be divided among {workers} workers.",
            hint="Allow more sessions, or start fewer workers.",
        )
    protocol_of(listener)
    listening = listen(host, port)
    name = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    address = f"http://{name}:{listening.getsockname()[1]}"

    began = time.perf_counter()

    def app(index: int) -> Starlette:
        """The application of one worker, with its share of what all may carry."""
        part = replace(
            carries,
            max_sessions=share(carries.max_sessions, workers, index),
            cache_max_bytes=carries.cache_max_bytes // workers,
        )

        @asynccontextmanager
        async def build() -> AsyncIterator[Conversations]:
            tell = say if index == 0 else _nothing
            models = await asyncio.to_thread(
                load_local, lambda name, took: tell(f"  {name}: {took:.1f} s"), smart_turn=smart_turn
            )
            if smart_turn and models.turn_model is None:
                tell("  Smart Turn is not installed, and words alone judge the end of a turn;")
                tell("  to install it: duologue models install smart-turn")
            async with models.engine(config=part) as running:
                if workers == 1:
                    ready()
                stocked = as_agent(agent)
                phrases = stocked.phrases if isinstance(stocked, Stocked) else ()
                warming = asyncio.create_task(running.warm(running.tts(models.tts), phrases), name="duologue-warm")
                try:
                    yield Conversations(running, models, {"default": lambda: as_agent(agent)}, config)
                finally:
                    warming.cancel()
                    await asyncio.wait([warming])

        return create_app(
            build, allowed_origins=allowed_origins, max_connections=share(MAX_CONNECTIONS, workers, index)
        )

    def ready() -> None:
        took = time.perf_counter() - began
        say(f"ready in {took:.1f} s: talk at {address} (Ctrl-C ends it)")
        if on_ready is not None:
            on_ready(address, took)

    def work(index: int, link: socket.socket) -> int:
        return serve_as_worker(
            app(index), link, listening, keep_alive=keep_alive, websockets=listener, log_level="warning"
        )

    say("loading models")
    asked = config or SessionConfig()
    keep_alive = asked.keep_alive_interval if asked.enable_keep_alive else None
    with listening, suppress(KeyboardInterrupt):
        if workers == 1:
            Listener(app(0), keep_alive=keep_alive, websockets=listener, log_level="warning").run(sockets=[listening])
        else:
            Supervisor(work, workers, on_ready=ready).run()
    say("ended")


def _nothing(line: str) -> None:
    pass


def _print(line: str) -> None:
    print(line, flush=True)
