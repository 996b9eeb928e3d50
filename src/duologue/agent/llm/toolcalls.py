"""Separates the tool calls of one answer, also if an endpoint numbers them all alike."""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["ToolCallPiece", "ToolCallSorter"]


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A piece of a tool call, as it is to be taken."""

    key: int
    """The same for all pieces of one call."""
    name: str | None
    """None if the name has been given before."""
    arguments: str | None
    id: str | None


@dataclass(slots=True)
class _Call:
    key: int
    index: int | None
    id: str
    name: str = ""
    arguments: str = ""

    @property
    def is_complete(self) -> bool:
        try:
            return isinstance(json.loads(self.arguments), dict)
        except ValueError:
            return False


class ToolCallSorter:
    """Gives each piece the key of its call.

    Endpoints number calls by `index`, as OpenAI does; or give all of them the index 0 (Ollama), or none; or repeat the
    name or the id with each piece. So a piece that names a tool begins a call if its index is new, if the call before
    has another name, or if the arguments of the call before are complete and it brings arguments or an id of its own.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._ids: set[str] = set()

    def take(self, index: int | None, id_: str | None, name: str | None, arguments: str | None) -> ToolCallPiece:
        """Find the call that a piece belongs to."""
        call = self._find(index, id_ or "", name or "", arguments or "")
        begins = call is None
        if call is None:
            # The results of two calls with one id could not be assigned.
            own = id_ if id_ and id_ not in self._ids else f"{id_ or 'call'}_{len(self._calls)}"
            self._ids.add(own)
            call = _Call(len(self._calls), index, own, name or "")
            self._calls.append(call)
        elif not call.name:
            call.name, begins = name or "", True
        call.arguments += arguments or ""
        return ToolCallPiece(call.key, call.name if begins else None, arguments, call.id if begins else None)

    def _find(self, index: int | None, id_: str, name: str, arguments: str) -> _Call | None:
        alike = [call for call in self._calls if call.index == index] if index is not None else self._calls
        if not name:  # it goes on with a call, whatever its index says
            named = [call for call in self._calls if id_ and call.id == id_]
            known = named or alike or self._calls
            return known[-1] if known else None
        last = alike[-1] if alike else None
        if last is None or (last.name and last.name != name):
            return None
        other_id = bool(id_) and id_ != last.id
        if last.is_complete:
            return None if arguments or other_id else last
        return None if other_id and not last.arguments else last
