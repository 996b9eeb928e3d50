"""One run of a language model for one turn: its text as it comes, its tools, and the deadlines on its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import (
    AgentStreamEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    UserPromptPart,
)
from pydantic_ai.usage import UsageLimits

from duologue.agent import Turn
from duologue.agent.llm.context import SILENCE, heard
from duologue.agent.llm.failures import as_ours
from duologue.agent.llm.gate import Gate, TurnDiscardedError
from duologue.agent.llm.model import Output
from duologue.conversation.history import Message
from duologue.errors import AuthenticationError, DeadlineError, DuologueError

__all__ = ["Limits", "Run", "to_messages"]

_MAX_STEPS = 256
"""Steps that wait to be taken; beyond that the provider's stream is not read, until the consumer catches up."""

Phase = Literal["first_token", "next_token", "tools"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines, in seconds, and other bounds on one turn."""

    first_token: float
    stall: float
    tool: float
    filler_after: float
    max_requests: int


def to_messages(history: Sequence[Message]) -> list[ModelMessage]:
    """The history in pydantic-ai's words: what the agent *said* never appears, only what was heard of it."""
    return [
        ModelRequest(parts=[UserPromptPart(heard(message))])
        if message.role == "user"
        else ModelResponse(parts=[TextPart(heard(message))])
        for message in history
    ]


@dataclass(frozen=True, slots=True)
class _Step:
    """What a run has come to."""

    kind: Literal["text", "model", "tool_started", "tool_ended", "filler", "end", "error"]
    """`model`: it sent something that is not text."""
    text: str = ""
    begins: bool = False
    """True for the first text of a part, which is to stand apart from what was said before."""
    error: Exception | None = None


@dataclass
class Run:
    """Use it inside `async with`, which cancels what is left; `next` gives the text, piece by piece."""

    agent: Agent[Any, Output]
    name: str
    turn: Turn
    messages: list[ModelMessage]
    note: str
    gate: Gate
    limits: Limits
    filler: str
    first_token_due: float
    """On the loop's clock."""
    progressed: bool = False
    """True once the model has sent anything: from then on the run cannot be repeated."""
    _phase: Phase = "first_token"
    _tools: int = 0
    """Tools that are being called."""
    _said: str = ""
    """The last text that was not empty."""
    _filled: bool = False
    _filling: asyncio.Task[None] | None = None
    _steps: asyncio.Queue[_Step] = field(default_factory=lambda: asyncio.Queue(_MAX_STEPS))

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in (self._running, self._filling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def next(self) -> str | None:
        """The next piece of text, or None at the end. Raises DeadlineError where the model makes no progress."""
        while True:
            try:
                async with asyncio.timeout_at(self._due()):
                    step = await self._steps.get()
            except TimeoutError:
                raise self._late() from None
            match step.kind:
                case "end":
                    return None
                case "error":
                    assert step.error is not None
                    if isinstance(step.error, TurnDiscardedError):
                        return None
                    ours = as_ours(step.error, self.name)
                    if ours is step.error or isinstance(ours, AuthenticationError):  # its cause may quote the key
                        raise ours from None
                    raise ours from step.error
                case "text":
                    self._progress("next_token")
                    if step.text:
                        return self._apart(step)
                case "filler":
                    self._filled = True
                    return self._apart(step)
                case "model":
                    self._progress("next_token")
                case "tool_started":
                    self._tools += 1
                    self._progress("tools")
                    if self._filling is None and self.filler and not self._filled:
                        self._filling = asyncio.create_task(self._fill())
                case "tool_ended":
                    self._tools -= 1
                    if not self._tools:
                        self._stop_filling()
                        self.first_token_due = asyncio.get_running_loop().time() + self.limits.first_token
                        self._progress("first_token")

    def _progress(self, phase: Phase) -> None:
        self.progressed = True
        self._phase = "tools" if self._tools else phase

    def _due(self) -> float | None:
        match self._phase:
            case "first_token":
                return self.first_token_due
            case "next_token":
                return asyncio.get_running_loop().time() + self.limits.stall
            case "tools":
                return None  # each tool has its own deadline, and one that waits for the commit is not late

    def _late(self) -> DuologueError:
        what, limit = (
            ("first", self.limits.first_token) if self._phase == "first_token" else ("next", self.limits.stall)
        )
        return DeadlineError(f"{self.name!r} sent no {what} token within {limit:g} s.", provider=self.name)

    def _apart(self, step: _Step) -> str:
        """The text, with a space before it where it would run into what was said before, during or after a tool."""
        runs_in = step.begins and self._said and not self._said[-1].isspace() and not step.text[0].isspace()
        self._said = step.text
        return f" {step.text}" if runs_in else step.text

    async def _fill(self) -> None:
        await self.turn.committed()
        await asyncio.sleep(self.limits.filler_after)
        await self._steps.put(_Step("filler", self.filler, begins=True))

    def _stop_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    async def _run(self) -> None:
        try:
            await self.agent.run(
                self.turn.text.strip() or SILENCE,
                message_history=self.messages,
                instructions=self.note or None,
                toolsets=[self.gate],
                deps=self.turn.user_data,
                usage_limits=UsageLimits(request_limit=self.limits.max_requests),
                event_stream_handler=self._relay,
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._steps.put(_Step("end"))  # not we were cancelled, but what a tool waited for: a discarded turn
        except Exception as error:
            await self._steps.put(_Step("error", error=error))
        else:
            await self._steps.put(_Step("end"))

    async def _relay(self, _: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        async for event in events:
            match event:
                case PartStartEvent(part=TextPart(content=text)):
                    await self._steps.put(_Step("text", text, begins=True))
                case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                    await self._steps.put(_Step("text", text))
                case FunctionToolCallEvent():
                    await self._steps.put(_Step("tool_started"))
                case FunctionToolResultEvent():
                    await self._steps.put(_Step("tool_ended"))
                case PartStartEvent() | PartDeltaEvent():
                    await self._steps.put(_Step("model"))
