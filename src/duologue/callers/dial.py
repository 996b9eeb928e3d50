"""Opens lines over the best package that is installed."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from typing import Literal

from websockets.exceptions import InvalidURI

from duologue.callers.connection import CallerConnection, ConnectionObserver
from duologue.errors import DeadlineError, OverloadedError, StreamError

__all__ = ["Kind", "best_kind", "check_reachable", "open_connection"]

Kind = Literal["picows", "websockets"]


async def open_connection(
    url: str, observer: ConnectionObserver, *, timeout: float = 10.0, kind: Kind | None = None
) -> CallerConnection:
    """Connect; over the best package that is installed, unless `kind` names one.

    Raises OverloadedError where the server is full, DeadlineError after `timeout` seconds, else StreamError.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _open(url, observer, kind or best_kind())
    except TimeoutError:
        raise DeadlineError(f"{url} did not answer in {timeout:g} s.") from None
    except (InvalidURI, ValueError, OverflowError) as error:  # ValueError, OverflowError: its port cannot be
        raise StreamError(
            f"{url} is no address of a server: {error}", hint="An address looks like ws://127.0.0.1:8000/v1/stream."
        ) from None
    except OSError as error:
        raise StreamError(f"{url} cannot be reached: {error}", hint="Is the server running?") from error


async def check_reachable(url: str, *, is_to_welcome: bool = True) -> None:
    """Connect once and leave, before callers are prepared for a server that is not there.

    A server that is full is there; one that refuses for another reason is, unless it `is_to_welcome` callers.
    Raises what `open_connection` raises.
    """
    try:
        connection = await open_connection(url, _Nobody())
    except OverloadedError:
        return
    except StreamError as error:
        if is_to_welcome or isinstance(error.__cause__, OSError):
            raise
    else:
        connection.abort()


class _Nobody:
    """Null observer of a connection that is not used."""

    def text(self, message: str) -> None:
        """Ignore a message."""

    def sound(self, message: bytes) -> None:
        """Ignore audio."""

    def closed(self, code: int | None, reason: str) -> None:
        """Ignore the end."""


@cache
def best_kind() -> Kind:
    """Which package carries the lines of this process: picows where it is installed."""
    return "picows" if find_spec("picows") is not None else "websockets"


async def _open(url: str, observer: ConnectionObserver, kind: Kind) -> CallerConnection:
    if kind == "picows":
        from duologue.callers.connection_picows import open_picows

        return await open_picows(url, observer)
    from duologue.callers.connection_websockets import open_websockets

    return await open_websockets(url, observer)
