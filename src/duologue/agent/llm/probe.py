"""Asks a model's endpoint, when a server starts, whether it is there. It lists models, which costs nothing."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import httpx2
from pydantic_ai.models import Model

from duologue.agent.llm.failures import unreachable_hint
from duologue.agent.llm.http import make_client, shown_url
from duologue.agent.llm.model import ChatModel
from duologue.agent.text import repaired

__all__ = ["probe"]

PROBE_TIMEOUT_S = 3.0
_MAX_BYTES = 1024 * 1024
_MAX_NAMES = 5


async def probe(model: Model) -> str | None:
    """A warning about the endpoint of `model`, or None. Takes 3 s at most.

    Only endpoints that speak the OpenAI API are asked. One that does not list its models is not warned of.
    """
    if not isinstance(model, ChatModel):
        return None
    url = model.base_url.rstrip("/")
    shown = shown_url(url)
    who = f"The language model {model.model_name!r} at {shown}"
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S), make_client(url) as client:
            status, names = await _models(client, url, model.client.api_key)
            if status == 404 and not url.endswith("/v1"):
                status, names = await _models(client, f"{url}/v1", model.client.api_key)
                if status == 200:
                    return f"{who} will not answer: the base URL lacks /v1. Give {shown}/v1 (--base-url)."
                return None
    except TimeoutError:
        return f"{who} does not answer within {PROBE_TIMEOUT_S:g} s; calls will fail until it does."
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol):
        return f"{who} cannot be reached; calls will fail until it is. {unreachable_hint(shown)}"
    except Exception:  # it is there, and cannot list its models
        return None
    if status in (401, 403):
        return f"{who} does not accept the key (HTTP {status}). Check OPENAI_API_KEY; it is not shown here."
    if status >= 500:
        return f"{who} fails (HTTP {status}); calls will fail until it does not."
    if names and not any(_same(name, model.model_name) for name in names):
        known = ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
        return f"{who} is not among the models that are listed there: {known}. If calls fail, correct its name."
    return None


async def _models(client: httpx2.AsyncClient, url: str, key: str) -> tuple[int, list[str]]:
    async with client.stream("GET", f"{url}/models", headers={"Authorization": f"Bearer {key}"}) as response:
        body = b""
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _MAX_BYTES:
                    return response.status_code, []
    return response.status_code, _names(body)


def _names(body: bytes) -> list[str]:
    try:
        listed: Any = json.loads(body)["data"]
        return [" ".join(repaired(str(entry["id"])).split())[:100] for entry in listed]
    except (ValueError, KeyError, TypeError):
        return []


def _same(listed: str, asked: str) -> bool:
    """Whether the names mean one model; Ollama lists `qwen3:latest` for `qwen3`."""
    return listed.removesuffix(":latest") == asked.removesuffix(":latest") or listed.removeprefix("models/") == asked
