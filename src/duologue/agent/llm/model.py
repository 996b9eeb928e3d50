"""The language model behind an agent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.settings import ModelSettings

from duologue.errors import ConfigError
from duologue.loopback import is_loopback

__all__ = ["Output", "chat_model", "make_agent"]

Output = str | None


def chat_model(model: str, base_url: str | None, api_key: str | None) -> Model:
    """The model that a name stands for: with `base_url` or the prefix `openai:`, OpenAI's chat completions."""
    prefix, _, name = model.partition(":")
    try:
        if base_url is None and prefix not in ("openai", "openai-chat"):
            return infer_model(model)
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        _check_key(os.environ.get("OPENAI_API_KEY", "") if api_key is None else api_key)
        name = name if prefix in ("openai", "openai-chat") else model
        # The client's own retries would double ours and know nothing of our deadline.
        if is_loopback(base_url or os.environ.get("OPENAI_BASE_URL", "")):
            provider = OpenAIProvider(base_url, api_key, http_client=(client := _direct_client()))
            # A client that is handed in stays open; these two have the provider close it, and open it again.
            provider._own_http_client = client
            provider._http_client_factory = _direct_client
        else:
            provider = OpenAIProvider(base_url, api_key)
        return OpenAIChatModel(name, provider=provider, settings={"max_retries": 0})
    except (UserError, ValueError, ImportError) as error:
        raise ConfigError(f"No language model can be made from {model!r}: {error}") from error


def _direct_client() -> Any:
    """A client that asks no proxy, for a model on this machine."""
    import httpx2
    from pydantic_ai.models import create_async_httpx2_client

    # With a transport of its own, a client does not look at the proxies of the environment.
    transport = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100))
    return create_async_httpx2_client(transport=transport)


def _check_key(key: str) -> None:
    """Refuse what no header can carry: it would fail in each turn, and read as if nobody could be reached."""
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ConfigError(
            "The key for the language model holds a character that no key has.",
            hint="Look for a line break, a space or a quote in OPENAI_API_KEY; it is not shown here.",
        )


def make_agent(model: Model, instructions: str, settings: Mapping[str, Any]) -> Agent[Any, Output]:
    """The pydantic-ai agent behind an LLMAgent. An answer without words is allowed, and means silence."""
    return Agent(
        model,
        instructions=instructions,
        output_type=[str, type(None)],
        model_settings=cast(ModelSettings, dict(settings)),
    )
