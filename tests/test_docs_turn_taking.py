"""What docs/turn-taking.md shows runs, and names kinds of answers and settings that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.question import ANSWER_KINDS, Expected
from duologue.testing import VirtualCall
from duologue.turn.languages import language_pack

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs/turn-taking.md").read_text("utf-8")


async def test_an_agent_declares_what_it_asks_for() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict[str, Any] = {}
    exec(snippet, names)
    async with VirtualCall(names["agent"]) as call:
        await call.say("Hello.")
        assert call.heard == ["Please read me the code from the letter."]
        assert call.session._rules.floor.expected == Expected("digits", (6,))


def test_the_kinds_of_answers_are_those_of_the_code() -> None:
    table = PAGE[PAGE.index("| kind | asked by") : PAGE.index("A complete answer adds")]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.M)
    assert {kind for kind, _ in rows} == set(ANSWER_KINDS)
    pack = language_pack("en")
    for kind, examples in rows:
        for question in re.findall(r'"(.*?)"', examples):
            assert pack.read_question(question).kind == kind, question


def test_the_waits_are_the_defaults() -> None:
    e = Endpointing()
    for shown in (
        f"probability is at least {e.threshold:g} is decided (`threshold`, `action_delay`)",
        f"probability is at least {e.likely:g} is decided (`likely`, `likely_delay`)",
        f"from {e.likely_delay:.2f} s at {e.likely:g} to the timeout at {e.wait_below:g}",
        f"| up to {e.timeout:g} s |",
        f"| −{e.opening:g} in the first turn of a call (`opening`)",
        f"in full from {e.short_turn:g} s on (`short_turn`)",
        f"certain of speech for {ConversationConfig().audible_after:g} s (`audible_after`)",
    ):
        assert shown in PAGE, shown
