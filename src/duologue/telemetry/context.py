"""Where code is counted and traced: it follows the work of a session into its tasks, and from there to providers."""

from __future__ import annotations

import contextvars
from typing import Any, Final

from duologue.telemetry.call_usage import CallUsage
from duologue.telemetry.metrics import Metrics

__all__ = ["CONTEXTS", "SessionContexts", "add_trace", "current_metrics", "current_usage", "trace_headers"]

_current: Final[contextvars.ContextVar[Any]] = contextvars.ContextVar("duologue_trace", default=None)
"""The trace context that is sent to providers."""


_metrics: Final[contextvars.ContextVar[Metrics | None]] = contextvars.ContextVar("duologue_metrics", default=None)

_usage: Final[contextvars.ContextVar[CallUsage | None]] = contextvars.ContextVar("duologue_usage", default=None)


class SessionContexts:
    """What the tasks of each live session report to, by its id: metrics, usage, and the trace context if any."""

    def __init__(self) -> None:
        self._metrics: dict[str, tuple[Metrics, CallUsage]] = {}
        self._contexts: dict[str, Any] = {}

    def begin(self, session: str, metrics: Metrics, usage: CallUsage | None = None) -> None:
        """Have the work of `session` counted there."""
        self._metrics[session] = metrics, usage or CallUsage()

    def set(self, session: str, context: Any) -> None:
        """Have work that is begun for `session` from now on belong to this context of OpenTelemetry."""
        self._contexts[session] = context

    def trace_id(self, session: str) -> str:
        """The id of the session's trace, 32 hexadecimal digits; empty if it has none."""
        if (context := self._contexts.get(session)) is None:
            return ""
        from opentelemetry import trace

        return trace.format_trace_id(trace.get_current_span(context).get_span_context().trace_id)

    def forget(self, session: str) -> None:
        """The session has ended."""
        self._contexts.pop(session, None)
        self._metrics.pop(session, None)

    def enter(self, session: str, task: contextvars.Context) -> None:
        """Have a task, whose context this is, be counted and traced with the session."""
        if (counted := self._metrics.get(session)) is not None:
            task.run(_metrics.set, counted[0])
            task.run(_usage.set, counted[1])
        if (context := self._contexts.get(session)) is None:
            return
        from opentelemetry.context import attach

        task.run(_current.set, context)
        task.run(attach, context)

    def counted(self, session: str) -> tuple[Metrics, CallUsage] | None:
        """Where the work of `session` is counted; None once it has ended."""
        return self._metrics.get(session)

    def __len__(self) -> int:
        return len(self._metrics)


CONTEXTS: Final = SessionContexts()
"""Those of this process; ids of sessions are unique."""


def current_metrics() -> Metrics | None:
    """Where this code is counted; None outside of a session."""
    return _metrics.get()


def current_usage() -> CallUsage | None:
    """Where the use of providers by this call is counted; None outside of a session."""
    return _usage.get()


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
