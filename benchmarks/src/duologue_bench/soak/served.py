"""What a soak uses of the server that it tries."""

from __future__ import annotations

from typing import Any, Protocol

from duologue_bench.conversations import Held
from duologue_bench.server import Footprint

__all__ = ["Served", "at_least", "at_most"]


class Served(Protocol):
    """A server that is called and looked at from outside. `ServerProcess` is one."""

    @property
    def url(self) -> str:
        """Its stream."""
        ...

    async def ops(self) -> dict[str, Any]:
        """What it says of itself."""
        ...

    def cpu_s(self) -> float:
        """CPU seconds that it has used."""
        ...

    def footprint(self) -> Footprint:
        """What it holds and has used by now."""
        ...


def at_most(name: str, value: float | None, limit: float) -> Held:
    """A limit that is not to be exceeded; broken where nothing was measured."""
    return Held(name, value, limit, value is not None and value <= limit)


def at_least(name: str, value: float | None, limit: float) -> Held:
    """A limit that is to be reached; broken where nothing was measured."""
    return Held(name, value, limit, value is not None and value >= limit)
