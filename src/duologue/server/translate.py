"""Translation of a session's events to messages of the protocol."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.state import AgentState, CallState, UserState, session_state
from duologue.session.events import ErrorRaised, Metered, TurnMeasured
from duologue.wire import messages as wire

__all__ = ["Translator"]

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_COMMON: Final = {field.name for field in fields(events.Event)}


class Translator:
    """Translates the events of one session, in order; it keeps the states, which one message holds together."""

    def __init__(self) -> None:
        self._call = CallState.INITIAL
        self._user = UserState.SILENT
        self._agent = AgentState.IDLE
        self._typed = 0

    def translate(self, event: events.Event) -> wire.ServerMessage:
        """The message that tells of `event`: one of its own, or a `decision`."""
        match event:
            case events.CallChanged():
                self._call = event.state
                return self._state(event)
            case events.UserChanged():
                self._user = event.state
                return self._state(event)
            case events.AgentChanged():
                self._agent = event.state
                return self._state(event)
            case events.SpeechStarted():
                return wire.SpeechStarted(turn=event.turn, at_s=event.start / RATE, reason=event.reason)
            case events.SpeechStopped():
                return wire.SpeechStopped(turn=event.turn, at_s=event.end / RATE, reason=event.reason)
            case events.PartialTranscript():
                return wire.TranscriptPartial(turn=event.turn, text=event.text)
            case events.TurnDecided():
                if event.reason == "text":
                    self._typed = event.turn
                return wire.TranscriptFinal(
                    turn=event.turn,
                    text=event.text,
                    reason=event.reason,
                    start_s=max(0, event.start) / RATE,
                    end_s=event.end / RATE,
                    silence_s=event.silence,
                    probability=event.probability,
                )
            case events.AgentSaid():
                return wire.AgentText(generation=event.generation, text=event.text)
            case events.AgentHeard():
                return wire.AgentHeard(
                    generation=event.generation,
                    turn=event.turn,
                    text=event.text,
                    said=event.said,
                    interrupted=event.interrupted,
                    estimated=event.estimated,
                )
            case TurnMeasured():
                return wire.Latency(
                    turn=event.turn,
                    generation=event.generation,
                    processing_s=event.processing,
                    voice_to_voice_s=None if event.turn == self._typed else event.voice_to_voice,
                    stages=event.stages,
                    parts=event.parts,
                    speculation=event.speculation,
                )
            case Metered():
                return wire.Meter(
                    at_s=event.pos / RATE,
                    speech=event.speech,
                    echo_ratio=event.echo_ratio,
                    end_of_turn=event.end_of_turn,
                    silence_s=event.silence,
                )
            case ErrorRaised():
                return wire.Error(
                    code=event.code,
                    message=event.message,
                    hint=event.hint,
                    retryable=event.retryable,
                    fatal=False,
                    provider=event.provider,
                    turn=event.turn or None,
                )
            case _:
                return _decision(event)

    def _state(self, event: events.CallChanged | events.UserChanged | events.AgentChanged) -> wire.State:
        return wire.State(
            session=session_state(self._call, self._user, self._agent).value,
            user=self._user.value,
            agent=self._agent.value,
            reason=event.reason,
            at_s=event.pos / RATE,
        )


def _decision(event: events.Event) -> wire.Decision:
    values = {field.name: getattr(event, field.name) for field in fields(event) if field.name not in _COMMON}
    return wire.Decision(
        name=_WORDS.sub("_", type(event).__name__).lower(),
        reason=values.pop("reason", ""),
        at_s=event.pos / RATE,
        fields=values,
    )
