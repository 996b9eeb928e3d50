"""Publishes what happens in a call: to its record, to the parts that act on it, and to everyone who listens."""

from __future__ import annotations

import logging
from typing import Literal

from duologue.agent.faults import FaultLog
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.engine import Engine
from duologue.errors import DuologueError
from duologue.session.call_trace import CallTrace, Parties
from duologue.session.config import SessionConfig
from duologue.session.event_bus import EventBus
from duologue.session.events import BudgetExceeded, ErrorRaised, HandedOver, TurnMeasured, YieldMeasured
from duologue.session.output import OutputController
from duologue.session.record import CallRecord
from duologue.session.saying import SpeechHandles
from duologue.session.turn_meter import TurnMeter
from duologue.session.user_input import UserInput

__all__ = ["EventPublisher"]

_faults = FaultLog(logging.getLogger(__name__))


class EventPublisher:
    """Every event of one call passes here. All but `bus` are plain calls on the loop's thread."""

    def __init__(
        self,
        engine: Engine,
        config: SessionConfig,
        record: CallRecord,
        user: UserInput,
        output: OutputController,
        says: SpeechHandles,
    ) -> None:
        self.bus: EventBus = EventBus(output.host)
        """Those who listen."""
        self.record: CallRecord = record
        self._id = record.session
        self._telemetry = engine.telemetry
        self._clock = engine.clock
        self._budget = config.budget
        self._hearing = user.hearing
        self._user = user
        self._output = output
        self._says = says
        meter = TurnMeter(self._id, self._telemetry)
        self.bus.watch(meter.follow, meter.end)

    def trace(self, parties: Parties) -> str:
        """Trace the call, and return the id of the trace; empty if no traces are exported."""
        if (tracer := self._telemetry.tracer) is None:
            return ""
        trace = CallTrace(self._id, tracer, parties, is_sampled=self._telemetry.is_sampled)
        self.bus.watch(trace.follow, trace.end)
        return trace.trace_id

    def publish(self, event: Event) -> None:
        """Note an event in the record, have the parts act on it that must, and tell those who listen."""
        self.record.take(event)
        match event:
            case events.SpeechStopped():
                self._output.stopwatch.stopped(event)
            case events.TurnScored():
                self._output.stopwatch.scored(event)
            case events.TurnDecided():
                # A typed turn does not wait for audio.
                behind = 0.0 if event.reason == "text" else self._user.behind(self._clock.now())
                self._output.turn_decided(event, behind)
            case events.AgentHeard():
                self._output.replies.heard(event.generation, event.text)
            case events.SayEnded():
                self._says.end(event.say, event.heard, interrupted=event.interrupted)
            case _:
                pass
        self.bus.tell(event)

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Log and publish an error, of this turn if of any."""
        where = f"Session {self._id}" + (f", turn {turn}" if turn else "")
        _faults.write(where, error, call=self._id, turn=turn)
        self.publish(
            ErrorRaised(
                self._hearing.position,
                self._clock.now(),
                error.code,
                error.message,
                error.next_step,
                error.retryable,
                error.provider,
                turn,
            )
        )

    def measured(self, measured: TurnMeasured) -> None:
        """Publish that a turn was answered audibly, and what of it took longer than its budget."""
        self.publish(measured)
        for part, took, budget in self._budget.overruns(measured.parts, measured.voice_to_voice):
            turn, generation = measured.turn, measured.generation
            self.publish(BudgetExceeded(measured.pos, measured.wall, turn, generation, part, took, budget))

    def yielded(self, generation: int, reason: Literal["pause", "cut_off"], handled_at: float) -> None:
        """The agent has just fallen silent, because of an input that the rules began to handle at `handled_at`."""
        now = self._clock.now()
        behind = self._user.behind(now)
        self.publish(YieldMeasured(self._hearing.position, now, generation, reason, now - handled_at, behind))

    def handed_over(self, agent: str) -> None:
        """Publish that another agent answers from now on."""
        self.publish(HandedOver(self._hearing.position, self._clock.now(), agent))
