"""Models that work in steps, so that what several callers wait for is done together, whenever each of them began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = ["Pending", "ResumableModel", "Step"]


class Step(Protocol):
    """A plain synchronous batch function: one step of a model's work."""

    name: str
    """The model's own."""
    max_batch: int

    def size(self, item: Any) -> float:
        """The cost of `item` in seconds of sound; 0 for one whose sound was counted by a step before."""
        ...

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        """For each item its result, or what is unfinished."""
        ...


@dataclass(frozen=True, slots=True)
class Pending:
    """In place of a result: `item` is to be run by `step` next, with whatever else waits for that by then.

    One run of such a step goes on at a time, as a run of many costs little more than a run of one.
    """

    step: Step
    item: Any


@runtime_checkable
class ResumableModel(Protocol):
    """A model whose work may be done in steps; its `run` does them all at once."""

    @property
    def first(self) -> Step:
        """The step that an item begins with."""
        ...
