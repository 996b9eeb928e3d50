"""The trace of one conversation: a span a turn, a span a stage, and events for what was decided and why."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.session.events import BudgetExceeded, ErrorRaised, ToolCalled, TurnMeasured, YieldMeasured
from duologue.telemetry import names
from duologue.telemetry.context import CONTEXTS

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

__all__ = ["CallTrace", "Parties"]

MAX_OPEN: Final = 8
"""Turns whose answers have not ended; the span of the oldest is ended for one more."""
MAX_EVENTS: Final = 64
"""Events of one turn's span."""
NS: Final = 1_000_000_000

SHOWN: Final = (
    events.TurnScored,
    events.TurnDecided,
    events.TurnContinued,
    events.SpeechIgnored,
    events.SpeculationStarted,
    events.SpeculationDiscarded,
    events.Interrupted,
    events.FalseInterruption,
    events.Backchannel,
    events.EvidenceLate,
    events.AudioGap,
    BudgetExceeded,
    YieldMeasured,
    TurnMeasured,
    ToolCalled,
    ErrorRaised,
)
"""What is shown in a turn's span: as stages, as tools, and all others as events."""

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORDS_OF_PEOPLE: Final = frozenset({"text", "heard", "said"})
"""Fields that hold what somebody said: they are never in a trace."""
_COMMON: Final = frozenset({"pos", "wall", "turn", "generation"})


@dataclass(frozen=True, slots=True)
class Parties:
    """Who takes part, by the names of their providers."""

    agent: str
    stt: str
    responder: str
    language: str = ""


@dataclass(slots=True)
class _Turn:
    span: Span
    context: Context
    speech_end: int = 0
    """Nanoseconds of Unix time."""
    shown: int = 0
    """Events that were shown, or are held."""
    matters: bool = False
    """It exceeded its budget, or had an error: it is sent whatever the sampling says."""
    held: list[tuple[Event, int]] = field(default_factory=list)
    """Events of a turn that may not be sent, with their times: to show them costs more than to keep them."""


class CallTrace:
    """Makes spans from the events of one session; holds its id and no reference to it."""

    def __init__(
        self, session: str, tracer: Tracer, parties: Parties, *, is_sampled: Callable[[int], bool] = lambda _: True
    ) -> None:
        from opentelemetry import trace

        self._api = trace
        self._session = session
        self._tracer = tracer
        self._parties = parties
        about = {names.CONVERSATION: session, names.AGENT: parties.agent, names.LANGUAGE: parties.language}
        self._span = tracer.start_span(
            names.CONVERSATION_SPAN, attributes={name: value for name, value in about.items() if value}
        )
        self._context = trace.set_span_in_context(self._span)
        self._is_sampled = is_sampled(self._span.get_span_context().trace_id)
        self._turns: dict[int, _Turn] = {}
        self._last = 0
        CONTEXTS.set(session, self._context)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self._api.format_trace_id(self._span.get_span_context().trace_id)

    def follow(self, event: Event) -> None:
        """Take what the session published."""
        now = time.time_ns()
        match event:
            case events.SpeechStarted():
                self._open(event.turn, now - round((event.pos - event.start) / RATE * NS))
                return
            case events.TurnDecided():
                turn = self._open(event.turn, now - round(event.silence * NS))
                turn.speech_end = now - round(event.silence * NS)
                turn.span.set_attribute(names.REASON, event.reason)
            case _:
                pass
        if isinstance(event, SHOWN):
            self._note(event, now)
        match event:
            case events.AgentHeard() if (found := self._turns.get(event.turn)) is not None:
                found.span.set_attribute(names.INTERRUPTED, event.interrupted)
                self._close(event.turn)
            case events.SpeechIgnored():
                self._close(event.turn)
            case _:
                pass

    def _note(self, event: Event, now: int) -> None:
        """Show an event in the span of its turn: at once, or if it may not be sent, when that is known."""
        turn = self._turns.get(getattr(event, "turn", 0) or self._last)
        if turn is None:
            if isinstance(event, ErrorRaised):
                self._span.add_event("error", _error(event), now)
            return
        turn.matters = turn.matters or isinstance(event, ErrorRaised | BudgetExceeded)
        if turn.shown >= MAX_EVENTS:
            return
        turn.shown += 1
        if self._is_sampled:
            self._show(turn, event, now)
        else:
            turn.held.append((event, now))

    def _show(self, turn: _Turn, event: Event, now: int) -> None:
        match event:
            case TurnMeasured():
                self._measured(turn, event, now)
            case ToolCalled():
                self._tool(turn, event)
            case ErrorRaised():
                turn.span.add_event("error", _error(event), now)
                turn.span.set_attribute(names.ERROR, event.code)
                turn.span.set_status(self._api.StatusCode.ERROR, event.code)
            case _:
                self._decided(turn, event, now)

    def end(self, reason: str) -> None:
        """The session is over."""
        for turn in list(self._turns):
            self._close(turn)
        self._span.set_attribute(names.REASON, reason)
        self._span.end()
        CONTEXTS.forget(self._session)

    def _open(self, number: int, start: int) -> _Turn:
        """The span of a turn, begun if there is none."""
        turn = self._turns.get(number)
        if turn is None:
            while len(self._turns) >= MAX_OPEN:
                self._close(next(iter(self._turns)))
            attributes: dict[str, Any] = {names.CONVERSATION: self._session, names.TURN: number}
            span = self._tracer.start_span(names.TURN_SPAN, self._context, attributes=attributes, start_time=start)
            turn = self._turns[number] = _Turn(span, self._api.set_span_in_context(span))
        self._last = number
        CONTEXTS.set(self._session, turn.context)
        return turn

    def _close(self, number: int) -> None:
        turn = self._turns.pop(number)
        if turn.matters:
            for event, at in turn.held:
                self._show(turn, event, at)
        turn.span.end()
        if number == self._last:
            CONTEXTS.set(self._session, self._context)

    def _measured(self, turn: _Turn, event: TurnMeasured, now: int) -> None:
        """Place the stages between the end of the user's speech and now."""
        turn.span.set_attributes(
            {
                names.GENERATION: event.generation,
                names.LATENCY: event.voice_to_voice,
                names.PROCESSING: event.processing,
                names.SPECULATION: event.speculation,
                **{names.STAGE_SPAN + part: seconds for part, seconds in event.parts.items()},
            }
        )
        at = turn.speech_end = now - round(event.voice_to_voice * NS)
        for part, seconds in event.parts.items():
            until = at + round(seconds * NS)
            self._span_of(turn, names.STAGE_SPAN + part, at, until, {names.STAGE: part, **self._provider_of(part)})
            at = until

    def _provider_of(self, part: str) -> dict[str, str]:
        """The GenAI attributes of a stage in which a provider works."""
        match part:
            case "transcript":
                operation, name = names.SPEECH_TO_TEXT, self._parties.stt
            case "agent":
                return {names.OPERATION: names.CHAT, names.AGENT: self._parties.agent}
            case "voice":
                operation, name = names.TEXT_TO_SPEECH, self._parties.responder
            case _:
                return {}
        provider, _, model = name.partition("/")
        return {names.OPERATION: operation, names.PROVIDER: provider, names.MODEL: model or name}

    def _span_of(self, turn: _Turn, name: str, start: int, end: int, attributes: dict[str, Any]) -> None:
        self._tracer.start_span(name, turn.context, attributes=attributes, start_time=start).end(end)

    def _tool(self, turn: _Turn, event: ToolCalled) -> None:
        start, end = (turn.speech_end + round(at * NS) for at in (event.started, event.finished))
        attributes = {names.OPERATION: names.TOOL_SPAN, names.TOOL: event.name, names.RESULT: event.outcome}
        self._span_of(turn, f"{names.TOOL_SPAN} {event.name}", start, end, attributes)

    def _decided(self, turn: _Turn, event: Event, now: int) -> None:
        values = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in _COMMON | _WORDS_OF_PEOPLE}
        name = _WORD.sub("_", type(event).__name__).lower()
        turn.span.add_event(name, {key: value for key, value in values.items() if value is not None}, now)
        if isinstance(event, BudgetExceeded):
            turn.span.set_attribute(names.OVER_BUDGET, True)


def _error(event: ErrorRaised) -> dict[str, str]:
    about = {names.ERROR: event.code, names.PROVIDER: event.provider or ""}
    return {name: value for name, value in about.items() if value}
