"""How providers are connected to: the trace of the turn goes along, and the key goes to no other address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect

from duologue.loopback import is_loopback
from duologue.telemetry.context import add_trace, trace_headers

if TYPE_CHECKING:
    import httpx2

__all__ = ["WebSocketDial", "http_client"]


def http_client(url: str, **options: Any) -> httpx2.AsyncClient:
    """Return a client for the service at `url`, each of whose requests carries the trace of the code that makes it.

    A service on this machine is never asked by way of a proxy. `options` are those of HTTPX.
    """
    import httpx2

    hooks = dict(options.pop("event_hooks", {}))
    hooks["request"] = [add_trace, *hooks.get("request", ())]
    return httpx2.AsyncClient(trust_env=not is_loopback(url), event_hooks=hooks, **options)


class WebSocketDial(connect):
    """Opens a WebSocket to a service when it is awaited; the handshake carries the trace of the code that dials.

    It follows no redirect, which would take the key to another host. A service on this machine is never asked by way of
    a proxy. `options` are those of websockets.
    """

    def __init__(self, url: str, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(
            url,
            additional_headers={**headers, **trace_headers()},
            compression=None,
            proxy=None if is_loopback(url) else True,
            **options,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the redirect as the failure that it is."""
        return exc
