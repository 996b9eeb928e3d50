"""The tool calls of one answer are told apart, however an endpoint numbers them."""

import json
from typing import Any

import pytest

from duologue.agent.llm.toolcalls import ToolCallSorter

OSLO, ROME = '{"city": "Oslo"}', '{"city": "Rome"}'

Piece = tuple[int | None, str | None, str | None, str | None]


def sorted_out(pieces: list[Piece]) -> list[tuple[str, Any]]:
    """The calls that the pieces come to, as names and arguments."""
    sorter = ToolCallSorter()
    calls: dict[int, tuple[str, str]] = {}
    ids: dict[int, str | None] = {}
    for piece in pieces:
        taken = sorter.take(*piece)
        name, arguments = calls.get(taken.key, ("", ""))
        calls[taken.key] = (name + (taken.name or ""), arguments + (taken.arguments or ""))
        ids.setdefault(taken.key, taken.id)
    assert len(set(ids.values())) == len(ids), "two calls have one id"
    assert all(ids.values())
    return [(name, json.loads(arguments or "{}")) for name, arguments in calls.values()]


BOTH = [("look", {"city": "Oslo"}), ("look", {"city": "Rome"})]


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, "a", "look", OSLO), (1, "b", "look", ROME)],
        [(0, "a", "look", OSLO), (0, "b", "look", ROME)],
        [(0, None, "look", OSLO), (0, None, "look", ROME)],
        [(0, "", "look", OSLO), (0, "", "look", ROME)],
        [(0, "a", "look", OSLO), (0, "a", "look", ROME)],
        [(0, "a", "look", OSLO), (1, "a", "look", ROME)],
        [(None, "a", "look", OSLO), (None, "b", "look", ROME)],
        [(None, None, "look", OSLO), (None, None, "look", ROME)],
        [(0, "a", "look", ""), (0, None, None, OSLO[:5]), (0, None, None, OSLO[5:]), (1, "b", "look", ROME)],
        [(0, "a", "look", OSLO[:5]), (0, "a", "look", OSLO[5:]), (0, "b", "look", ROME)],
        [(0, "a", "look", OSLO[:5]), (0, "x", "look", OSLO[5:]), (0, "b", "look", ROME)],
        [(0, "a", "look", OSLO[:5]), (1, "b", "look", ROME[:5]), (0, None, None, OSLO[5:]), (1, None, None, ROME[5:])],
        [(0, "a", "look", OSLO[:5]), (1, "a", None, OSLO[5:]), (2, "b", "look", ROME[:5]), (3, "b", None, ROME[5:])],
        [(0, "a", "look", None), (0, None, None, OSLO), (0, "b", "look", None), (0, None, None, ROME)],
    ],
)
def test_two_calls_are_two(pieces: list[Piece]) -> None:
    assert sorted_out(pieces) == BOTH


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([(0, "a", "look", OSLO), (0, "b", "book", ROME)], [BOTH[0], ("book", {"city": "Rome"})]),
        ([(0, "a", "now", "{}"), (0, "b", "now", "{}")], [("now", {}), ("now", {})]),
        ([(0, "a", "now", ""), (0, "b", "look", OSLO)], [("now", {}), BOTH[0]]),
        ([(0, "a", "look", OSLO), (0, "a", "look", "")], [BOTH[0]]),
        ([(0, "a", None, OSLO[:5]), (0, None, "look", OSLO[5:])], [BOTH[0]]),
    ],
)
def test_other_calls(pieces: list[Piece], calls: list[tuple[str, Any]]) -> None:
    assert sorted_out(pieces) == calls
