"""The trace that code runs in: it follows the work of a session into its tasks, and from there to providers."""

from __future__ import annotations

import contextvars
from typing import Any, Final

__all__ = ["CONTEXTS", "TraceContexts", "add_trace", "trace_headers"]

_current: Final[contextvars.ContextVar[Any]] = contextvars.ContextVar("duologue_trace", default=None)
"""The context of OpenTelemetry to be told to providers."""


class TraceContexts:
    """The present trace context of each live session that has one, by its id."""

    def __init__(self) -> None:
        self._contexts: dict[str, Any] = {}

    def set(self, session: str, context: Any) -> None:
        """Have work that is begun for `session` from now on belong to this context of OpenTelemetry."""
        self._contexts[session] = context

    def forget(self, session: str) -> None:
        """The session has ended."""
        self._contexts.pop(session, None)

    def enter(self, session: str, task: contextvars.Context) -> None:
        """Have a task, whose context this is, belong to the session's trace."""
        if (context := self._contexts.get(session)) is None:
            return
        from opentelemetry.context import attach

        task.run(_current.set, context)
        task.run(attach, context)

    def __len__(self) -> int:
        return len(self._contexts)


CONTEXTS: Final = TraceContexts()
"""Those of this process; ids of sessions are unique."""


def trace_headers() -> dict[str, str]:
    """The headers that carry the trace to a provider (W3C `traceparent`); none outside of a traced session."""
    context = _current.get()
    if context is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, context)
    return headers


async def add_trace(request: Any) -> None:
    """An event hook of HTTPX clients: have a request carry the trace of the code that makes it."""
    request.headers.update(trace_headers())
