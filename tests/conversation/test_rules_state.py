from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from duologue.conversation.state import (
    AGENT_TABLE,
    CALL_TABLE,
    USER_TABLE,
    AgentState,
    CallState,
    Machine,
    SessionState,
    UserState,
    session_state,
)
from duologue.errors import InvalidStateError

U, A, C = UserState, AgentState, CallState

USER = """
    silent    speech_start    speaking
    away      speech_start    speaking
    speaking  speech_stop     silent
    silent    away            away
    away      away            away
    away      text            silent
"""

AGENT = """
    idle      turn_decided    thinking
    thinking  reply_dropped   idle
    idle      playout_start   speaking
    thinking  playout_start   speaking
    speaking  duck            ducked
    ducked    unduck          speaking
    ducked    pause           paused
    paused    resume          speaking
    speaking  playout_end     idle
    ducked    playout_end     idle
    paused    playout_end     idle
"""

CALL = """
    initial   start           live
    initial   end             ended
    live      end             ended
"""

MACHINES = [(USER_TABLE, UserState, USER), (AGENT_TABLE, AgentState, AGENT), (CALL_TABLE, CallState, CALL)]


def rows(text: str) -> dict[tuple[str, str], str]:
    return {(before, trigger): after for before, trigger, after in map(str.split, text.strip().splitlines())}


@pytest.mark.parametrize(("table", "states", "text"), MACHINES)
def test_the_table_holds_these_steps_and_no_others(
    table: Mapping[tuple[Any, str], Any], states: type[StrEnum], text: str
) -> None:
    assert dict(table) == rows(text)


@pytest.mark.parametrize(("table", "states", "text"), MACHINES)
def test_every_step_of_the_table_is_taken_and_every_other_is_refused(
    table: Mapping[tuple[Any, str], Any], states: type[StrEnum], text: str
) -> None:
    legal = rows(text)
    triggers = {trigger for _, trigger in legal}
    for before, trigger in product(states, triggers):
        machine = Machine(table, before)
        if (before, trigger) in legal:
            assert machine.may(trigger)
            assert machine.fire(trigger) is before
            assert machine.state == legal[before, trigger]
        else:
            assert not machine.may(trigger)
            with pytest.raises(InvalidStateError, match=f"'{trigger}' is not possible while {states.__name__} is"):
                machine.fire(trigger)
            assert machine.state is before


@pytest.mark.parametrize(
    ("call", "user", "agent", "view"),
    [
        (C.INITIAL, U.SILENT, A.IDLE, SessionState.INITIAL),
        (C.ENDED, U.SPEAKING, A.SPEAKING, SessionState.ENDED),
        (C.LIVE, U.SILENT, A.IDLE, SessionState.LISTENING),
        (C.LIVE, U.SPEAKING, A.IDLE, SessionState.LISTENING),
        (C.LIVE, U.AWAY, A.IDLE, SessionState.AWAY),
        (C.LIVE, U.SILENT, A.THINKING, SessionState.PROCESSING),
        (C.LIVE, U.SPEAKING, A.SPEAKING, SessionState.SPEAKING),
        (C.LIVE, U.AWAY, A.DUCKED, SessionState.SPEAKING),
        (C.LIVE, U.SPEAKING, A.PAUSED, SessionState.SPEAKING),
    ],
)
def test_the_one_word_view(call: CallState, user: UserState, agent: AgentState, view: SessionState) -> None:
    assert session_state(call, user, agent) is view
