"""Callers whose network breaks: they lose their connections, stay away, come back, and check what they are told."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from duologue.client import Conversation, connect
from duologue.errors import DuologueError, OverloadedError
from duologue.wire import messages as wire

__all__ = ["ChaosResult", "run_chaos"]

CHUNK_S: Final = 0.1
"""Seconds of audio in each message."""

ANSWER_TIMEOUT: Final = 30.0
"""Seconds in which a turn must be answered, beside the time for which its caller was away."""

MARKED: Final = re.compile(r"caller (\d+)x")
"""Stands in all that a caller says, so that an answer to somebody else shows."""

FAULTS: Final = ("reset", "reset", "away", "gone")
"""Drawn with equal chances: the connection breaks; the caller comes back after a while; or never."""

MAX_VIOLATIONS: Final = 100
"""Violations that are told one by one."""


@dataclass(slots=True)
class ChaosResult:
    """What happened, and what must not have happened."""

    seed: int
    calls: int = 0
    turns: int = 0
    """Turns that were answered."""
    faults: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    """Connections that were made again, in the process that held the call."""
    restored: int = 0
    """The same, in another process."""
    lost: int = 0
    """Calls that should have been resumed, and were not."""
    refused: int = 0
    """Calls that the server had no room for."""
    violations: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every call was resumed, and nothing was violated."""
        return not (self.lost or self.violations)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON types."""
        names = ("seed", "calls", "turns", "resumed", "restored", "lost", "refused", "violations", "holds")
        return {name: getattr(self, name) for name in names} | {"faults": dict(self.faults)}

    def violated(self, what: str) -> None:
        """Note something that must not happen."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(what)


async def run_chaos(url: str, *, callers: int, seconds: float, seed: int, token: str | None = None) -> ChaosResult:
    """Have `callers` call for so long, each with faults drawn from `seed`; a call that is over is followed by another.

    Raises StreamError, or what the server refuses with, if no call could be opened at all.
    """
    result = ChaosResult(seed)
    until = asyncio.get_running_loop().time() + seconds
    errors: list[DuologueError] = []
    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            draw = random.Random(f"{seed} {number}")
            group.create_task(_caller(url, number, draw, until, result, token, errors))
    if not result.calls and errors:
        raise errors[0]
    return result


async def _caller(
    url: str,
    number: int,
    draw: random.Random,
    until: float,
    result: ChaosResult,
    token: str | None,
    errors: list[DuologueError],
) -> None:
    now = asyncio.get_running_loop().time
    while now() < until:
        call = _Call(url, number, draw, result, token)
        try:
            await call.run(until)
        except OverloadedError:
            result.refused += 1
            await asyncio.sleep(draw.uniform(0.2, 1.0))
        except DuologueError as error:
            if call.opened and not call.gone:
                result.lost += 1
                result.violated(f"caller {number}: {error}")
            errors.append(error)
            await asyncio.sleep(draw.uniform(0.2, 1.0))


class _Call:
    """One call: typed turns over streamed silence, with faults between and within them."""

    def __init__(self, url: str, number: int, draw: random.Random, result: ChaosResult, token: str | None) -> None:
        self._number = number
        self._draw = draw
        self._result = result
        self._call: Conversation = connect(url, token=token, timeout=ANSWER_TIMEOUT)
        self._heard = asyncio.Event()
        self._turn = self._generation = 0
        self.opened = False
        self.gone = False
        """The caller left without a word."""

    async def run(self, until: float) -> None:
        """Talk until `until`, or until the server or a fault ends the call."""
        now = asyncio.get_running_loop().time
        async with self._call:
            self.opened = True
            self._result.calls += 1
            reading = asyncio.create_task(self._read(), name="chaos-read")
            speaking = asyncio.create_task(self._speak(), name="chaos-speak")
            try:
                while now() < until and not reading.done() and not self.gone:
                    await self._take_turn(reading)
                if not reading.done() and not self.gone:
                    await self._call.end()
                    await asyncio.wait([reading], timeout=ANSWER_TIMEOUT)
            finally:
                for task in (speaking, reading):
                    if not task.done() or task is speaking:
                        task.cancel()
                await asyncio.wait([speaking, reading])
            error = None if reading.cancelled() else reading.exception()
            if error is not None and not self.gone:
                raise error

    async def _take_turn(self, reading: asyncio.Task[None]) -> None:
        self._heard.clear()
        fault = asyncio.create_task(self._break(), name="chaos-fault")
        try:
            await self._call.text(f"This is caller {self._number}x.")
            waiting = asyncio.create_task(self._heard.wait())
            limit = ANSWER_TIMEOUT + 10.0
            await asyncio.wait([waiting, reading, fault], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not self.gone:
                await asyncio.wait([waiting, reading], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                self._result.turns += 1
            elif not (self.gone or reading.done()):
                self._result.violated(f"caller {self._number}: no answer within {limit:g} s")
            waiting.cancel()
        finally:
            fault.cancel()
            with suppress(asyncio.CancelledError):
                await fault

    async def _break(self) -> None:
        """Have a fault at some point of about every other turn."""
        await asyncio.sleep(self._draw.uniform(0.0, 1.5))
        if self._draw.random() < 0.5:
            return
        fault = self._draw.choice(FAULTS)
        self._result.faults[fault] += 1
        self.gone = fault == "gone"
        self._call.drop({"reset": 0.0, "away": self._draw.uniform(0.1, 3.0), "gone": None}[fault])

    async def _speak(self) -> None:
        """Stream silence."""
        samples = bytes(2 * round(CHUNK_S * self._call.started.audio_in.rate))
        with suppress(DuologueError):
            while True:
                await self._call.send_audio(samples)
                await asyncio.sleep(CHUNK_S)

    async def _read(self) -> None:
        async for message in self._call:
            match message:
                case wire.Reconnected():
                    self._result.restored += message.restored
                    self._result.resumed += not message.restored
                case wire.TranscriptFinal():
                    if message.turn <= self._turn:
                        self._violated(f"turn {message.turn} was decided after turn {self._turn}")
                    self._turn = message.turn
                    self._check(message.text)
                case wire.AgentHeard():
                    if message.generation <= self._generation:
                        self._violated(f"reply {message.generation} was heard after reply {self._generation}")
                    self._generation = message.generation
                    self._check(message.said)
                    if message.turn:
                        self._heard.set()
                case wire.Ended():
                    if message.reason not in ("client_end", "agent_done", "shutdown"):
                        self._violated(f"the call ended: {message.reason}")
                case _:
                    pass

    def _check(self, text: str) -> None:
        if any(int(number) != self._number for number in MARKED.findall(text)):
            self._violated("it heard what belongs to another call")

    def _violated(self, what: str) -> None:
        self._result.violated(f"caller {self._number}: {what}")
