"""Serve agents: the models are loaded, the port is taken, and everyone who opens the page can talk."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from signal import SIG_DFL
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from duologue.errors import ConfigError
from duologue.server.acceptor import listen
from duologue.server.address import TlsFiles, address_of, exposure
from duologue.server.app import VoiceApp
from duologue.server.application import Application
from duologue.server.application_options import ApplicationOptions, check_options
from duologue.server.listener import Listener, protocol_of
from duologue.server.supervisor import STOP_TIMEOUT_S, Supervisor
from duologue.server.worker import serve_as_worker

if TYPE_CHECKING:
    from duologue.server.reload import Reload
    from duologue.settings.load import Loaded

    SettingsSource = str | os.PathLike[str] | Loaded

__all__ = ["aserve", "asgi", "serve"]

log: Final = logging.getLogger(__name__)


def serve(
    agent: object = None,
    *,
    settings: SettingsSource | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    listener: str | None = None,
    sock: socket.socket | None = None,
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
    **options: Unpack[ApplicationOptions],
) -> None:
    """Serve conversations with `agent` until Ctrl-C.

    `agent` is anything that `as_agent` takes: an `async` function of the user's words, one that yields text, an Agent,
    or a class or function that makes one for each call, without arguments or from the `call`. An Agent with state is
    never shared: its `clone` is taken if it has one, else it is refused. Several agents are `agents={name: agent}`.

    `say` is called with lines that report progress; by default they are printed. `on_ready` gets the address and the
    seconds that the start took. `workers` processes share the port and divide `max_sessions` among them; each
    loads its own models. `listener` holds the WebSockets: `uvicorn`, or `picows`. `sock` is a socket that listens
    already, in place of `port`: callers wait there from the moment it listens. The other options are in
    ApplicationOptions.

    `settings` is a file such as `duologue.toml`, read with the environment, or what `load_settings` returned; options
    that are given beside it come before it. Without it the port is 8000 on this machine, and the environment is not
    read. A server whose `security` has no keys listens on this machine only, unless it is `insecure`.

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
    where = _Where(host, port, workers, listener)
    server = _Server(agent, where, settings, sock, say or _print, on_ready, options)
    with server, suppress(KeyboardInterrupt), _terminated_as_interrupted():
        if server.workers == 1:
            server.make_listener().run(sockets=[server.listening])
        else:
            server.supervisor().run()
    server.say("ended")


async def aserve(
    agent: object = None,
    *,
    settings: SettingsSource | None = None,
    host: str | None = None,
    port: int | None = None,
    listener: str | None = None,
    say: Callable[[str], None] | None = None,
    on_ready: Callable[[str, float], None] | None = None,
    **options: Unpack[ApplicationOptions],
) -> None:
    """Serve as `serve` does, in one process, on the event loop that runs: until the task is cancelled.

    Signals are left to the program. Connections are closed in order before CancelledError goes on.
    """
    server = _Server(agent, _Where(host, port, 1, listener), settings, None, say or _print, on_ready, options)
    with server:
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
    agent: object = None,
    *,
    settings: SettingsSource | None = None,
    say: Callable[[str], None] | None = None,
    **options: Unpack[ApplicationOptions],
) -> VoiceApp:
    """An ASGI application that holds conversations: to be run by any ASGI server, or mounted in another application.

    The application that it is mounted in runs its lifespan, which loads the models, and closes connections in order::

        voice = duologue.asgi(agent)
        app = FastAPI(lifespan=voice.lifespan)
        app.mount("/voice", voice)

    The page is then at `/voice/` and the stream at `/voice/v1/stream`. `say` is called with lines that report progress;
    without it that is logged. `agent` and the other options are as for `serve`. Raises ConfigError if one of them
    cannot be meant.
    """
    check_options(options)
    merged: dict[str, Any] = {"agent": agent, **options}
    if settings is not None:
        merged = _merged(settings, agent, options)[1]
    return Application(merged.pop("agent"), say=say or log.info, **merged).app()


@dataclass(frozen=True, slots=True)
class _Where:
    """Where is served, and how; None for what the settings or the defaults say."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    listener: str | None = None

    def completed(self, loaded: Loaded | None) -> tuple[str, int, int, str]:
        """All of it."""
        server = None if loaded is None else loaded.settings.server
        host, port, workers, listener = (
            ("127.0.0.1", 8000, 1, "uvicorn")
            if server is None
            else (server.host, server.port, server.workers, server.listener)
        )
        return (
            host if self.host is None else self.host,
            port if self.port is None else self.port,
            workers if self.workers is None else self.workers,
            listener if self.listener is None else self.listener,
        )


def _merged(settings: SettingsSource, agent: object, options: ApplicationOptions) -> tuple[Loaded, dict[str, Any]]:
    """The options of the settings with those that were given over them."""
    from duologue.server.configured import loaded_from, options_of

    loaded = loaded_from(settings)
    has_agent = agent is not None or options.get("agents")
    made = options_of(loaded, agent if agent is not None else options.get("agents"))
    merged = {**made, **options}
    if has_agent:
        merged["agent"] = agent
        merged["agents"] = options.get("agents")
    if "voices" in options:
        merged["tts"] = options.get("tts")
    return loaded, merged


class _Server:
    """What `serve` and `aserve` share: the port, taken at once, and what is served there."""

    def __init__(
        self,
        agent: object,
        where: _Where,
        settings: SettingsSource | None,
        sock: socket.socket | None,
        say: Callable[[str], None],
        on_ready: Callable[[str, float], None] | None,
        options: ApplicationOptions,
    ) -> None:
        self.say = say
        check_options(options)
        loaded, merged = None, dict[str, Any]({"agent": agent, **options})
        if settings is not None:
            loaded, merged = _merged(settings, agent, options)
        host, port, self.workers, listener = where.completed(loaded)
        protocol_of(listener)
        self._application = Application(merged.pop("agent"), say=say, workers=self.workers, **merged)
        security = self._application.security
        tls = TlsFiles(security.certfile, security.keyfile)
        tls.check()
        self._reload: Reload | None = None
        if loaded is not None and loaded.file is not None:
            from duologue.server.reload import Reload

            self._reload = Reload(loaded, self._application, options)
        self._on_ready = on_ready
        config = self._application.config
        self._listening_options: dict[str, Any] = {
            "keep_alive": config.keep_alive_interval if config.enable_keep_alive else None,
            "websockets": listener,
            **tls.options(),
            "log_level": "warning",
            # Where the process has a log, uvicorn's lines go there and not to one of its own.
            **({"log_config": None} if logging.getLogger().handlers else {}),
        }
        self.listening = sock or listen(host, port)
        port = self.listening.getsockname()[1]
        self.address = address_of(host, port, tls=bool(tls))
        try:
            authenticates = security.keys is not None
            for line in exposure(host, port, tls=bool(tls), authenticates=authenticates, insecure=security.insecure):
                self.say(line)
        except ConfigError:
            self.listening.close()
            raise
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if self.workers > 1 and self._application.store is None:
            # A ticket, or a call whose worker died, may come to any of the workers.
            self._folder = tempfile.TemporaryDirectory(prefix="duologue-")
            self._application.store = self._folder.name
        self._began = time.perf_counter()
        self.say("loading models")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.close()
        if self._folder is not None:
            self._folder.cleanup()

    def ready(self) -> None:
        """Say that calls may come."""
        took = time.perf_counter() - self._began
        self.say(f"ready in {took:.1f} s: talk at {self.address} (Ctrl-C ends it)")
        if self._on_ready is not None:
            self._on_ready(self.address, took)

    def make_listener(self, *, signals: bool = True) -> Listener:
        """What serves in a process of its own."""
        app = self._application.app(on_ready=self.ready)
        hang_up = None if self._reload is None else self._reload.start
        return Listener(app, signals=signals, on_hang_up=hang_up, **self._listening_options)

    def supervisor(self) -> Supervisor:
        """What runs several processes; at SIGHUP it reads settings before they do."""
        stop_timeout = STOP_TIMEOUT_S + self._application.limits.drain_timeout
        reread = None if self._reload is None else self._reload.run
        return Supervisor(self.work, self.workers, on_ready=self.ready, on_hang_up=reread, stop_timeout=stop_timeout)

    def work(self, index: int, link: socket.socket) -> int:
        """The life of one worker."""
        hang_up = None
        if self._reload is not None:
            self._reload.quiet, hang_up = True, self._reload.start
        app = self._application.app(index)
        return serve_as_worker(app, link, self.listening, on_hang_up=hang_up, **self._listening_options)


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
