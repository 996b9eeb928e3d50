"""A speech-to-speech model that needs no network: it hears the words in the user's audio, and answers in its own."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from duologue.audio.format import RATE
from duologue.clock import VirtualClock
from duologue.conversation.history import Message
from duologue.realtime import (
    RealtimeAudio,
    RealtimeCapabilities,
    RealtimeDone,
    RealtimeEvent,
    RealtimeText,
    RealtimeToolCall,
)
from duologue.testing.fakes import PITCH, Fault, pause
from duologue.testing.spoken import speak, understand, word_timings

__all__ = ["FakeRealtimeConnection", "FakeRealtimeModel"]

MAX_HEARD = 60 * RATE * 2
"""Bytes of the user's audio that it remembers."""

Answer = str | tuple[str, str] | Sequence[Any]


class FakeRealtimeModel:
    """Answers what it heard.

    Args:
        answers: What it answers turn after turn; the last answers all that follow. Or a function that is given the
            words. An answer is a text, or a list of texts and of RealtimeToolCall (whose `response` is filled in).
        rate: Samples a second of its audio.
        aligned: Its text says where it sounds.
        chunk: Seconds of audio in each event.
        latency: Seconds before each response: by `clock` if it is set, otherwise of real time.
        talks_on: It does not stop when it is cancelled.
        decides_turns: It says when it takes a turn for over, with `emit(RealtimeTurnEnded())` of its connection.
        faults: What happens to the first connections: an exception, or seconds that it takes to connect.
    """

    name = "fake-realtime"

    def __init__(
        self,
        *answers: Answer,
        answer: Callable[[str], Answer] | None = None,
        rate: int = 24_000,
        aligned: bool = True,
        chunk: float = 0.2,
        latency: float = 0.0,
        clock: VirtualClock | None = None,
        talks_on: bool = False,
        decides_turns: bool = False,
        faults: Iterable[Fault] = (),
    ) -> None:
        self.rate = rate
        self.capabilities: RealtimeCapabilities = RealtimeCapabilities(
            aligned=aligned, decides_turns=decides_turns, typical_latency=latency
        )
        self.chunk = chunk
        self.clock = clock
        self.latency = latency
        self.talks_on = talks_on
        self.connections: list[FakeRealtimeConnection] = []
        """All that were opened."""
        self.histories: list[tuple[Message, ...]] = []
        """The history that each connection got."""
        self._answers = deque(answers or ("Yes.",))
        self._answer = answer
        self._faults = iter(faults)

    async def connect(self, *, language: str | None = None, history: Sequence[Message] = ()) -> FakeRealtimeConnection:
        """Open a connection."""
        self.histories.append(tuple(history))
        fault = next(self._faults, 0.0)
        if isinstance(fault, Exception):
            raise fault
        await pause(fault)
        self.connections.append(FakeRealtimeConnection(self))
        return self.connections[-1]

    def answer_to(self, text: str) -> list[Any]:
        """The steps of its next answer."""
        if self._answer is not None:
            answer = self._answer(text)
        else:
            answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return [answer] if isinstance(answer, str | RealtimeToolCall) else list(answer)


class FakeRealtimeConnection:
    """One conversation with FakeRealtimeModel."""

    def __init__(self, model: FakeRealtimeModel) -> None:
        self.turns: list[str] = []
        """The words of each turn that it answered."""
        self.truncated: list[tuple[str, float, str]] = []
        """Responses that were cut off, with the seconds and the text that were heard."""
        self.cancelled: list[str] = []
        self.results: list[tuple[str, str]] = []
        """Results of tools, by the id of their calls."""
        self.closed: bool = False
        self._model: FakeRealtimeModel = weakref.proxy(model)  # which keeps its connections
        self._heard = bytearray()
        self._events: deque[RealtimeEvent] = deque()
        self._steps: dict[str, deque[Any]] = {}
        """What each response is still to give."""
        self._calls: dict[str, str] = {}
        """Responses that wait for the result of a tool, by the id of its call."""
        self._spoken: dict[str, float] = {}
        """Seconds of audio in each response."""
        self._begun = ""
        """The response that it gives."""
        self._changed = asyncio.Event()

    def push(self, pcm: bytes) -> None:
        """Hear the user."""
        self._heard += pcm
        del self._heard[:-MAX_HEARD]

    def respond(self, response: str, *, text: str | None = None, say: str | None = None) -> None:
        """Answer what was heard since the last response, or say a text."""
        if say is None:
            self.turns.append(text or understand(bytes(self._heard)))
            self._heard.clear()
        self._steps[response] = deque([say] if say is not None else self._model.answer_to(self.turns[-1]))
        self._spoken[response] = 0.0
        self._go_on(response)

    def tool_result(self, call: str, output: str) -> None:
        """Go on with the response that wanted the tool."""
        self.results.append((call, output))
        self._go_on(self._calls.pop(call))

    def truncate(self, response: str, seconds: float, text: str) -> None:
        """Note it."""
        self.truncated.append((response, seconds, text))

    def cancel(self, response: str) -> None:
        """Give nothing more of a response."""
        self.cancelled.append(response)
        if not self._model.talks_on:
            self._steps.pop(response, None)
            self._events = deque(event for event in self._events if getattr(event, "response", "") != response)

    async def aclose(self) -> None:
        """Close the connection."""
        self.closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        while not self.closed:
            if self._events:
                event = self._events.popleft()
                if isinstance(event, RealtimeText) and event.response != self._begun:
                    self._begun = event.response
                    clock, latency = self._model.clock, self._model.latency
                    await (pause(latency) if clock is None else clock.sleep(latency))
                yield event
                continue
            self._changed.clear()
            await self._changed.wait()

    def emit(self, event: Any) -> None:
        """Send an event of your own, whatever it is."""
        self._events.append(event)
        self._changed.set()

    def _go_on(self, response: str) -> None:
        steps = self._steps.get(response, deque())
        while steps:
            step = steps.popleft()
            if isinstance(step, RealtimeToolCall):
                self._calls[step.id] = response
                self.emit(RealtimeToolCall(response, step.id, step.name, step.arguments))
                return
            self._speak(response, step)
        self.emit(RealtimeDone(response))

    def _speak(self, response: str, text: str) -> None:
        rate, start = self._model.rate, self._spoken[response]
        pcm = speak(text, rate, pitch=PITCH) + bytes(round(0.1 * rate) * 2)
        self._spoken[response] += len(pcm) / 2 / rate
        size = max(2, round(self._model.chunk * rate) * 2)
        chunks = [pcm[i : i + size] for i in range(0, len(pcm), size)]
        for word in word_timings(text):
            at = (start + word.start, start + word.end) if self._model.capabilities.aligned else (None, None)
            self.emit(RealtimeText(response, word.text + " ", *at))
        for chunk in chunks:
            self.emit(RealtimeAudio(response, chunk))
