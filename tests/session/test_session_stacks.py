"""The same conversation over different providers is the same: what happened, in which order, and what was heard."""

import pytest

from duologue.conversation import events
from duologue.session import ErrorRaised
from stacks import GREETING, LONG, STACKS, converse, said, told

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stack", [name for name in STACKS if name != "instant"])
async def test_a_conversation_takes_the_same_course_over_every_stack(stack: str) -> None:
    reference = await converse(STACKS["instant"]())
    call = await converse(STACKS[stack]())
    assert told(call) == told(reference)
    assert call.heard == reference.heard
    assert said(call) == said(reference)
    assert [t.user_text for t in call.turns] == [t.user_text for t in reference.turns]
    assert (call.of(ErrorRaised), call.of(events.EvidenceLate)) == ([], [])


async def test_the_conversation_has_everything_in_it() -> None:
    call = await converse(STACKS["instant"]())
    kinds = [entry[0] for entry in told(call)]
    for kind in ("Backchannel", "FalseInterruption", "Interrupted", "ToolCalled", "SayEnded"):
        assert kinds.count(kind) >= 1, kind
    assert call.heard[:2] == [GREETING, LONG]
    assert LONG.startswith(call.heard[2].rstrip("."))
    assert call.heard[3:] == ["It is the fifth of May.", "Good bye."]
    assert call.session.record.reason == "done"
