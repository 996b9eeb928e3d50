"""The life of the call: it begins once, and ends on request, by a timer, or after the agent's last words."""

from __future__ import annotations

from duologue.audio.format import RATE
from duologue.conversation import effects, events, inputs
from duologue.conversation.context import Context
from duologue.conversation.ending import PendingEnd
from duologue.conversation.floor import Floor
from duologue.conversation.state import CALL_TABLE, CallState, Machine
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn

__all__ = ["Call"]


class Call:
    """Starts and ends the call."""

    def __init__(
        self,
        context: Context,
        floor: Floor,
        user_turn: UserTurn,
        typed: TypedText,
        ending: PendingEnd,
        timers: CallTimers,
    ) -> None:
        self._context = context
        self._floor = floor
        self._user_turn = user_turn
        self._typed = typed
        self._ending = ending
        self._timers = timers
        self.machine: Machine[CallState] = Machine(CALL_TABLE, CallState.INITIAL)

    @property
    def state(self) -> CallState:
        """Initial, live or ended."""
        return self.machine.state

    @property
    def is_closing(self) -> bool:
        """True while the call waits for speech that is due before it ends."""
        return bool(self._ending.reason) and self.machine.state is CallState.LIVE

    def start(self, i: inputs.CallRequested) -> None:
        """Go live, and greet."""
        self.machine.fire("start")
        config = self._context.config
        self._context.capabilities = i
        self._timers.start(self._context.pos)
        self._context.publish(events.CallChanged, CallState.LIVE, "start")
        if config.greeting:
            self._floor.says.append(inputs.SayRequested(config.greeting, config.greeting_interruptible))

    def request_end(self, i: inputs.EndRequested) -> None:
        """End the call, after the agent has finished if that is asked for."""
        if self.machine.state is CallState.ENDED or (i.after_speech and self.is_closing and self._ending.is_final):
            return
        if i.after_speech and self._floor.owes_speech:
            self._close(i.reason)
        else:
            self._end(i.reason)

    def check_timers(self) -> None:
        """End the call or report the user as away if it is time, and compute when that is due next."""
        pos, e = self._context.pos, self._ending
        if e.reason:
            is_overdue = e.deadline is not None and pos >= e.deadline
            user_goes_on = self._user_turn.has_floor and not e.is_final
            if is_overdue or not (self._floor.owes_speech or user_goes_on):
                self._end(e.reason)
        elif self._timers.is_over(pos):
            if self._floor.owes_speech:
                self._close("timeout")
            else:
                self._end("timeout")
        if self._floor.reply or self._user_turn.utterance or self._typed:
            return
        if self.machine.state is CallState.LIVE and not e.reason:
            if self._timers.is_idle(pos):
                self._end("idle_timeout")
            elif self._user_turn.user.may("away") and self._timers.is_away(pos):
                self._user_turn.set_user("away", "silence")
        if self.machine.state is CallState.LIVE:
            self._timers.schedule()

    def _close(self, reason: str) -> None:
        """End the call once the agent has finished; until then no further turn is taken."""
        self._ending.after_speech(reason, self._context.pos + round(self._context.config.closing_timeout * RATE))

    def _end(self, reason: str) -> None:
        self._user_turn.forget()
        self._typed.clear()
        self._user_turn.silence_agent("end")
        self.machine.fire("end")
        self._context.publish(events.CallChanged, CallState.ENDED, reason)
        self._context.request(effects.EndCall(reason))
