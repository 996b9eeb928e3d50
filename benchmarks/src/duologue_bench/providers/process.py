"""The stand-ins of services in a process of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from types import TracebackType
from typing import Any, Final, Self

from duologue.errors import ProviderError
from duologue_bench.providers.script import Latencies
from duologue_bench.server import cpu_s_of

__all__ = ["StandInProcess"]

READY_TIMEOUT_S: Final = 60.0
END_TIMEOUT_S: Final = 15.0


class StandInProcess:
    """Runs the stand-ins: `async with StandInProcess(Latencies()) as services`."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self.addresses: dict[str, str] = {}
        """URLs of `stt`, `llm` and `tts`."""
        self.did: dict[str, Any] = {}
        """What they did, once they have ended."""

    async def __aenter__(self) -> Self:
        latencies = self._latencies
        seconds = [str(each) for each in (latencies.stt, latencies.llm, latencies.tts)]
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "duologue_bench.providers.stand_ins", *seconds, stdin=pipe, stdout=pipe
        )
        try:
            self.addresses = await self._line(READY_TIMEOUT_S)
        except BaseException:
            await self._kill()
            raise
        return self

    async def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def _line(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ProviderError(f"The stand-ins said nothing for {timeout:g} s.") from None
        if not line:
            raise ProviderError("The stand-ins ended; what they printed says why.")
        found: dict[str, Any] = json.loads(line)
        return found

    def cpu_s(self) -> float:
        """CPU seconds that they have used."""
        return cpu_s_of(self._process.pid)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self.did = await self._line(END_TIMEOUT_S)
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._process.wait()
        except (ProviderError, TimeoutError):
            await self._kill()
            if kind is None:
                raise
