"""Detectors of speech of LiveKit Agents: any package `livekit-plugins-*` that has one.

Source: `livekit.agents.vad` of livekit-agents 1.8.9.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.errors import ConfigError, DeadlineError, ProviderUnavailableError
from duologue.livekit import load_plugin, plugin_error
from duologue.vad.bank import Bank

__all__ = ["LiveKitVad"]

ROUNDING: Final = 1e-6
STOP_TIMEOUT_S: Final = 1.0


class LiveKitVad:
    """A detector of a LiveKit plugin. Its streams run in a thread of their own, and a score waits for them.

    A window costs several times what Silero costs here: the plugin judges one stream at a time.

    Args:
        plugin: The part of the package's name after `livekit-plugins-`, as `silero`; or an object of the plugin.
        timeout: Seconds that the plugin has for the windows of one score.
        max_rows: The most streams.
        options: Arguments of the plugin's class.

    Raises:
        NotInstalledError: livekit-agents or the plugin is missing.
        ConfigError: The plugin does not take an option, or needs another.
    """

    window = WINDOW

    def __init__(self, plugin: Any = "", *, timeout: float = 1.0, max_rows: int = 256, **options: Any) -> None:
        if not 0 < timeout <= 10:
            raise ConfigError(f"timeout is {timeout!r}; expected seconds above 0, up to 10.")
        is_named = isinstance(plugin, str)
        self.name: str = f"livekit:{plugin if is_named else plugin.model}"
        self._vad = load_plugin("VAD", plugin, options)() if is_named else plugin
        self._step = self._vad.capabilities.update_interval * RATE
        self._timeout = timeout
        self._bank = Bank(np.zeros(1, np.float32), max_rows=max_rows)
        self._streams: dict[int, _Stream] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> int:
        """Take a row for a new stream. Raises OverloadedError beyond `max_rows`."""
        row = self._bank.open()
        self._streams[row] = self._run(self._begin())
        return row

    def reset(self, row: int) -> None:
        """Forget what the stream heard, as after a gap."""
        self._bank.reset(row)
        self._run(self._streams[row].reset())

    def close(self, row: int) -> None:
        """Give the row back."""
        self._bank.close(row)
        asyncio.run_coroutine_threadsafe(self._streams.pop(row).aclose(), self._running())

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """The highest probability that the plugin reported within each window.

        `rows` (B,) names the streams, each once; `windows` (B, 512) int16 holds their next samples at 16 kHz. Returns
        (B,) float32. Raises InvalidStateError for rows that are not open or are named twice, InvalidAudioError for
        windows of another shape or type, DeadlineError if the plugin does not judge in time.
        """
        self._bank.check(rows, windows, WINDOW)
        pairs = [(self._streams[row], windows[i].tobytes()) for i, row in enumerate(rows.tolist())]
        return np.array(self._run(self._score(pairs)), np.float32)

    async def _begin(self) -> _Stream:
        return _Stream(self.name, self._vad.stream(), self._step)

    async def _score(self, pairs: list[tuple[_Stream, bytes]]) -> list[float]:
        for stream, pcm in pairs:
            stream.push(pcm)
        return [await stream.score() for stream, _ in pairs]

    def _run(self, work: Any) -> Any:
        """Run in the plugin's thread, and wait."""
        done = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return done.result(self._timeout)
        except TimeoutError:
            done.cancel()
            raise DeadlineError(f"{self.name} took more than {self._timeout:g} s.", provider=self.name) from None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
            thread = threading.Thread(target=asyncio.run, args=(_hold(started),), name=self.name, daemon=True)
            thread.start()
            self._loop, stop = started.result(self._timeout)
            weakref.finalize(self, _stop, self._loop, stop, thread)
        return self._loop


async def _hold(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    stop = asyncio.Event()
    started.set_result((asyncio.get_running_loop(), stop))
    await stop.wait()


def _stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, thread: threading.Thread) -> None:
    """End the thread when the detector is freed or the process ends."""
    loop.call_soon_threadsafe(stop.set)
    thread.join(STOP_TIMEOUT_S)


class _Stream:
    """One stream of the plugin. It reports each window of its own, of which `step` samples make one."""

    def __init__(self, name: str, stream: Any, step: float) -> None:
        from livekit import rtc

        self._name = name
        self._frame = rtc.AudioFrame
        self._stream = stream
        self._step = step
        self._pushed = self._judged = 0
        self._last = 0.0
        self._highest: float | None = None
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    def push(self, pcm: bytes) -> None:
        self._pushed += len(pcm) // 2
        frame = self._frame(data=pcm, sample_rate=RATE, num_channels=1, samples_per_channel=len(pcm) // 2)
        with suppress(RuntimeError):  # it has ended, and `_read` knows why
            self._stream.push_frame(frame)

    async def score(self) -> float:
        while self._judged < int(self._pushed / self._step + ROUNDING):
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        highest, self._highest = self._highest, None
        return self._last if highest is None else highest

    async def reset(self) -> None:
        self._stream.flush()
        self._pushed = self._judged = 0
        self._last, self._highest = 0.0, None

    async def aclose(self) -> None:
        self._reading.cancel()
        await self._stream.aclose()

    async def _read(self) -> None:
        try:
            async for event in self._stream:
                if event.type.value == "inference_done":
                    self._judged += 1
                    self._last = float(event.probability)
                    self._highest = max(self._last, self._highest or 0.0)
                    self._changed.set()
            self._failure = ProviderUnavailableError(f"{self._name} ended its stream.", provider=self._name)
        except Exception as error:
            self._failure = plugin_error(self._name, error)
        self._changed.set()
