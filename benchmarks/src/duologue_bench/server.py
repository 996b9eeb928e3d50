"""A server in a process of its own, to be called and measured from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from duologue.errors import ProviderError
from duologue_bench.memory import private_bytes

__all__ = ["Footprint", "ServerProcess", "cpu_s_of"]

READY_PATIENCE: Final = 120.0
"""Seconds in which the models are loaded."""
ENDING: Final = 15.0
"""Seconds in which it ends by itself."""
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks no proxy of the environment for this machine."""
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds and has used."""

    cpu_s: float
    private_bytes: int
    threads: int
    descriptors: int


class ServerProcess:
    """`duologue serve` on a free port, with the local models and the booking agent: `async with ServerProcess() as s`.

    `options` go to the command; `program` is another module to run, which takes `--port` too. What it prints goes to a
    file that is shown where it fails. `port` is another one than a free one. Linux only: what the process uses is read
    from /proc. Raises ProviderError where it is not ready in two minutes.
    """

    def __init__(
        self, options: Sequence[str] = (), *, program: Sequence[str] = ("duologue", "serve"), port: int = 0
    ) -> None:
        self._options = options
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        descriptor, name = tempfile.mkstemp(prefix="duologue-serve-", suffix=".log")
        os.close(descriptor)
        self._log = Path(name)
        self._port = port

    async def __aenter__(self) -> Self:
        if not self._port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]
        command = [sys.executable, "-m", *self._program, "--port", str(self._port), *self._options]
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(READY_PATIENCE):
                while not await asyncio.to_thread(self._is_ready):
                    if self._process.returncode is not None:
                        raise ProviderError(f"The server ended before it was ready:\n{self._last_lines()}")
                    await asyncio.sleep(0.2)
        except TimeoutError:
            await self._end()
            raise ProviderError(f"The server was not ready in {READY_PATIENCE:g} s:\n{self._last_lines()}") from None
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()
        self._log.unlink(missing_ok=True)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), ENDING)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self._process is not None, "entered"
        self._process.send_signal(number)

    async def ended(self, timeout: float) -> int | None:
        """The exit status of the process, once it has ended; None if it has not within `timeout` seconds."""
        assert self._process is not None, "entered"
        try:
            return await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            return None

    def faults_in_log(self) -> list[str]:
        """Lines of what it has printed that tell of a fault of its own."""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if any(sign in line for sign in ("Traceback", "ERROR", "CRITICAL"))]

    @property
    def log_lines(self) -> int:
        """Lines that it has printed."""
        return self._log.read_bytes().count(b"\n")

    def _is_ready(self) -> bool:
        try:
            with _direct.open(f"{self.address}/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    @property
    def address(self) -> str:
        """Where it is, as http://HOST:PORT."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Its stream."""
        return f"ws://127.0.0.1:{self._port}/v1/stream"

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None, "entered"
        return self._process.pid

    async def ops(self) -> dict[str, Any]:
        """What it says of itself."""
        return await asyncio.to_thread(self._ops)

    def _ops(self) -> dict[str, Any]:
        with _direct.open(f"{self.address}/ops", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def cpu_s(self) -> float:
        """CPU seconds that it has used; costs its caller next to nothing."""
        return _cpu_s(self._stat())

    def footprint(self) -> Footprint:
        """What it holds and has used by now; costs milliseconds."""
        folder = Path("/proc") / str(self.pid)
        fields = self._stat()
        return Footprint(
            cpu_s=_cpu_s(fields),
            private_bytes=private_bytes(self.pid),
            threads=int(fields[17]),
            descriptors=len(list((folder / "fd").iterdir())),
        )

    def _stat(self) -> list[str]:
        return _stat_of(self.pid)


def cpu_s_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    return _cpu_s(_stat_of(pid))


def _stat_of(pid: int) -> list[str]:
    return (Path("/proc") / str(pid) / "stat").read_text("ascii").rpartition(")")[2].split()


def _cpu_s(stat: Sequence[str]) -> float:
    user, system = stat[11:13]
    return (int(user) + int(system)) / TICKS_PER_S
