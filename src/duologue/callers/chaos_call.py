"""One call of a caller whose network breaks: turns that are typed or spoken, with faults between and within them."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from duologue.callers.chaos_result import ChaosResult
from duologue.callers.voice import Utterance
from duologue.callers.word_errors import word_error_rate
from duologue.client import Conversation, connect
from duologue.errors import DuologueError
from duologue.turn.languages import language_pack
from duologue.wire import messages as wire

__all__ = ["FAULTS", "ChaosCall"]

FRAMES: Final = 5
"""Frames of 20 ms in each message."""

CHUNK_S: Final = 0.02 * FRAMES

BEHIND_S: Final = 1.0
"""Who is later than this was away: the line goes on from now."""

ANSWER_TIMEOUT: Final = 30.0
"""Seconds in which a turn must be answered, beside the time for which its caller was away."""

REPEAT_AFTER: Final = 20.0
"""Seconds without an answer after which a turn is said again in another process, which may not have it."""

SPOKEN: Final = 2 / 3
"""Share of the turns that are spoken."""

MARKED: Final = re.compile(r"caller (\d+)x")
"""Stands in all that a caller types, so that an answer to somebody else shows."""

FOREIGN: Final = (0.7, 0.3)
"""A transcript is another caller's if more than this share of its own words is wrong, and less of the other's."""

FAULTS: Final = ("reset", "reset", "away", "gone")
"""Drawn with equal chances: the connection breaks; the caller comes back after a while; or never."""


class ChaosCall:
    """One call, which fills in a ChaosResult."""

    def __init__(
        self,
        url: str,
        number: int,
        draw: random.Random,
        result: ChaosResult,
        token: str | None,
        *,
        said: Sequence[Utterance] = (),
        pause: float = 0.0,
        faults: Sequence[str] = FAULTS,
    ) -> None:
        self._number = number
        self._draw = draw
        self._result = result
        self._call: Conversation = connect(url, token=token, timeout=ANSWER_TIMEOUT)
        self._says = said[number % len(said)] if said else None
        self._others = [utterance.text for utterance in said if utterance is not self._says]
        self._pause = pause
        self._faults = faults
        self._heard = asyncio.Event()
        self._moved = asyncio.Event()
        """Another process has gone on with the call."""
        self._is_begun = self._is_interrupted = False
        """The server has heard something of the turn; and another process has gone on before it was answered."""
        self._unsent: deque[bytes] = deque()
        """Frames of speech that are to be sent."""
        self._apology = language_pack("en").apology
        self._turn = self._generation = 0
        self.opened: bool = False
        self.gone: bool = False
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
                    await asyncio.sleep(self._draw.uniform(0.5, 1.5) * self._pause)
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
        self._moved.clear()
        self._is_begun = self._is_interrupted = False
        speech = self._says if self._says is not None and self._draw.random() < SPOKEN else None
        fault = asyncio.create_task(self._break(), name="chaos-fault")
        limit = ANSWER_TIMEOUT + 10.0
        try:
            await self._say(speech)
            answered = await self._is_answered(reading, limit, unless_moved=True)
            if not answered and self._moved.is_set() and not (self.gone or reading.done()):
                self._result.repeated += 1
                self._result.interrupted += self._is_interrupted
                await self._say(speech)
                answered = await self._is_answered(reading, limit)
            if answered:
                self._result.turns += 1
                self._result.spoken += speech is not None
            elif not (self.gone or reading.done()):
                how = "typed" if speech is None else "spoken"
                where = ", said again in another process" if self._moved.is_set() else ""
                self._violated(f"no answer to a {how} turn within {limit:g} s{where}")
        finally:
            fault.cancel()
            with suppress(asyncio.CancelledError):
                await fault

    async def _say(self, speech: Utterance | None) -> None:
        if speech is None:
            await self._call.text(f"This is caller {self._number}x.")
        else:
            self._unsent.extend(speech.frames)

    async def _is_answered(self, reading: asyncio.Task[None], limit: float, *, unless_moved: bool = False) -> bool:
        """Wait for an answer. A call that another process has taken is waited for only a little while longer."""
        now = asyncio.get_running_loop().time
        until = now() + limit
        heard = asyncio.create_task(self._heard.wait(), name="chaos-heard")
        moved = asyncio.create_task(self._moved.wait(), name="chaos-moved")
        try:
            while not (heard.done() or reading.done() or self.gone) and now() < until:
                waits = [heard, reading, *([moved] if unless_moved and not moved.done() else [])]
                await asyncio.wait(waits, timeout=until - now(), return_when=asyncio.FIRST_COMPLETED)
                if unless_moved and moved.done():
                    unless_moved, until = False, min(until, now() + REPEAT_AFTER)
            return heard.done()
        finally:
            heard.cancel()
            moved.cancel()

    async def _break(self) -> None:
        """Have a fault at some point of about every other turn."""
        await asyncio.sleep(self._draw.uniform(0.0, 1.5))
        if not self._faults or self._draw.random() < 0.5:
            return
        fault = self._draw.choice(self._faults)
        self._result.faults[fault] += 1
        self.gone = fault == "gone"
        self._call.drop({"reset": 0.0, "away": self._draw.uniform(0.1, 3.0), "gone": None}[fault])

    async def _speak(self) -> None:
        """Stream what is said, and silence between, in real time."""
        now = asyncio.get_running_loop().time
        silence = bytes(2 * round(CHUNK_S / FRAMES * self._call.started.audio_in.rate))
        due = now()
        with suppress(DuologueError):
            while True:
                chunk = [self._unsent.popleft() if self._unsent else silence for _ in range(FRAMES)]
                await self._call.send_audio(b"".join(chunk))
                due += CHUNK_S
                if now() > due + BEHIND_S:
                    due = now()
                await asyncio.sleep(max(0.0, due - now()))

    async def _read(self) -> None:
        async for message in self._call:
            match message:
                case wire.Reconnected():
                    self._result.restored += message.restored
                    self._result.resumed += not message.restored
                    if message.restored:
                        self._turn = 0  # what was not stored is lost, and its number is given again
                        self._result.restored_at.append(asyncio.get_running_loop().time())
                        self._is_interrupted = self._is_begun and not self._heard.is_set()
                        self._moved.set()
                case wire.SpeechStarted():
                    self._is_begun = True
                case wire.TranscriptFinal():
                    if message.turn <= self._turn:
                        self._violated(f"turn {message.turn} was decided after turn {self._turn}")
                    self._turn = message.turn
                    self._is_begun = True
                    self._check(message.text)
                case wire.AgentHeard():
                    if message.generation <= self._generation:
                        self._violated(f"reply {message.generation} was heard after reply {self._generation}")
                    self._generation = message.generation
                    self._check(message.said)
                    if message.turn:
                        self._result.apologies += self._apology in message.said
                        self._heard.set()
                case wire.Ended():
                    if message.reason not in ("client_end", "agent_done", "shutdown"):
                        self._violated(f"the call ended: {message.reason}")
                case _:
                    pass

    def _check(self, text: str) -> None:
        marked = MARKED.findall(text)
        if any(int(number) != self._number for number in marked) or (not marked and self._is_foreign(text)):
            self._violated("it heard what belongs to another call")

    def _is_foreign(self, text: str) -> bool:
        """Whether these are the words that another caller speaks."""
        if self._says is None:
            return False
        mine, theirs = FOREIGN
        if word_error_rate([(self._says.text, text)]) <= mine:
            return False
        return any(word_error_rate([(other, text)]) < theirs for other in self._others)

    def _violated(self, what: str) -> None:
        self._result.violated(f"caller {self._number}: {what}")
