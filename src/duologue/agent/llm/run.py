"""One run of a language model for one turn: streamed text, tools, and deadlines on progress."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import AgentStreamEvent, ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.usage import RunUsage, UsageLimits

from duologue.agent import Progress, Turn
from duologue.agent.faults import is_fault
from duologue.agent.llm.context import Role
from duologue.agent.llm.failures import as_ours
from duologue.agent.llm.first import FirstRequest, check_answer
from duologue.agent.llm.gate import Gate, TurnDiscardedError
from duologue.agent.llm.habits import Habits, HeldAnswer
from duologue.agent.llm.model import Output
from duologue.agent.llm.steps import EventReader, Step
from duologue.errors import AuthenticationError, DeadlineError, DuologueError
from duologue.telemetry.usage import count_tokens

__all__ = ["Limits", "Run", "to_messages"]

_MAX_STEPS = 256
"""Steps that wait to be taken; beyond that the provider's stream is not read, until the consumer catches up."""
_HEARTBEAT_S = 3.0
"""Seconds after which a run that waits for the model or a tool says that it is at work; its own deadlines hold."""

Phase = Literal["first_token", "next_token", "tools"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines, in seconds, and other bounds on one turn."""

    first_token: float
    stall: float
    tool: float
    filler_after: float
    max_requests: int


def to_messages(messages: Sequence[tuple[Role, str]]) -> list[ModelMessage]:
    """The history as pydantic-ai knows it: what the agent *said* never appears, only what was heard of it."""
    return [
        ModelRequest(parts=[UserPromptPart(text)]) if role == "user" else ModelResponse(parts=[TextPart(text)])
        for role, text in messages
    ]


@dataclass
class Run:
    """Use it inside `async with`, which cancels what is left; `next` gives the text, piece by piece."""

    agent: Agent[Any, Output]
    first: FirstRequest | None
    """Makes the first request, if the agent need not."""
    name: str
    url: str
    turn: Turn
    prompt: str
    messages: list[ModelMessage]
    instructions: str
    gate: Gate
    limits: Limits
    habits: Habits
    filler: str
    first_token_due: float
    """On the loop's clock."""
    progressed: bool = False
    """True once the model has sent anything: from then on the run cannot be repeated."""
    _phase: Phase = "first_token"
    _waited: float = 0.0
    """Seconds that the model was waited for since its last progress."""
    _tools: int = 0
    """Tools that are being called."""
    _said: str = ""
    """The last text that was given."""
    _apart: bool = False
    """The next text stands apart from what was said before."""
    _filled: bool = False
    _filling: asyncio.Task[None] | None = None
    _steps: asyncio.Queue[Step] = field(default_factory=lambda: asyncio.Queue(_MAX_STEPS))
    _ready: deque[str] = field(default_factory=deque)
    """Text to be given next."""
    _outcome: Step | None = None
    """How the run ended."""

    async def __aenter__(self) -> Self:
        self._held = HeldAnswer(self.habits)
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in (self._running, self._filling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def next(self) -> str | Progress | None:
        """The next piece of text, Progress if the model or a tool is at work, or None at the end.

        Raises DeadlineError if the model makes no progress, and what the model or a tool failed with.
        """
        while True:
            if self._ready:
                return self._spaced(self._ready.popleft())
            if self._outcome is not None:
                self._finish(self._outcome)
                return None
            step = await self._step()
            if step is None:
                if not self._ready and self._outcome is None:
                    return Progress()
            elif self._take(step) and not self._ready and self._outcome is None:
                return Progress()

    def _fail(self, outcome: Step) -> None:
        self._outcome = outcome
        if self._held.waits:  # else it is reasoning that was cut off
            self._ready.extend(self._held.release())

    def _finish(self, outcome: Step) -> None:
        error = outcome.error
        if error is None or isinstance(error, TurnDiscardedError):
            return
        ours = as_ours(error, self.name, self.url)
        if ours is error or isinstance(ours, AuthenticationError):  # its cause may quote the key
            raise ours from None
        raise ours from error

    async def _step(self) -> Step | None:
        """The next step; None if there is none yet, and either held text is ready or work continues."""
        if not self._steps.empty():
            return self._steps.get_nowait()
        now = asyncio.get_running_loop().time
        began = now()
        due = self._due(began)
        hold_due = began + self._held.hold_s if self._held.waits else None
        wake = min(moment for moment in (due, hold_due, began + _HEARTBEAT_S) if moment is not None)
        try:
            async with asyncio.timeout_at(wake):
                return await self._steps.get()
        except TimeoutError:
            if wake == due:
                self._fail(Step("error", error=self._late()))
            elif wake == hold_due:
                self._ready.extend(self._held.release())
            return None
        finally:
            self._waited += now() - began

    def _take(self, step: Step) -> bool:
        """Follow a step. True if it is progress."""
        match step.kind:
            case "text":
                return self._take_text(step)
            case "thought":
                self.progressed = True
                self._ready.extend(self._held.trust())
                if not step.text.strip():
                    return False
                self._progress("next_token")
            case "model":
                self._progress("next_token")
            case "filler":
                self._filled = self._apart = True
                self._ready.append(step.text)
            case "tool_started":
                self._tools += 1
                self._ready.extend(self._held.end())
                self._held = HeldAnswer(self.habits)
                self._progress("tools")
                if self._filling is None and self.filler and not self._filled:
                    self._filling = asyncio.create_task(self._fill())
            case "tool_ended":
                self._tools -= 1
                if not self._tools:
                    self._stop_filling()
                    self.first_token_due = asyncio.get_running_loop().time() + self.limits.first_token
                    self._progress("first_token")
            case "end":
                self._outcome = step
                self._ready.extend(self._held.end())
            case "error":
                self._fail(step)
        return True

    def _take_text(self, step: Step) -> bool:
        self.progressed = True
        self._apart = self._apart or step.begins
        ready = self._held.push(step.text)
        # What came together is judged together: a closing tag may follow at once.
        if self._held.is_clause and self._steps.empty():
            ready += self._held.release()
        self._ready.extend(ready)
        words = any(map(str.isalnum, step.text))
        if words:
            self._progress("next_token")
        return words and not self._held.waits

    def _progress(self, phase: Phase) -> None:
        self.progressed = True
        self._waited = 0.0
        self._phase = "tools" if self._tools else phase

    def _due(self, now: float) -> float | None:
        match self._phase:
            case "first_token":
                return self.first_token_due
            case "next_token":
                return now + max(self.limits.stall - self._waited, 0.0)
            case "tools":
                return None  # each tool has its own deadline, and one that waits for the commit is not late

    def _late(self) -> DuologueError:
        first = self._phase == "first_token"
        what, limit = ("first", self.limits.first_token) if first else ("next", self.limits.stall)
        name = f"The language model {self.name!r}" + (f" at {self.url}" if self.url else "")
        return DeadlineError(
            f"{name} sent no {what} token within {limit:g} s.",
            provider=self.name,
            hint=f"Allow more time with {'first_token_timeout' if first else 'stall_timeout'}, or take a faster model.",
        )

    def _spaced(self, text: str) -> str:
        """The text, with a space before it if it would run into what was said before, during or after a tool."""
        runs_in = self._apart and self._said and not self._said[-1].isspace() and not text[0].isspace()
        self._said, self._apart = text, False
        return f" {text}" if runs_in else text

    async def _fill(self) -> None:
        await self.turn.committed()
        await asyncio.sleep(self.limits.filler_after)
        await self._steps.put(Step("filler", self.filler, begins=True))

    def _stop_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    async def _run(self) -> None:
        try:
            usage = await self._answer()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._steps.put(Step("end"))  # not we were cancelled, but what a tool waited for: a discarded turn
        except BaseException as error:
            if not is_fault(error):
                raise
            await self._steps.put(Step("error", error=error))
        else:
            count_tokens(self.name, read=usage.input_tokens, written=usage.output_tokens)
            await self._steps.put(Step("end"))

    async def _answer(self) -> RunUsage:
        """Ask the model, and call tools, until it has answered; return what that used."""
        if self.first is None:
            return await self._ask_agent(self.prompt, self.messages, RunUsage())
        request = ModelRequest(parts=[UserPromptPart(self.prompt)], instructions=self.instructions or None)
        history = [*self.messages, request]
        async with self.first.stream(history, self.instructions) as stream:
            await self._relay(None, stream)
            response = stream.get()
        usage = RunUsage(requests=1)
        usage.incr(response.usage)
        if response.tool_calls:
            return await self._ask_agent(None, [*history, response], usage)
        check_answer(response)
        return usage

    async def _ask_agent(self, prompt: str | None, history: list[ModelMessage], usage: RunUsage) -> RunUsage:
        """Have the agent answer; without a prompt it begins with the calls of tools that end the history."""
        result = await self.agent.run(
            prompt,
            message_history=history,
            instructions=self.instructions or None,
            toolsets=[self.gate],
            deps=self.turn.user_data,
            usage=usage,
            usage_limits=UsageLimits(request_limit=self.limits.max_requests),
            event_stream_handler=self._relay,
        )
        return result.usage

    async def _relay(self, _: RunContext[Any] | None, events: AsyncIterable[AgentStreamEvent]) -> None:
        reader = EventReader()
        async for event in events:
            if (step := reader.step(event)) is not None:
                await self._steps.put(step)
