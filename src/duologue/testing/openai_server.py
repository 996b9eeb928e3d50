"""A language model's HTTP interface on the loopback that follows a script: how to answer, and how to fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

__all__ = ["Completion", "OpenAIServer", "ToolCall", "calls", "refuses", "says", "sends"]

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model asks for."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Completion:
    """What the server does with one request."""

    pieces: tuple[str, ...] = ()
    """The text, in the pieces in which it is streamed; none at all is an empty answer."""
    tool_calls: tuple[ToolCall, ...] = ()
    status: int = 200
    """Anything else is an error without an answer."""
    error_code: str | None = None
    """The `code` of the error, as `insufficient_quota`."""
    retry_after: float | None = None
    """Seconds, sent as `Retry-After`."""
    stall_after: int | None = None
    """Send so many pieces, then nothing more while the client waits. 0: not one token."""
    break_after: int | None = None
    """Send so many pieces, then drop the connection."""
    message: str = "The script says so."
    """The words of the error."""
    delay: float = 0.0
    """Seconds before anything is sent, as of a model that is being loaded. A client that goes meanwhile is counted."""
    interval: float = 0.0
    """Seconds between two pieces."""
    reasoning: tuple[str, ...] = ()
    """Reasoning, sent before the text as `reasoning_content`."""
    one_index: bool = False
    """All tool calls have the index 0, as Ollama numbers them."""
    whole: bool = False
    """Answer with one JSON object, although a stream was asked for."""
    body: bytes | None = None
    """Sent as it is in place of an answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with the body, or with the error."""


def says(*pieces: str, **how: Any) -> Completion:
    """An answer in text. `how` are further fields, such as `stall_after` or `break_after`, which stop it."""
    return Completion(pieces, **how)


def calls(name: str, /, **arguments: Any) -> Completion:
    """An answer that asks for a tool."""
    return Completion(tool_calls=(ToolCall(name, arguments),))


def refuses(
    status: int, code: str | None = None, *, retry_after: float | None = None, message: str = "The script says so."
) -> Completion:
    """An HTTP error."""
    return Completion(status=status, error_code=code, retry_after=retry_after, message=message)


def sends(body: bytes, **headers: str) -> Completion:
    """A body that is no answer; underscores in the names of headers stand for hyphens."""
    return Completion(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


class OpenAIServer:
    """Serves the OpenAI API at 127.0.0.1, one scripted answer a request, inside the running event loop.

    ```python
    async with OpenAIServer(says("Hello", " there.")) as server:
        agent = LLMAgent("openai:any", instructions="Be brief.", base_url=server.base_url, api_key="any")
    ```

    A request beyond the end of the script is answered with HTTP 400. With `api_key`, another key gets HTTP 401. With
    `strict_roles`, a conversation whose roles do not alternate, beginning with the user's, gets HTTP 400, as chat
    templates of some local models have it. `/v1/models` lists `models`.
    """

    def __init__(
        self, *script: Completion, api_key: str | None = None, strict_roles: bool = False, models: Sequence[str] = ()
    ) -> None:
        self.script(*script)
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        """The bodies of the requests, oldest first."""
        self.traces: deque[str | None] = deque(maxlen=_REMEMBERED)
        """The header `traceparent` of each of them."""
        self.disconnects: int = 0
        """Times a client went away in the middle of a stalled answer."""
        self.listed: int = 0
        """Times the models were listed."""
        self._api_key = api_key
        self._strict_roles = strict_roles
        self._models = models
        self._closing = asyncio.Event()

    def script(self, *completions: Completion) -> None:
        """Replace what is left of the script."""
        self._script = deque(completions)

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL; known once the server runs."""
        host, port = self._socket.getsockname()
        return f"http://{host}:{port}/v1"

    async def __aenter__(self) -> Self:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer waits 40 ms for an ACK.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._list, methods=["GET"]),
            ]
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.should_exit = True
        await self._serving

    async def _list(self, request: Request) -> Response:
        self.listed += 1
        return self._unauthorized(request) or JSONResponse({"data": [{"id": name} for name in self._models]})

    def _unauthorized(self, request: Request) -> Response | None:
        if self._api_key is None or request.headers.get("authorization") == f"Bearer {self._api_key}":
            return None
        return _error(refuses(401, "invalid_api_key", message="Incorrect API key provided."))

    async def _complete(self, request: Request) -> Response:
        if (refusal := self._unauthorized(request)) is not None:
            return refusal
        body = await request.json()
        self.requests.append(body)
        self.traces.append(request.headers.get("traceparent"))
        if self._strict_roles and not _alternate([message["role"] for message in body["messages"]]):
            return _error(refuses(400, message="Conversation roles must alternate user/assistant/user/assistant/..."))
        if not self._script:
            return _error(refuses(400, message="The script of the test server has no more answers."))
        completion = self._script.popleft()
        if completion.status != 200:
            return _error(completion)
        if completion.body is not None:
            return Response(completion.body, headers={"content-type": "text/event-stream", **completion.headers})
        if completion.whole or not body.get("stream"):
            return JSONResponse(_whole(completion, body["model"]))
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return _EventStream(self, completion, list(_chunks(completion, body["model"], usage=usage)))

    async def until_gone(self, receive: Receive) -> None:
        """Wait until the client or the server goes."""
        gone = asyncio.create_task(_disconnect(receive))
        closing = asyncio.create_task(self._closing.wait())
        done, waiting = await asyncio.wait((gone, closing), return_when=asyncio.FIRST_COMPLETED)
        self.disconnects += gone in done
        for task in waiting:
            task.cancel()

    async def gone_within(self, receive: Receive, seconds: float) -> bool:
        """Whether the client or the server goes within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.until_gone(receive)
        except TimeoutError:
            return False
        return True


class _Server(uvicorn.Server):
    """Leaves the signals of the process to the process, and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class _EventStream(Response):
    """Server-sent events; ends without its last chunk where the script breaks the connection."""

    media_type = "text/event-stream"

    def __init__(self, server: OpenAIServer, completion: Completion, chunks: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._server = server
        self._completion = completion
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._completion.delay and await self._server.gone_within(receive, self._completion.delay):
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for number, chunk in enumerate(self._chunks):
            if number and self._completion.interval:
                await asyncio.sleep(self._completion.interval)
            if number == self._completion.break_after:
                return
            if number == self._completion.stall_after:
                await self._server.until_gone(receive)
                return
            body = f"data: {json.dumps(chunk)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _alternate(roles: Sequence[str]) -> bool:
    """Whether the roles alternate after the system's, beginning with the user's; results of tools are on that side."""
    sides: list[str] = []
    for before, role in pairwise(["system", *roles[roles[:1] == ["system"] :]]):
        if (before, role) != ("tool", "tool"):
            sides.append("assistant" if role == "assistant" else "user" if role in ("user", "tool") else role)
    return all(side == ("user", "assistant")[n % 2] for n, side in enumerate(sides))


def _error(completion: Completion) -> Response:
    headers = dict(completion.headers)
    if completion.retry_after is not None:
        headers["Retry-After"] = f"{completion.retry_after:g}"
    error = {"message": completion.message, "type": "scripted_error", "param": None, "code": completion.error_code}
    return JSONResponse({"error": error}, status_code=completion.status, headers=headers)


def _calls(completion: Completion) -> list[dict[str, Any]]:
    return [
        {
            "index": 0 if completion.one_index else index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(completion.tool_calls)
    ]


def _usage(completion: Completion) -> dict[str, int]:
    return {"prompt_tokens": 1, "completion_tokens": len(completion.pieces), "total_tokens": 1 + len(completion.pieces)}


def _envelope(kind: str, model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": model, "choices": choices}


def _chunks(completion: Completion, model: str, *, usage: bool) -> Iterator[dict[str, Any]]:
    """The events in the shape of the provider: a delta for each piece, the reason for the end, the usage."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _envelope("chat.completion.chunk", model, [choice])

    for thought in completion.reasoning:
        yield chunk({"role": "assistant", "reasoning_content": thought})
    for piece in completion.pieces:
        yield chunk({"role": "assistant", "content": piece})
    for call in _calls(completion):
        yield chunk({"role": "assistant", "tool_calls": [call]})
    yield chunk({}, finish="tool_calls" if completion.tool_calls else "stop")
    if usage:
        yield _envelope("chat.completion.chunk", model, []) | {"usage": _usage(completion)}


def _whole(completion: Completion, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(completion.pieces) or None}
    if completion.tool_calls:
        message["tool_calls"] = _calls(completion)
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if completion.tool_calls else "stop"}
    return _envelope("chat.completion", model, [choice]) | {"usage": _usage(completion)}
