"""The states of a conversation: two small machines and a call. The tables say all that may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from duologue.errors import InvalidStateError

__all__ = [
    "AGENT_TABLE",
    "CALL_TABLE",
    "USER_TABLE",
    "AgentState",
    "CallState",
    "Machine",
    "SessionState",
    "UserState",
    "session_state",
]


class UserState(StrEnum):
    """What the user does, as far as we hear."""

    SILENT = "silent"
    SPEAKING = "speaking"
    AWAY = "away"


class AgentState(StrEnum):
    """What the agent does, as far as the user hears."""

    IDLE = "idle"
    THINKING = "thinking"
    """A turn is decided and its reply has not sounded yet."""
    SPEAKING = "speaking"
    DUCKED = "ducked"
    """Playing softly, because the user may be starting to speak."""
    PAUSED = "paused"
    """Paused in mid-reply because the user speaks; it resumes or is interrupted."""


class CallState(StrEnum):
    """The life of the call."""

    INITIAL = "initial"
    LIVE = "live"
    ENDED = "ended"


class SessionState(StrEnum):
    """One word for the whole session, derived from the machines."""

    INITIAL = "initial"
    LISTENING = "listening"
    PROCESSING = "processing"
    SPEAKING = "speaking"
    AWAY = "away"
    ENDED = "ended"


S = TypeVar("S", bound=StrEnum)
Table = Mapping[tuple[S, str], S]

U, A, C = UserState, AgentState, CallState

USER_TABLE: Table[UserState] = {
    (U.SILENT, "speech_start"): U.SPEAKING,
    (U.AWAY, "speech_start"): U.SPEAKING,
    (U.SPEAKING, "speech_stop"): U.SILENT,
    (U.SILENT, "away"): U.AWAY,
    (U.AWAY, "away"): U.AWAY,
    (U.AWAY, "text"): U.SILENT,
}

AGENT_TABLE: Table[AgentState] = {
    (A.IDLE, "turn_decided"): A.THINKING,
    (A.THINKING, "reply_dropped"): A.IDLE,
    (A.IDLE, "playout_start"): A.SPEAKING,
    (A.THINKING, "playout_start"): A.SPEAKING,
    (A.SPEAKING, "duck"): A.DUCKED,
    (A.DUCKED, "unduck"): A.SPEAKING,
    (A.DUCKED, "pause"): A.PAUSED,
    (A.PAUSED, "resume"): A.SPEAKING,
    (A.SPEAKING, "playout_end"): A.IDLE,
    (A.DUCKED, "playout_end"): A.IDLE,
    (A.PAUSED, "playout_end"): A.IDLE,
}

CALL_TABLE: Table[CallState] = {
    (C.INITIAL, "start"): C.LIVE,
    (C.INITIAL, "end"): C.ENDED,
    (C.LIVE, "end"): C.ENDED,
}


class Machine(Generic[S]):
    """One machine over its table."""

    __slots__ = ("_table", "state")

    def __init__(self, table: Table[S], state: S) -> None:
        self._table = table
        self.state: S = state

    def may(self, trigger: str) -> bool:
        """True if the table knows `trigger` in this state."""
        return (self.state, trigger) in self._table

    def fire(self, trigger: str) -> S:
        """Go to the next state and return the one before; InvalidStateError where the table has no such step."""
        before = self.state
        try:
            self.state = self._table[before, trigger]
        except KeyError:
            raise InvalidStateError(f"{trigger!r} is not possible while {type(before).__name__} is {before}.") from None
        return before


def session_state(call: CallState, user: UserState, agent: AgentState) -> SessionState:
    """The one-word view of the three machines."""
    if call is C.INITIAL:
        return SessionState.INITIAL
    if call is C.ENDED:
        return SessionState.ENDED
    if agent is A.THINKING:
        return SessionState.PROCESSING
    if agent is not A.IDLE:
        return SessionState.SPEAKING
    return SessionState.AWAY if user is U.AWAY else SessionState.LISTENING
