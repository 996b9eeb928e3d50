"""The language model behind an agent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from openai import OpenAIError
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.chat.chat_completion_chunk import Choice
from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponseStreamEvent, PartStartEvent
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from duologue.agent.llm.client import ChatClient
from duologue.agent.llm.habits import Habits
from duologue.agent.llm.http import checked_url, make_client, shown_url
from duologue.agent.llm.toolcalls import ToolCallSorter
from duologue.errors import ConfigError

__all__ = ["ChatModel", "Output", "chat_model", "endpoint_of", "habits_of", "make_agent"]

Output = str | None

_OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "none"
"""What is sent as the key to an endpoint that needs none; the client insists on one."""
_NO_USAGE = RequestUsage()


class ChatModel(OpenAIChatModel):
    """OpenAI's chat completions, as the endpoints that imitate them speak them, too."""

    def __init__(self, name: str, base_url: str, api_key: str) -> None:
        settings: OpenAIChatModelSettings = {}
        if name.startswith("gpt-6"):  # they take tools on chat completions only without reasoning
            settings["openai_reasoning_effort"] = "none"
        super().__init__(name, provider=_Provider(base_url, api_key), settings=settings)
        self.habits: Habits = Habits(name)

    def refresh(self) -> None:
        """Have a new client if the last was used in another event loop; an agent does this at each run."""
        self._refresh_http_client()

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return _StreamedResponse

    async def _map_messages(
        self,
        messages: Sequence[ModelMessage],
        model_request_parameters: ModelRequestParameters,
        *,
        model_settings: ModelSettings | None = None,
    ) -> list[ChatCompletionMessageParam]:
        mapped = await super()._map_messages(messages, model_request_parameters, model_settings=model_settings)
        return _without_system_role(mapped) if self.habits.refuses_system_role else mapped


class _Provider(OpenAIProvider):
    """Has a client that bounds what it takes in."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._url = base_url
        super().__init__(base_url, api_key)

    def _create_openai_client(self, *, base_url: str | None, api_key: str | None, **_: Any) -> ChatClient:
        # The client's own retries would multiply with duologue's, and ignore its deadline. In the settings of a model
        # `max_retries` would make a new client for each request.
        return ChatClient(base_url=base_url, api_key=api_key, http_client=self._get_http_client(), max_retries=0)

    def _get_http_client(self, http_client: Any = None, *, warning_stacklevel: int = 3) -> Any:
        client: httpx2.AsyncClient = make_client(self._url)
        # pydantic-ai closes a client of its own with the model, and makes a new one if the model is used again.
        self._own_http_client = client
        self._http_client_factory = lambda: make_client(self._url)
        return client


class _StreamedResponse(OpenAIStreamedResponse):
    def _map_usage(self, response: ChatCompletionChunk) -> RequestUsage:
        return _NO_USAGE if response.usage is None else super()._map_usage(response)

    def _add_usage(self, usage: RequestUsage, *, reported: bool, cumulative: bool = False) -> None:
        if reported:  # once in a stream; to add nothing at each piece costs as much as to read it
            super()._add_usage(usage, reported=reported, cumulative=cumulative)

    def _map_tool_call_delta(self, choice: Choice) -> Iterable[ModelResponseStreamEvent]:
        sorter = self.__dict__.setdefault("_sorter", ToolCallSorter())
        for delta in choice.delta.tool_calls or []:
            function = delta.function
            piece = sorter.take(
                delta.index, delta.id, function.name if function else None, function.arguments if function else None
            )
            for event in self._parts_manager.handle_tool_call_delta_events(
                vendor_part_id=("tool", piece.key),
                tool_name=piece.name,
                args=piece.arguments,
                tool_call_id=piece.id,
            ):
                if isinstance(event, PartStartEvent):
                    self._advance_part_boundary("tool")
                yield event


def _without_system_role(messages: list[ChatCompletionMessageParam]) -> list[ChatCompletionMessageParam]:
    """The messages with the instructions in front of the user's first words, for templates that know no system role."""
    instructions = [m for m in messages if m["role"] in ("system", "developer")]
    rest = [m for m in messages if m["role"] not in ("system", "developer")]
    if not instructions or not rest or rest[0]["role"] != "user":
        return messages
    text = "\n\n".join(str(m.get("content", "")) for m in [*instructions, rest[0]])
    return [{"role": "user", "content": text}, *rest[1:]]


def chat_model(model: str, base_url: str | None, api_key: str | None) -> Model:
    """The model that a name stands for: with `base_url` or the prefix `openai:`, OpenAI's chat completions."""
    prefix, _, name = model.partition(":")
    is_openai = prefix in ("openai", "openai-chat")
    try:
        if base_url is None and not is_openai:
            return infer_model(model)
        url = base_url or os.environ.get("OPENAI_BASE_URL", "").strip()
        key = os.environ.get("OPENAI_API_KEY", "") if api_key is None else api_key
        _check_key(key)
        if not key and not url:
            raise ConfigError(
                f"The language model {model!r} needs a key.",
                hint="Set OPENAI_API_KEY in the environment, or give a base_url (--base-url) that needs none.",
            )
        return ChatModel(name if is_openai else model, checked_url(url or _OPENAI_URL), key or _NO_KEY)
    except (UserError, OpenAIError, ValueError) as error:
        raise ConfigError(f"No language model can be made from {model!r}: {error}") from error


def endpoint_of(model: Model) -> str:
    """The address of a model, as messages may show it; empty if it has none."""
    url = model.base_url
    return shown_url(url).rstrip("/") if url and urlsplit(url).hostname else ""


def habits_of(model: Model) -> Habits:
    """What is known of the model's ways: shared by all agents on it if the model is one that duologue made."""
    return model.habits if isinstance(model, ChatModel) else Habits(model.model_name)


def _check_key(key: str) -> None:
    """Refuse a value that no header can carry: each turn would fail with what looks like a connection error."""
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ConfigError(
            "The key for the language model holds a character that no key has.",
            hint="Look for a line break, a space or a quote in OPENAI_API_KEY; it is not shown here.",
        )


def make_agent(model: Model, settings: Mapping[str, Any]) -> Agent[Any, Output]:
    """The pydantic-ai agent behind an LLMAgent. An answer without words is allowed; the session reports it."""
    return Agent(
        model,
        output_type=[str, type(None)],
        model_settings=cast(ModelSettings, dict(settings)),
    )
