"""Serve an agent: the models are loaded, the port is taken, and everyone who opens the page can talk."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from signal import SIG_DFL

from starlette.applications import Starlette

from duologue.agent import HasStartupWarning, Stocked
from duologue.agent.faults import is_fault
from duologue.agent.function import agents_from
from duologue.engine import EngineConfig
from duologue.errors import ConfigError
from duologue.server.address import address_of, exposure
from duologue.server.app import MAX_CONNECTIONS, create_app
from duologue.server.conversations import Conversations
from duologue.server.door import listen
from duologue.server.listener import Listener, protocol_of
from duologue.server.origins import TRUSTED_PROXIES, Origins
from duologue.server.supervisor import Supervisor, share
from duologue.server.worker import serve_as_worker
from duologue.session import SessionConfig
from duologue.settings.local import load_local

__all__ = ["aserve", "serve"]

MAX_SESSIONS = 100
"""What two cores carry with the local models."""


def serve(
    agent: object,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    greeting: str | None = None,
    config: SessionConfig | None = None,
    engine: EngineConfig | None = None,
    smart_turn: bool = True,
    allowed_origins: Sequence[str] = (),
    trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
    workers: int = 1,
    listener: str = "uvicorn",
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
) -> None:
    """Serve conversations with `agent` until Ctrl-C.

    `agent` is anything that `as_agent` takes: an `async` function of the user's words, one that yields text, an Agent,
    or a class or function that makes one for each call. An Agent with state is never shared: its `clone` is taken if it
    has one, else it is refused. `greeting` is what it says first: "" for nothing, None for `config.rules.greeting` or
    its own attribute `greeting`. `say` is told what happens, a line at a time; without it that is printed. `on_ready`
    is given the address and the seconds that it took. `workers` processes share the port and divide `max_sessions`
    among them; each loads models of its own. `listener` holds the WebSockets: `uvicorn`, or `picows`.
    `allowed_origins` and `trusted_proxies` are as for `create_app`. Raises ConfigError if the port cannot be taken, if
    all calls would share an agent with state, or if an event loop runs already (`aserve` is for that), and
    NotInstalledError if a model or the listener is missing.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise ConfigError(
            "serve() was called where an event loop runs already.", hint="Use `await duologue.aserve(...)` there."
        )
    server = _Server(
        agent, host, port, greeting, config, engine, smart_turn,
        allowed_origins, trusted_proxies, workers, listener, say, on_ready,
    )  # fmt: skip
    with server.listening, suppress(KeyboardInterrupt), _terminated_as_interrupted():
        if workers == 1:
            server.make_listener().run(sockets=[server.listening])
        else:
            Supervisor(server.work, workers, on_ready=server.ready).run()
    server.say("ended")


async def aserve(
    agent: object,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    greeting: str | None = None,
    config: SessionConfig | None = None,
    engine: EngineConfig | None = None,
    smart_turn: bool = True,
    allowed_origins: Sequence[str] = (),
    trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
    listener: str = "uvicorn",
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
) -> None:
    """Serve as `serve` does, in one process, on the event loop that runs: until the task is cancelled.

    Signals are left to the program. Clients are told goodbye before CancelledError goes on.
    """
    server = _Server(
        agent, host, port, greeting, config, engine, smart_turn,
        allowed_origins, trusted_proxies, 1, listener, say, on_ready,
    )  # fmt: skip
    with server.listening:
        listening = server.make_listener(signals=False)
        serving = asyncio.create_task(listening.serve([server.listening]), name="duologue-serve")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            listening.should_exit = True
            await asyncio.wait([serving])
            raise
    server.say("ended")


class _Server:
    """What `serve` and `aserve` share: the port, taken at once, and what is served there."""

    def __init__(
        self,
        agent: object,
        host: str,
        port: int,
        greeting: str | None,
        config: SessionConfig | None,
        engine: EngineConfig | None,
        smart_turn: bool,
        allowed_origins: Sequence[str],
        trusted_proxies: Sequence[str],
        workers: int,
        listener: str,
        say: Callable[[str], None] | None,
        on_ready: Callable[[str, float], None] | None,
    ) -> None:
        self.say = say or _print
        self._carries = engine or EngineConfig(max_sessions=MAX_SESSIONS)
        if workers < 1 or self._carries.max_sessions < workers:
            raise ConfigError(
                f"{self._carries.max_sessions} sessions cannot be divided among {workers} workers.",
                hint="Allow more sessions, or start fewer workers.",
            )
        protocol_of(listener)
        Origins(allowed_origins, trusted_proxies)
        self._make_agent = agents_from(agent)
        self._sample = self._make_agent()
        config = config or SessionConfig()
        if greeting is None:
            greeting = config.rules.greeting or str(getattr(self._sample, "greeting", ""))
        self._config = config = replace(config, rules=replace(config.rules, greeting=greeting))
        self._smart_turn = smart_turn
        self._allowed_origins = allowed_origins
        self._trusted_proxies = trusted_proxies
        self._workers = workers
        self._listener = listener
        self._on_ready = on_ready
        self._keep_alive = config.keep_alive_interval if config.enable_keep_alive else None
        self.listening = listen(host, port)
        self.address = address_of(host, self.listening.getsockname()[1])
        for line in exposure(host, self.listening.getsockname()[1]):
            self.say(line)
        self._began = time.perf_counter()
        self.say("loading models")

    def _app(self, index: int) -> Starlette:
        """The application of one worker, with its share of what all may carry."""
        part = replace(
            self._carries,
            max_sessions=share(self._carries.max_sessions, self._workers, index),
            cache_max_bytes=self._carries.cache_max_bytes // self._workers,
        )
        smart_turn = self._smart_turn

        @asynccontextmanager
        async def build() -> AsyncIterator[Conversations]:
            tell = self.say if index == 0 else _nothing
            sample = self._sample if index == 0 else None
            checking = asyncio.create_task(_check(sample, tell), name="duologue-check")
            models = await asyncio.to_thread(
                load_local, lambda name, took: tell(f"  {name}: {took:.1f} s"), smart_turn=smart_turn
            )
            if smart_turn and models.turn_model is None:
                tell("  Smart Turn is not installed, and words alone judge the end of a turn;")
                tell("  to install it: duologue models install smart-turn")
            async with models.engine(config=part) as running:
                if self._workers == 1:
                    self.ready()
                phrases = self._sample.phrases if isinstance(self._sample, Stocked) else ()
                warming = asyncio.create_task(running.warm(running.tts(models.tts), phrases), name="duologue-warm")
                try:
                    yield Conversations(running, models, {"default": self._make_agent}, self._config)
                finally:
                    warming.cancel()
                    checking.cancel()
                    await asyncio.wait([warming, checking])

        return create_app(
            build,
            allowed_origins=self._allowed_origins,
            trusted_proxies=self._trusted_proxies,
            max_connections=share(MAX_CONNECTIONS, self._workers, index),
        )

    def ready(self) -> None:
        """Say that calls may come."""
        took = time.perf_counter() - self._began
        self.say(f"ready in {took:.1f} s: talk at {self.address} (Ctrl-C ends it)")
        if self._on_ready is not None:
            self._on_ready(self.address, took)

    def make_listener(self, *, signals: bool = True) -> Listener:
        """What serves in a process of its own."""
        return Listener(
            self._app(0), keep_alive=self._keep_alive, websockets=self._listener, signals=signals, log_level="warning"
        )

    def work(self, index: int, link: socket.socket) -> int:
        """The life of one worker."""
        return serve_as_worker(
            self._app(index),
            link,
            self.listening,
            keep_alive=self._keep_alive,
            websockets=self._listener,
            log_level="warning",
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM raise KeyboardInterrupt: uvicorn ends in order, and then sends itself the signal again."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, SIG_DFL)


async def _check(agent: object, tell: Callable[[str], None]) -> None:
    """Warn of what the agent depends on and lacks, while the models load."""
    try:
        warning = await agent.startup_warning() if isinstance(agent, HasStartupWarning) else None
    except BaseException as error:
        if not is_fault(error):
            raise
        warning = f"The agent's own check failed: {type(error).__name__}."
    if warning:
        tell(f"warning: {warning}")


def _nothing(line: str) -> None:
    pass


def _print(line: str) -> None:
    print(line, flush=True)
