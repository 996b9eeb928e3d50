"""The HTTP client for a language model's endpoint: what it takes in is bounded, whatever the other side sends."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from duologue.dialing import CONNECTION_IDLE_S, http_client
from duologue.errors import ConfigError, ProviderError, ProviderUnavailableError
from duologue.loopback import is_loopback

__all__ = ["checked_url", "make_client", "shown_url"]

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The longest answer; reasoning and tool calls among it."""
MAX_LINE_BYTES: Final = 1024 * 1024
"""The longest event of a stream, and the longest answer that is no stream."""
MAX_ERROR_BYTES: Final = 64 * 1024
"""What is read of the body of an error."""
_CONNECT_TIMEOUT: Final = 5.0
_TIMEOUT: Final = 600.0
"""Seconds between two packets; the agent's own deadlines are shorter."""


def make_client(base_url: str) -> httpx2.AsyncClient:
    """A client for the endpoint at `base_url`. An endpoint on this machine is never asked by way of a proxy."""
    return http_client(
        base_url,
        timeout=httpx2.Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=CONNECTION_IDLE_S),
        # A compressed answer could unfold to any size, and a stream of tokens gains nothing by it.
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bound]},
    )


def checked_url(base_url: str) -> str:
    """The base URL of an endpoint. Raises ConfigError, with the URL that was probably meant, for one that cannot be."""
    url = base_url.strip()
    shown = shown_url(url)
    try:
        parts = urlsplit(url)
        has_host, _ = bool(parts.hostname), parts.port
    except ValueError as error:
        raise ConfigError(f"The base URL {shown!r} is no URL: {error}.", hint=_EXAMPLE) from None
    if "://" not in url:
        scheme = "http" if is_loopback(f"//{url}") or ":" in url.partition("/")[0] else "https"
        raise ConfigError(f"The base URL {shown!r} has no scheme.", hint=f"Write it as {scheme}://{shown}")
    if parts.scheme.lower() not in ("http", "https") or not has_host or any(map(str.isspace, url)):
        raise ConfigError(f"The base URL {shown!r} is no http:// or https:// address.", hint=_EXAMPLE)
    for end in ("/chat/completions", "/completions", "/models", "/responses"):
        if parts.path.rstrip("/").endswith(end):
            raise ConfigError(
                f"The base URL {shown!r} is that of a single call.",
                hint=f"Leave out {end}: {shown.rstrip('/').removesuffix(end)}",
            )
    return url


_FINISHED: Final = re.compile(rb'"finish_reason"\s*:\s*"')
_EXAMPLE = "Write it as http://127.0.0.1:8080/v1"


def shown_url(url: str) -> str:
    """The URL as messages may show it: without a user's name, a password, or a query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return url.rpartition("@")[2].partition("?")[0]


async def _bound(response: httpx2.Response) -> None:
    """Put a bound on the body of a response; raise for one that is not to be read at all."""
    url = shown_url(str(response.request.url))
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    if response.is_redirect:
        target = shown_url(str(response.headers.get("location", "")))
        raise ProviderError(
            f"The language model's endpoint {url} redirects to {target or 'another address'}.",
            hint="Correct the base URL (--base-url); the key and the caller's words are not sent on.",
        )
    if response.is_error:
        response.stream = _ErrorBody(response.stream)
        response.headers.pop("content-encoding", None)
    elif encoding not in ("", "identity"):
        raise ProviderError(
            f"The language model's endpoint {url} answered with {encoding} although it was asked not to compress.",
            hint="Turn compression off there.",
        )
    elif response.request.method == "POST":
        delimited = any(name in response.headers for name in ("content-length", "transfer-encoding"))
        # Without either, HTTP/1 ends a body by closing the connection, which a server that fails does, too.
        ends_by_itself = delimited or not response.http_version.startswith("HTTP/1")
        response.stream = _EventStream(response.stream, url, ends_by_itself=ends_by_itself)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def aclose(self) -> None:
        await self._body.aclose()


class _ErrorBody(_Body):
    """The beginning of an error's body."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES
        async for chunk in self._body:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return


class _EventStream(_Body):
    """A stream of events of bounded length, in bounded lines. A whole completion becomes a stream of one event."""

    def __init__(self, body: httpx2.AsyncByteStream, url: str, *, ends_by_itself: bool) -> None:
        super().__init__(body)
        self._url = url
        self._is_whole = ends_by_itself
        """The end of the answer has been seen, or cannot be missed."""
        self._tail = b""
        self._bytes = 0
        self._line = 0
        """Bytes since the last line break."""
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = bytearray()
        async for chunk in self._body:
            self._count(chunk)
            self._look_for_end(chunk)
            if not self._begun and (start := chunk.lstrip()):
                self._begun = True
                if start[:1] == b"<":
                    raise ProviderError(
                        f"The language model's endpoint {self._url} answered with a web page.",
                        hint="Correct the base URL (--base-url); it usually ends with /v1.",
                    )
                if start[:1] in (b"{", b"["):
                    whole += start
                    continue
            if whole:
                whole += chunk
                if len(whole) > MAX_LINE_BYTES:
                    raise self._too_long(MAX_LINE_BYTES)
            else:
                yield chunk
        if whole:
            yield _as_events(bytes(whole), self._url)
        elif not self._is_whole:
            raise ProviderUnavailableError(
                f"The language model's endpoint {self._url} dropped the connection in the middle of its answer.",
                hint="Look at its log.",
            )

    def _look_for_end(self, chunk: bytes) -> None:
        if not self._is_whole:
            text = self._tail + chunk
            self._is_whole = b"[DONE]" in text or _FINISHED.search(text) is not None
            self._tail = text[-40:]

    def _count(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._bytes > MAX_ANSWER_BYTES:
            raise self._too_long(MAX_ANSWER_BYTES)
        lengths = [len(line) for line in chunk.replace(b"\r", b"\n").split(b"\n")]
        lengths[0] += self._line
        if max(lengths) > MAX_LINE_BYTES:
            raise self._too_long(MAX_LINE_BYTES)
        self._line = lengths[-1]

    def _too_long(self, limit: int) -> ProviderError:
        kind = "an event" if limit == MAX_LINE_BYTES else "an answer"
        return ProviderError(
            f"The language model's endpoint {self._url} sent {kind} of more than {limit >> 20} MB.",
            hint="Check what answers there; limit its answers with max_tokens.",
        )


def _as_events(body: bytes, url: str) -> bytes:
    """A completion that came whole, as the events of a stream."""
    try:
        completion = json.loads(body)
    except ValueError:
        completion = None
    if not isinstance(completion, dict) or not (completion.get("error") or completion.get("choices")):
        raise ProviderError(
            f"The language model's endpoint {url} answered with something that is no completion.",
            hint="Correct the base URL (--base-url): it must speak the OpenAI API.",
        )
    if completion.get("choices"):
        completion["object"] = "chat.completion.chunk"
        completion["choices"] = [_as_delta(choice) for choice in completion["choices"] if isinstance(choice, dict)]
    return b"data: " + json.dumps(completion).encode() + b"\n\ndata: [DONE]\n\n"


def _as_delta(choice: dict[str, Any]) -> dict[str, Any]:
    choice = dict(choice)
    message = choice.pop("message", None) or {}
    calls = message.get("tool_calls") or []
    numbered = [{**call, "index": index} for index, call in enumerate(calls) if isinstance(call, dict)]
    return {**choice, "delta": {**message, "tool_calls": numbered or None}}
