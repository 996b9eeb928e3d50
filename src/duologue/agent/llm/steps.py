"""What a run of a language model comes to, made of the events of pydantic-ai."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic_ai.messages import (
    AgentStreamEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)

__all__ = ["EventReader", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """What a run has come to."""

    kind: Literal["text", "thought", "model", "tool_started", "tool_ended", "filler", "end", "error"]
    """`thought`: reasoning that the server separates from text. `model`: the model sent something else."""
    text: str = ""
    begins: bool = False
    """True for the first text of a part, which is to stand apart from what was said before."""
    error: BaseException | None = None


class EventReader:
    """Reads the events of one response, or of the calls of its tools."""

    def __init__(self) -> None:
        self._embedded: int | None = None
        """The part that pydantic-ai takes for reasoning as its opening tag was a piece of its own."""

    def step(self, event: AgentStreamEvent) -> Step | None:
        """Return the step that an event is; None if it says nothing new."""
        match event:
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                return Step("text", text)
            case PartStartEvent(part=TextPart(content=text)):
                # It ends such a part only at a closing tag that is a piece of its own, and drops both tags.
                closing, self._embedded = "" if self._embedded is None else "</think>", None
                return Step("text", closing + text, begins=True)
            case PartStartEvent(index=index, part=ThinkingPart(id="content", content=text)):
                self._embedded = index
                return Step("text", f"<think>{text}", begins=True)
            case PartDeltaEvent(index=index, delta=ThinkingPartDelta(content_delta=text)) if index == self._embedded:
                return Step("text", text or "")
            case PartStartEvent(part=ThinkingPart(content=text)):
                return Step("thought", text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)):
                return Step("thought", text or "")
            case FunctionToolCallEvent():
                return Step("tool_started")
            case FunctionToolResultEvent():
                return Step("tool_ended")
            case PartStartEvent() | PartDeltaEvent():
                return Step("model")
        return None
