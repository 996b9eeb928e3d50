"""The state of a call as it is stored, and what a connection is left with that is not needed any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from duologue.errors import InputError
from duologue.server.backend import Session
from duologue.server.connection import Connection, Handshake
from duologue.session.checkpoint import CallCheckpoint, json_or_none
from duologue.wire import messages as wire

__all__ = ["SavedCall", "replace_receiver"]


@dataclass(slots=True)
class SavedCall:
    """What another process needs to continue a call. Headers are not stored: they may hold secrets."""

    start: wire.Start
    call: str
    """Names the call, in both processes."""
    client: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    """The newest resume token; only its hash is stored, as the key."""
    position: int = 0
    """The sample of the input that was expected next when it was stored, in the client's rate."""
    messages: int = 0
    """Messages of the client that were handled when it was stored."""
    checkpoint: CallCheckpoint = field(default_factory=CallCheckpoint)

    def as_json(self, session: Session, position: int, messages: int = 0) -> dict[str, Any]:
        """The state of the call now."""
        checkpoint = session.checkpoint().as_json()
        if json_or_none(checkpoint) is None:  # Too large: the history is what matters most.
            checkpoint |= {"agent_state": None, "user_data": None}
        return {
            "start": self.start.model_dump(mode="json"),
            "call": self.call,
            "client": self.client,
            "query": dict(self.query),
            "claims": {name: value for name, value in self.claims.items() if _is_json(name, value)},
            "bound": dict(self.bound),
            "position": position,
            "messages": messages,
            "checkpoint": checkpoint,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SavedCall:
        """The call that `as_json` gave. Raises InputError for anything else."""
        try:
            return cls(
                start=wire.Start.model_validate(value["start"]),
                call=str(value["call"]),
                client=str(value["client"]),
                query=dict(value["query"]),
                claims=dict(value["claims"]),
                bound=dict(value["bound"]),
                position=int(value["position"]),
                messages=int(value["messages"]),
                checkpoint=CallCheckpoint.from_json(value["checkpoint"]),
            )
        except (ValidationError, KeyError, TypeError, ValueError):
            raise InputError("A stored call cannot be read.", hint="Start a new one.") from None

    @property
    def handshake(self) -> Handshake:
        """The handshake of the connection that the call began on."""
        return Handshake(client=self.client, query=self.query, claims=self.claims, bound=self.bound)


def _is_json(name: object, value: object) -> bool:
    """Whether a claim can be stored: a middleware may give any object."""
    return isinstance(name, str) and (value is None or json_or_none(value) is not None)


class _Nobody:
    """Null receiver for a connection that is no longer needed."""

    def received(self, message: str | bytes) -> None:
        """Ignore the message."""

    def overhead(self) -> None:
        """Ignore the count."""

    def pause_writing(self) -> None:
        """Nothing is written."""

    def resume_writing(self) -> None:
        """Nothing is written."""

    def lost(self, *, meant: bool = False) -> None:
        """Ignore the end."""


def replace_receiver(connection: Connection) -> None:
    """Have a connection tell its receiver nothing more."""
    connection.attach(_Nobody())
