"""Serve agents: the models are loaded, the port is taken, and everyone who opens the page can talk."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIG_DFL
from typing import Any, Unpack

from duologue.errors import ConfigError
from duologue.server.acceptor import listen
from duologue.server.address import address_of, exposure
from duologue.server.app import VoiceApp
from duologue.server.application import Application, ApplicationOptions, check_options
from duologue.server.listener import Listener, protocol_of
from duologue.server.supervisor import Supervisor
from duologue.server.worker import serve_as_worker

__all__ = ["aserve", "asgi", "serve"]

log = logging.getLogger(__name__)


def serve(
    agent: object = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    listener: str = "uvicorn",
    sock: socket.socket | None = None,
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
    **options: Unpack[ApplicationOptions],
) -> None:
    """Serve conversations with `agent` until Ctrl-C.

    `agent` is anything that `as_agent` takes: an `async` function of the user's words, one that yields text, an Agent,
    or a class or function that makes one for each call, without arguments or from the `call`. An Agent with state is
    never shared: its `clone` is taken if it has one, else it is refused. Several agents are `agents={name: agent}`.

    `say` is told what happens, a line at a time; without it that is printed. `on_ready` is given the address and the
    seconds that it took. `workers` processes share the port and divide `max_sessions` among them; each loads models of
    its own. `listener` holds the WebSockets: `uvicorn`, or `picows`. `sock` is a socket that listens already, in place
    of `port`: callers wait there from the moment it listens. The other options are in ApplicationOptions.

    Raises ConfigError if an option cannot be meant, if the port cannot be taken, if all calls would share an agent with
    state, or if an event loop runs already (`aserve` is for that), and NotInstalledError if a model or the listener is
    missing.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise ConfigError(
            "serve() was called where an event loop runs already.", hint="Use `await duologue.aserve(...)` there."
        )
    server = _Server(agent, host, port, workers, listener, sock, say or _print, on_ready, options)
    with server.listening, suppress(KeyboardInterrupt), _terminated_as_interrupted():
        if workers == 1:
            server.make_listener().run(sockets=[server.listening])
        else:
            Supervisor(server.work, workers, on_ready=server.ready).run()
    server.say("ended")


async def aserve(
    agent: object = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    listener: str = "uvicorn",
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
    **options: Unpack[ApplicationOptions],
) -> None:
    """Serve as `serve` does, in one process, on the event loop that runs: until the task is cancelled.

    Signals are left to the program. Clients are told goodbye before CancelledError goes on.
    """
    server = _Server(agent, host, port, 1, listener, None, say or _print, on_ready, options)
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


def asgi(
    agent: object = None, *, say: Callable[[str], None] | None = None, **options: Unpack[ApplicationOptions]
) -> VoiceApp:
    """An ASGI application that holds conversations: to be run by any ASGI server, or mounted in another application.

    The application that it is mounted in runs its lifespan, which loads the models and says goodbye to the clients::

        voice = duologue.asgi(agent)
        app = FastAPI(lifespan=voice.lifespan)
        app.mount("/voice", voice)

    The page is then at `/voice/` and the stream at `/voice/v1/stream`. `say` is told what happens, a line at a time;
    without it that is logged. `agent` and the other options are as for `serve`. Raises ConfigError if one of them
    cannot be meant.
    """
    check_options(options)
    return Application(agent, say=say or log.info, **options).app()


class _Server:
    """What `serve` and `aserve` share: the port, taken at once, and what is served there."""

    def __init__(
        self,
        agent: object,
        host: str,
        port: int,
        workers: int,
        listener: str,
        sock: socket.socket | None,
        say: Callable[[str], None],
        on_ready: Callable[[str, float], None] | None,
        options: ApplicationOptions,
    ) -> None:
        self.say = say
        check_options(options)
        protocol_of(listener)
        self._application = Application(agent, say=say, workers=workers, **options)
        self._workers = workers
        self._on_ready = on_ready
        config = self._application.config
        self._listening_options: dict[str, Any] = {
            "keep_alive": config.keep_alive_interval if config.enable_keep_alive else None,
            "websockets": listener,
            "log_level": "warning",
            # Where the process has a log, uvicorn's lines go there and not to one of its own.
            **({"log_config": None} if logging.getLogger().handlers else {}),
        }
        self.listening = sock or listen(host, port)
        self.address = address_of(host, self.listening.getsockname()[1])
        for line in exposure(host, self.listening.getsockname()[1]):
            self.say(line)
        self._began = time.perf_counter()
        self.say("loading models")

    def ready(self) -> None:
        """Say that calls may come."""
        took = time.perf_counter() - self._began
        self.say(f"ready in {took:.1f} s: talk at {self.address} (Ctrl-C ends it)")
        if self._on_ready is not None:
            self._on_ready(self.address, took)

    def make_listener(self, *, signals: bool = True) -> Listener:
        """What serves in a process of its own."""
        return Listener(self._application.app(on_ready=self.ready), signals=signals, **self._listening_options)

    def work(self, index: int, link: socket.socket) -> int:
        """The life of one worker."""
        return serve_as_worker(self._application.app(index), link, self.listening, **self._listening_options)


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


def _print(line: str) -> None:
    print(line, flush=True)
