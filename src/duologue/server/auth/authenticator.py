"""Decides who may call, and how often at once: by bearer tokens, and by tickets where a browser calls."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import HTTPConnection

from duologue.errors import AuthenticationError, DuologueError
from duologue.server.auth.keys import KeyFile
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import Scope, verify_token
from duologue.server.origins import Refusal
from duologue.server.store import StateStore

__all__ = ["RECONNECT", "TICKET", "Authenticator", "Caller", "NotAllowedError"]

TICKET: Final = "ticket"
"""The parameter of the stream's address that holds a ticket."""

RECONNECT: Final = "reconnect"
"""The parameter of the stream's address of a client that will name its call by a resume token."""

MAX_TICKET_CHARS: Final = 128


class NotAllowedError(Exception):
    """A request may not do what it asks for; `refusal` is the answer to it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a connection."""

    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the token says; empty if none is asked for."""
    token: str | None = field(default=None, repr=False)
    """Names the token (`jti`), not its text; None if there is none."""


class Authenticator:
    """Checks requests. `parts` is the number of processes that divide the limits among them."""

    def __init__(self, security: Security, store: StateStore, *, parts: int = 1) -> None:
        self._keys = None if security.keys is None else KeyFile(security.keys)
        self._security = security
        self._store = store
        self._per_token = _share(security.max_calls_per_token, parts)
        self._per_address = _share(security.max_calls_per_address, parts)
        self._of_token: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self.denied: int = 0
        """Requests refused because they had no valid token or ticket."""
        self.over_limit: int = 0
        """Connections refused because a token or an address has too many calls."""

    @property
    def required(self) -> bool:
        """Whether callers have to authenticate."""
        return self._keys is not None

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who opens a stream: by the token of its header, or a ticket. Raises NotAllowedError."""
        if self._keys is None:
            return Caller()
        if connection.query_params.get(RECONNECT) == "1":
            return Caller()  # The resume token of its first message has to be valid.
        ticket = connection.query_params.get(TICKET)
        claims = self._bearer(connection, "call") if ticket is None else await self._redeem(ticket)
        return Caller(claims, str(claims["jti"]))

    def check(self, connection: HTTPConnection, scope: Scope) -> dict[str, Any]:
        """The claims of the token in the header of a request. Raises NotAllowedError."""
        return {} if self._keys is None else self._bearer(connection, scope)

    async def make_ticket(self, connection: HTTPConnection) -> dict[str, Any]:
        """A ticket for the bearer of a token, as JSON. Raises NotAllowedError."""
        claims = self._bearer(connection, "call")
        ticket = secrets.token_urlsafe(24)
        try:
            await self._store.put(_key(ticket), json.dumps(claims).encode(), self._security.ticket_ttl)
        except DuologueError as error:
            raise NotAllowedError(Refusal(503, error.code, error.message, error.next_step)) from None
        return {"ticket": ticket, "expires_s": self._security.ticket_ttl}

    @contextmanager
    def counted(self, token: str | None, address: str) -> Iterator[None]:
        """Count a call while this context is open. Raises NotAllowedError if there are too many."""
        groups = ((self._of_token, token, self._per_token), (self._of_address, address, self._per_address))
        counted = [(counter, name) for counter, name, limit in groups if name and limit is not None]
        for counter, name, limit in groups:
            if name and limit is not None and counter[name] >= limit:
                self.over_limit += 1
                what = "token" if counter is self._of_token else "address"
                raise NotAllowedError(
                    Refusal(429, "rate_limited", f"This {what} has {limit} calls already.", "End one of them first.")
                )
        for counter, name in counted:
            counter[name] += 1
        try:
            yield
        finally:
            for counter, name in counted:
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]

    def _bearer(self, connection: HTTPConnection, scope: Scope) -> dict[str, Any]:
        if self._keys is None:
            raise NotAllowedError(Refusal(404, "not_found", "This server asks for no tokens.", "Connect without one."))
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise self._denied("This server asks for a token.", "Send it as the header `Authorization: Bearer TOKEN`.")
        try:
            return verify_token(self._keys, token.strip(), scope)
        except AuthenticationError as error:
            raise self._denied(error.message, error.next_step) from None

    async def _redeem(self, ticket: str) -> dict[str, Any]:
        try:
            found = await self._store.take(_key(ticket)) if len(ticket) <= MAX_TICKET_CHARS else None
        except DuologueError as error:
            raise NotAllowedError(Refusal(503, error.code, error.message, error.next_step)) from None
        if found is None:
            raise self._denied("The ticket is unknown, used or too old.", "Get a new one: POST /tickets with a token.")
        claims: dict[str, Any] = json.loads(found)
        return claims

    def _denied(self, message: str, hint: str) -> NotAllowedError:
        self.denied += 1
        return NotAllowedError(Refusal(401, AuthenticationError.code, message, hint))


def _key(ticket: str) -> str:
    # By its hash: how long a look-up takes tells nothing of the tickets that there are.
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def _share(limit: int | None, parts: int) -> int | None:
    return None if limit is None else -(-limit // parts)
