"""How providers are connected to: the trace of the turn goes along, and the key goes to no other address."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from duologue.errors import DeadlineError, ProviderUnavailableError
from duologue.loopback import is_loopback
from duologue.services import error_code, error_for, retry_after
from duologue.telemetry.context import add_trace, trace_headers

if TYPE_CHECKING:
    import httpx2

__all__ = ["CONNECTION_IDLE_S", "WebSocketDial", "http_client", "open_socket"]

CONNECTION_IDLE_S: Final = 30.0
"""Seconds that an unused HTTP connection is kept: longer than callers pause between two turns, and less than the
minutes after which networks forget a connection without a word.
"""

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # websockets logs the header with the key, and messages, at DEBUG


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


async def open_socket(
    name: str, url: str, headers: Mapping[str, str], *, open_timeout: float, **options: Any
) -> ClientConnection:
    """Open a WebSocket to the service of the provider `name`, as WebSocketDial does, within `open_timeout` seconds.

    Raises:
        DeadlineError: The service did not accept the connection in time.
        ProviderUnavailableError: It cannot be reached.
        ProviderError: It refused the connection, for the reason that the error's class names.
    """
    try:
        return await WebSocketDial(url, headers, open_timeout=open_timeout, logger=_log, **options)
    except InvalidStatus as refused:
        answer = refused.response
        try:
            code = error_code(json.loads(answer.body or b""))
        except ValueError:
            code = ""
        wait = retry_after(answer.headers.get("Retry-After"))
        raise error_for(name, answer.status_code, code, wait) from None
    except TimeoutError:
        late = f"{name} did not accept a connection within {open_timeout:g} s."
        raise DeadlineError(late, provider=name) from None
    except (OSError, EOFError, WebSocketException) as error:
        message = f"{name} cannot be reached: {type(error).__name__}."
        raise ProviderUnavailableError(message, provider=name) from None
