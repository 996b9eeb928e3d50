"""What the bridge to plugins of LiveKit Agents shares: loading one, running its code, and the meaning of its errors.

Source: the base classes of livekit-agents 1.8.9 (`livekit.agents.stt`, `tts`, `vad`, `utils.http_context`).
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    NotInstalledError,
    ProviderError,
    ProviderUnavailableError,
)
from duologue.services import error_for, read_key

__all__ = ["PluginHost", "connect_options", "load_plugin", "plugin_error", "split_options"]

T = TypeVar("T")

Kind = Literal["STT", "TTS", "VAD"]
WHAT: Final = {"STT": "recognizer", "TTS": "voice", "VAD": "detector of speech"}
CLOSE_TIMEOUT_S: Final = 0.2
"""Seconds that a plugin's stream has to close; then it continues to close in the background."""
FINAL_CLOSE_TIMEOUT_S: Final = 0.5
"""Seconds that each step of closing a plugin may take."""
MAX_CAUSES: Final = 5

_loading: Final = threading.RLock()
_NAME: Final = re.compile(r"([a-z][a-z0-9_-]*)(?:\.([A-Za-z_]\w*))?")
_VARIABLE: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|SECRET|ID|REGION)\b")


def load_plugin(kind: Kind, plugin: str, options: Mapping[str, Any], key_file: Path | None = None) -> Callable[[], Any]:
    """Return what makes the plugin's recognizer, voice or detector.

    Args:
        kind: Its class, if `plugin` names none.
        plugin: The part of the package's name after `livekit-plugins-`; with a class, as `deepgram.STTv2`.
        options: Arguments of the class.
        key_file: A file with the value of its argument `api_key`.

    Raises:
        NotInstalledError: The package is missing.
        ConfigError: There is no such class, or it does not take these options.
    """
    match = _NAME.fullmatch(plugin)
    if match is None:
        raise ConfigError(
            f"{plugin!r} names no plugin of LiveKit.", hint="Write livekit:NAME for the package livekit-plugins-NAME."
        )
    package, name = match[1].replace("-", "_"), match[2] or kind
    found = getattr(_module(package), name, None)
    if found is None:
        message = f"The plugin {package!r} of LiveKit has no {name}"
        raise ConfigError(f"{message}: it is no {WHAT[kind]}." if name == kind else f"{message}.")
    make: Callable[..., Any] = getattr(found, "load", found) if kind == "VAD" else found
    given = dict(options)
    if key_file is not None:
        given["api_key"] = read_key(key_file, None)
    _check(plugin, make, given)
    return lambda: _made(plugin, make, given)


def _module(package: str) -> Any:
    _prepare()
    name = f"livekit.plugins.{package}"
    try:
        with _registering():
            return importlib.import_module(name)
    except ImportError as error:
        message = f"The plugin {package!r} of LiveKit needs {error.name or name}, which is missing."
        raise NotInstalledError(message, hint=f"pip install livekit-plugins-{package.replace('_', '-')}") from error


@contextmanager
def _registering() -> Iterator[None]:
    """Let plugins register themselves in any thread.

    LiveKit refuses all but the main one. A server makes its providers in another, so that the loop goes on.
    """
    from livekit.agents import Plugin

    def register(cls: Any, plugin: Any) -> None:
        cls.registered_plugins.append(plugin)
        cls.emitter.emit("plugin_registered", plugin)

    with _loading:
        refuses = Plugin.__dict__["register_plugin"]
        Plugin.register_plugin = classmethod(register)
        try:
            yield
        finally:
            Plugin.register_plugin = refuses


def _prepare() -> None:
    """Load LiveKit's base classes, and keep what callers say out of logs and traces: plugins write it into both."""
    try:
        from livekit.agents import telemetry
        from opentelemetry.trace import NoOpTracerProvider
    except ImportError as error:
        raise NotInstalledError(
            f"Plugins of LiveKit need {error.name or 'livekit-agents'}, which is missing.",
            hint="pip install 'duologue[livekit]'",
        ) from None
    telemetry.set_tracer_provider(NoOpTracerProvider())
    logger = logging.getLogger("livekit")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)  # each error that matters is raised, too


def _check(plugin: str, make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(make).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    unknown = sorted(options.keys() - parameters.keys())
    if unknown:
        taken = ", ".join(name for name in parameters if name not in ("http_session", "api_key"))
        raise ConfigError(
            f"The plugin {plugin!r} of LiveKit does not take the options {', '.join(unknown)}.",
            hint=f"It takes: {taken}.",
        )


def _made(plugin: str, make: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    try:
        return make(**options)
    except Exception as error:
        # Its own words may hold a key, but not the names of variables that are not set.
        missing = [name for name in dict.fromkeys(_VARIABLE.findall(str(error))) if not os.environ.get(name)]
        hint = f"Set {missing[0]}, or api_key_file." if missing else "Check its options against its documentation."
        raise ConfigError(
            f"The plugin {plugin!r} of LiveKit cannot be made: {type(error).__name__}.", hint=hint
        ) from None


def split_options(own: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that are fields of `own`, and the others, which are the plugin's."""
    ours = {name: value for name, value in options.items() if name in own}
    return ours, {name: value for name, value in options.items() if name not in own}


def connect_options(timeout: float) -> Any:
    """Return LiveKit's limits of a connection: no retry, because sessions do that."""
    from livekit.agents import APIConnectOptions

    return APIConnectOptions(max_retry=0, timeout=timeout)


def plugin_error(name: str, error: BaseException) -> DuologueError:
    """Return the error of the tree for what a plugin raised. Its words are not passed on."""
    if isinstance(error, DuologueError):
        return error
    from livekit.agents import APIConnectionError, APIError

    causes: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and len(causes) < MAX_CAUSES:
        causes.append(at)
        at = at.__cause__
    for each in causes:
        # aiohttp has `status`, LiveKit `status_code`; it also puts close codes of WebSockets there.
        status = getattr(each, "status_code", getattr(each, "status", None))
        if isinstance(status, int) and 400 <= status < 600:
            return error_for(name, status)
    if any(isinstance(each, TimeoutError) or type(each).__name__ == "APITimeoutError" for each in causes):
        return DeadlineError(f"{name} did not answer in time.", provider=name)
    kind = type(causes[-1]).__name__
    if isinstance(error, APIConnectionError | OSError) or (isinstance(error, APIError) and error.retryable):
        return ProviderUnavailableError(f"{name} cannot be reached, or broke off: {kind}.", provider=name)
    if type(error).__module__.partition(".")[0] == "aiohttp":
        return ProviderUnavailableError(f"{name} cannot be reached: {kind}.", provider=name)
    return ProviderError(f"{name} failed: {kind}.", provider=name, hint="Check its options, or its plugin's version.")


class PluginHost:
    """Where a plugin's code runs: with the HTTP session that a LiveKit job would have, and none of a call's context.

    Args:
        name: The provider's name.
        make: Makes the plugin's object.
    """

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._name = name
        self._make = make
        self.plugin: Any = make()
        """The plugin's object."""
        self._context: contextvars.Context | None = None
        self._ready, self._stop = asyncio.Event(), asyncio.Event()
        self._holder: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._is_used = False

    async def open(self) -> None:
        """Make the HTTP session, unless it is there."""
        if self._holder is None:
            if self._is_used:
                self.plugin = self._make()  # the old one holds on to a session that was closed
            self._is_used = True
            self._ready, self._stop = asyncio.Event(), asyncio.Event()
            self._context = contextvars.Context()
            self._holder = asyncio.create_task(self._hold(), name=f"{self._name} http", context=self._context)
        await self._ready.wait()

    async def _hold(self) -> None:
        from livekit.agents.utils import http_context

        try:
            async with http_context.open():
                self._ready.set()
                await self._stop.wait()
        finally:
            self._ready.set()

    def run(self, call: Callable[[], T]) -> T:
        """Call something of the plugin. Raises the error of the tree."""
        assert self._context is not None
        try:
            return self._context.copy().run(call)
        except Exception as error:
            raise plugin_error(self._name, error) from None

    async def close(self, stream: Any) -> None:
        """Close a stream of the plugin, within a fraction of a second."""
        task = asyncio.ensure_future(stream.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closed)
        await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled():
            task.exception()  # its error has no recipient

    async def aclose(self) -> None:
        """Close the plugin's object, its streams and the session."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        closing = asyncio.ensure_future(self.plugin.aclose())
        closing.add_done_callback(self._closed)
        await asyncio.wait({closing, *self._closing}, timeout=FINAL_CLOSE_TIMEOUT_S)
        self._stop.set()
        await asyncio.wait({holder}, timeout=FINAL_CLOSE_TIMEOUT_S)
        # There is nothing to wait for: their connections are closed.
        for task in (holder, closing, *self._closing):
            task.cancel()
