"""The first request of a turn, made to the model itself and not by an agent of pydantic-ai.

An agent prepares each run for what it may need: tools that come and go, output to validate, requests to repeat. That
costs more than the request does, and most turns need no more than the text of one response.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Self, cast

from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ContentFilterError, OutputTokenLimitExceeded
from pydantic_ai.messages import InstructionPart, ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import Tool, ToolDefinition
from pydantic_ai.toolsets import FunctionToolset

from duologue.agent.llm.model import ChatModel

__all__ = ["FirstRequest", "check_answer"]


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """Asks for the first response of a turn, with the request that an agent would make."""

    model: ChatModel
    settings: ModelSettings
    tools: tuple[ToolDefinition, ...]

    @classmethod
    def to(cls, model: Model, settings: Mapping[str, Any], tools: FunctionToolset[Any]) -> Self | None:
        """Return the requests to a model; None if an agent has to make them.

        That is for a model of the application's own, which may want more of the agent than is known here, and for tools
        that may change from one request to the next, or that the application has to approve.
        """
        if not isinstance(model, ChatModel) or not all(map(_is_plain, tools.tools.values())):
            return None
        definitions = tuple(tool.tool_def for tool in tools.tools.values())
        return cls(model, cast(ModelSettings, dict(settings)), definitions)

    def stream(self, messages: list[ModelMessage], instructions: str) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send the messages, of which the last is the user's."""
        self.model.refresh()
        parameters = ModelRequestParameters(
            function_tools=list(self.tools),
            instruction_parts=[InstructionPart(instructions)] if instructions else None,
        )
        return model_request_stream(
            self.model,
            self.model.prepare_messages(messages, parameters),
            model_settings=self.settings,
            model_request_parameters=parameters,
        )


def _is_plain(tool: Tool[Any]) -> bool:
    return tool.prepare is None and not (tool.defer_loading or tool.requires_approval)


def check_answer(response: ModelResponse) -> None:
    """Raise what an agent raises for a response without text, if it was cut off or filtered."""
    if any(isinstance(part, TextPart) and part.content for part in response.parts):
        return
    if response.finish_reason == "length":
        raise OutputTokenLimitExceeded("The limit of tokens was reached before there was an answer.")
    if response.finish_reason == "content_filter":
        raise ContentFilterError("The content filter stopped the answer.")
