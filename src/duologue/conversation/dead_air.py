"""No dead air: while the user waits for an answer that is late, the agent says so."""

from __future__ import annotations

from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import effects, inputs
from duologue.conversation.context import Context
from duologue.conversation.floor import Floor
from duologue.conversation.state import AgentState, UserState
from duologue.conversation.timers import CallTimers
from duologue.conversation.user_turn import UserTurn

__all__ = ["DeadAir"]

EARLIER: Final = 0.3
"""Seconds before the limit at which a filler is requested: it takes a while to sound."""


class DeadAir:
    """Has a filler said where `max_dead_air` would be exceeded.

    Dead air counts from the moment at which a turn is decided, or from the last audio of an unfinished reply; and
    while the words of what the user has said are missing, from the end of the user's speech.
    """

    def __init__(self, context: Context, user_turn: UserTurn, floor: Floor, timers: CallTimers) -> None:
        self._context = context
        self._user_turn = user_turn
        self._floor = floor
        self._timers = timers
        self._said = 0
        """Fillers so far: they take turns."""
        config = context.config
        self._limit = round(max(config.max_dead_air - EARLIER, 0.1) * RATE) if config.max_dead_air else 0

    def check(self) -> None:
        """Have a filler said if it is time."""
        if not self._limit or not self._context.config.fillers:
            return
        r = self._floor.reply
        if r is None:
            self._check_words()
            return
        may_sound = not (r.held or r.dropped) and self._floor.agent.state is not AgentState.PAUSED
        if may_sound and r.silent_from is not None and self._context.pos - r.silent_from >= self._limit:
            r.silent_from = self._context.pos
            self._context.request(effects.Fill(r.generation, self._next()))

    def starved(self, i: inputs.SpeechStarved) -> None:
        """The reply has run out of audio, and is not over."""
        if (r := self._floor.current(i.generation)) is not None:
            r.silent_from = self._context.pos - round(i.seconds * RATE)

    def resumed(self, i: inputs.SpeechResumed) -> None:
        """There is audio again."""
        if (r := self._floor.current(i.generation)) is not None:
            r.silent_from = None

    def _check_words(self) -> None:
        """Say a filler if words are late that the user has said."""
        u = self._user_turn.utterance
        if u is None or u.final is not None or u.wordless or u.held or self._user_turn.detector.speech_run:
            return
        if self._user_turn.user.state is not UserState.SILENT or not self._user_turn.requests.open:
            return
        if self._context.pos - max(u.last_speech, self._timers.spoke_at) >= self._limit:
            self._floor.says.appendleft(inputs.SayRequested(self._next()))
            self._floor.say_next()

    def _next(self) -> str:
        fillers = self._context.config.fillers or ()
        self._said += 1
        return fillers[(self._said - 1) % len(fillers)]
