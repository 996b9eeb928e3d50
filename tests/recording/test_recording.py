"""A call is written as it goes, and decides alike when it is replayed."""

from pathlib import Path

import pytest
from recorded_call import record

from duologue.conversation import events
from duologue.recording.recording import read_recording
from duologue.recording.replay import replay

pytestmark = pytest.mark.anyio


async def test_five_turns_with_an_interruption_replay_to_the_same_decisions(tmp_path: Path) -> None:
    call = await record(tmp_path)
    assert len(call.turns) == 5
    assert call.session.record.interruptions == 1
    recording = read_recording(call.path)
    assert recording.is_whole
    result = replay(recording)
    assert result.is_identical
    again = [e for effects in result.effects for e in effects]
    heard = [e["fields"]["text"] for e in again if e["effect"] == "AgentHeard"]
    assert heard == [e.text for e in call.of(events.AgentHeard)]
