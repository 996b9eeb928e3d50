"""Calls the application's tools for a speech-to-speech model."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from duologue.agent import EndCall
from duologue.agent.faults import is_fault
from duologue.conversation.inputs import SayRequested
from duologue.errors import AgentError, InvalidStateError, ProviderError, with_cause
from duologue.realtime import RealtimeToolCall
from duologue.session.cancellation import cancelled_from_outside
from duologue.session.responder import ResponseRequest, current_writer

__all__ = ["ModelReply", "Tool"]

Tool = Callable[..., Awaitable[Any]]
"""A tool of the application: an async function of the arguments that the model gives, by name."""
TIMEOUT_S: Final = 60.0
MAX_CALLS: Final = 16
"""In one reply."""
MAX_SAYS: Final = 8
"""Texts that tools may have said in one reply."""
MAX_RESULT_CHARS: Final = 20_000
MAX_NAME: Final = 64


class ModelReply:
    """One reply of the session, which the model gives in one or several responses, and what its tools do meanwhile."""

    def __init__(self, request: ResponseRequest, name: str) -> None:
        self.request = request
        self.seconds: float = 0.0
        """Seconds of audio in the responses that are over."""
        self.responses = 0
        """How many were begun."""
        self.says: deque[SayRequested] = deque()
        """Texts that tools want to be said."""
        self.end_call: EndCall | None = None
        self.may_stay_silent = True
        self.is_written = False
        """Nothing more is said inside of the reply: what a tool left behind asks for later is said after it."""
        self._name = name
        self._calls = 0

    async def say_within(self, text: str, say: int, *, interruptible: bool) -> None:
        """Have a text said after what the model is saying."""
        if len(self.says) >= MAX_SAYS:
            raise InvalidStateError(f"{MAX_SAYS} texts wait to be said in this reply already.")
        self.says.append(SayRequested(text, interruptible, say))

    async def call(self, tools: Mapping[str, Tool], call: RealtimeToolCall) -> str:
        """Call a tool and return its result for the model."""
        output, turn = self.request.output, self.request.turn
        self._calls += 1
        tool = tools.get(call.name)
        if tool is None or self._calls > MAX_CALLS:
            what = "an unknown tool" if tool is None else f"more than {MAX_CALLS} tools in one reply"
            output.failed(ProviderError(f"{self._name} asked for {what}.", provider=self._name), turn.id)
            return json.dumps({"error": "This tool cannot be called."})
        token = current_writer.set(self)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                with turn.tool(call.name):
                    result = await tool(**json.loads(call.arguments or "{}"))
                    if not isinstance(result, EndCall | str):
                        result = _as_json(call.name[:MAX_NAME], result)
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            if cancelled_from_outside():
                raise asyncio.CancelledError from None
            output.failed(_failure(call.name[:MAX_NAME], cause), turn.id)
            return json.dumps({"error": f"The tool failed: {type(cause).__name__}."})
        finally:
            current_writer.reset(token)
        if isinstance(result, EndCall):
            self.end_call, result = result, "The call ends after this response."
        text: str = result
        return text[:MAX_RESULT_CHARS]


def _as_json(tool: str, result: Any) -> str:
    """A result as JSON: also a dataclass, a pydantic model, a date. Raises ToolResultError for other objects."""
    from pydantic_core import to_jsonable_python

    try:
        return json.dumps(to_jsonable_python(result, inf_nan_mode="null"))
    except Exception as cause:
        raise with_cause(
            ToolResultError(
                f"The tool {tool} returned {type(result).__name__}, which cannot be sent as JSON.",
                hint="Return a text, a number, a list, a dict, a dataclass or a pydantic model.",
            ),
            cause,
        ) from cause


def _failure(tool: str, cause: BaseException) -> AgentError:
    if isinstance(cause, ToolResultError):
        return cause
    return with_cause(AgentError(f"The tool {tool} failed: {type(cause).__name__}."), cause)


class ToolResultError(AgentError):
    """A tool returned what a model cannot be sent."""
