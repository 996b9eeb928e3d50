"""Follows each call from its start to its end: a line in the log for both, counters, and the record if it is kept."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from duologue.agent import CallInfo
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.errors import HookError
from duologue.server.empty_calls import EmptyCalls
from duologue.server.repeats import CALLS
from duologue.session import BudgetExceeded, CallRecord, ErrorRaised, TurnMeasured
from duologue.telemetry.call_usage import dollars
from duologue.telemetry.hub import LiveCall

__all__ = ["CallCounters", "CallFollower"]

log: Final = logging.getLogger(CALLS)

MAX_REASONS: Final = 12
"""Reasons that are counted apart: an agent may end calls for reasons of its own making..."""

MAX_REASON: Final = 32
"""...and this many characters of each."""


MAX_SHOWN_TURNS: Final = 50
"""Turns of a live call that are shown, the last ones."""


@dataclass(slots=True)
class CallCounters:
    """What became of the calls of one process, as plain numbers."""

    started: int = 0
    ended: int = 0
    errors: int = 0
    """Errors that were published in calls, by whatever code."""
    hooks_failed: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    """Calls by the reason for which they ended; reasons beyond MAX_REASONS count as "other"."""
    empty: EmptyCalls = field(default_factory=EmptyCalls)
    """Decides which calls are left out of the log."""

    def end(self, reason: str) -> None:
        """Count a call that ended."""
        self.ended += 1
        reason = reason[:MAX_REASON]
        known = reason if reason in self.by_reason or len(self.by_reason) < MAX_REASONS else "other"
        self.by_reason[known] = self.by_reason.get(known, 0) + 1


class CallFollower:
    """Observes one call. Holds the call's record and no reference to its session.

    While the call lives it is in `live`, for operators. `keep` is called with the seconds that it lasted, at its end.
    `trace_id` gives the id of its trace.
    """

    def __init__(
        self,
        info: CallInfo,
        record: CallRecord,
        counters: CallCounters,
        live: MutableMapping[str, LiveCall],
        *,
        log_words: bool,
        keep: Callable[[float], None] | None = None,
        trace_id: Callable[[], str] = str,
    ) -> None:
        self._info = info
        self._record = record
        self._counters = counters
        self._live = live
        self._log_words = log_words
        self._keep = keep
        self._trace_id = trace_id
        self._began = time.monotonic()

    def follow(self, event: Event) -> None:
        """Take what a session tells."""
        match event:
            case events.CallChanged(state="live"):
                self._started()
            case ErrorRaised():
                self._counters.errors += 1
                self._counters.hooks_failed += event.code == HookError.code
            case events.TurnDecided() if self._log_words:
                self._write("call.user", "Call %s, turn %d, user: %s", event.turn, event.text, text=event.text)
            case events.AgentHeard() if self._log_words:
                self._write("call.agent", "Call %s, turn %d, agent: %s", event.turn, event.text, text=event.text)
            case TurnMeasured():
                self._measured(event)
            case BudgetExceeded():
                self._over_budget(event)
            case _:
                pass

    def row(self) -> dict[str, Any]:
        """One line of the list of live calls."""
        record = self._record
        measured = [turn.measured.voice_to_voice for turn in record.turns if turn.measured is not None]
        return {
            "id": self._info.id,
            "pid": os.getpid(),
            "agent": record.agents[-1] if record.agents else self._info.agent,
            "client": self._info.client,
            "age_s": round(time.monotonic() - self._began, 1),
            "turns": len(record.turns),
            "last_s": round(measured[-1], 4) if measured else None,
            "slowest_s": round(max(measured), 4) if measured else None,
            "interruptions": record.interruptions,
            "errors": len(record.errors),
            "cost_usd": dollars(record.usage.cost),
        }

    def page(self) -> dict[str, Any]:
        """The call with its last turns. What was said is left out unless words may be logged."""
        turns = [turn.as_dict() for turn in list(self._record.turns)[-MAX_SHOWN_TURNS:]]
        if not self._log_words:
            for turn in turns:
                for side in ("user", "agent"):
                    turn[side] = {name: value for name, value in turn[side].items() if "text" not in name}
        errors = [{"code": error.code, "turn": error.turn} for error in self._record.errors]
        greeting = self._record.greeting if self._log_words else ""
        return {
            **self.row(),
            "language": self._info.language,
            "voice": self._info.voice,
            "words_are_shown": self._log_words,
            "greeting": greeting,
            "turns_of_call": turns,
            "errors_of_call": errors,
            "usage_of_call": self._record.usage.as_list(),
        }

    def end(self, reason: str) -> None:
        """The call is over."""
        seconds = time.monotonic() - self._began
        self._live.pop(self._info.id, None)
        self._counters.end(reason)
        record = self._record
        if self._keep is not None:
            self._keep(seconds)
        client = self._info.client or ""
        is_shown, left_out = self._counters.empty.end(client, seconds, len(record.turns), time.monotonic())
        if not is_shown:
            return
        fields = {
            "agent": self._info.agent,
            "reason": reason,
            "duration_s": round(seconds, 3),
            "turns": len(record.turns),
            "interruptions": record.interruptions,
            "errors": len(record.errors),
            "left_out": left_out or None,
            "cost_usd": dollars(record.usage.cost),
        }
        shown = f"Call %s ended after {seconds:.1f} s: %s; turns: %d, errors: %d."
        if left_out:
            shown += f" ({left_out} short calls without a turn from the same address were not written.)"
        log.info(
            shown, self._info.id, reason, len(record.turns), len(record.errors), extra=self._extra("call.ended", fields)
        )

    def _started(self) -> None:
        self._counters.started += 1
        self._live[self._info.id] = self
        self._began = time.monotonic()
        info = self._info
        if self._counters.empty.is_flooding(info.client or "", self._began):
            return
        subject = info.claims.get("sub")
        fields = {
            "agent": info.agent,
            "language": info.language,
            "voice": info.voice,
            "client": info.client,
            "subject": subject if isinstance(subject, str) else None,
        }
        log.info(
            "Call %s started: agent %s, from %s.",
            info.id,
            info.agent,
            info.client or "an unknown address",
            extra=self._extra("call.started", fields),
        )

    def _measured(self, event: TurnMeasured) -> None:
        if not log.isEnabledFor(logging.INFO):
            return
        parts = {name: round(seconds, 4) for name, seconds in event.parts.items()}
        fields = {
            "turn": event.turn,
            "voice_to_voice_s": round(event.voice_to_voice, 4),
            "processing_s": round(event.processing, 4),
            "speculation": event.speculation,
            "parts": parts,
        }
        log.info(
            "Call %s, turn %d: answered %.0f ms after the user's last sound: %s.",
            self._info.id,
            event.turn,
            1000 * event.voice_to_voice,
            ", ".join(f"{name.replace('_', ' ')} {1000 * took:.0f}" for name, took in parts.items() if took >= 0.0005),
            extra=self._extra("call.turn", fields),
        )

    def _over_budget(self, event: BudgetExceeded) -> None:
        fields = {"turn": event.turn, "part": event.reason, "took_s": round(event.took, 4), "budget_s": event.budget}
        log.warning(
            "Call %s, turn %d: %s took %.0f ms, and its budget is %.0f ms.",
            self._info.id,
            event.turn,
            event.reason.replace("_", " "),
            1000 * event.took,
            1000 * event.budget,
            extra=self._extra("call.over_budget", fields),
        )

    def _write(self, event: str, line: str, turn: int, words: str, **fields: Any) -> None:
        log.info(line, self._info.id, turn, words, extra=self._extra(event, {"turn": turn, **fields}))

    def _extra(self, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        """What a structured log gets beside the line; `fields` is read by `JsonFormatter`."""
        known = {name: value for name, value in fields.items() if value not in (None, "")}
        trace = {"trace_id": trace_id} if (trace_id := self._trace_id()) else {}
        return {"fields": {"event": event, "call": self._info.id, **trace, **known}}
