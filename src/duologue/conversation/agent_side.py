"""The agent's side of the conversation: replies, prepared or said, from their first clause until they are heard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from duologue.conversation import effects as do
from duologue.conversation import events as tell
from duologue.conversation import inputs as got
from duologue.conversation.barge_in import BargeInWatch
from duologue.conversation.config import RATE, ConversationConfig
from duologue.conversation.effects import Effect
from duologue.conversation.endpointing import Evidence
from duologue.conversation.evidence import Orders
from duologue.conversation.history import History, Message, Segment, heard_text
from duologue.conversation.speculation import keeps
from duologue.conversation.speech import SpeechDetector
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
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError

__all__ = ["AgentSide", "Reply"]


NEARLY = 0.5
"""Seconds before the end of a question in which it may be answered."""


@dataclass(slots=True)
class Reply:
    """One reply or `say`, from its preparation until it has been heard."""

    generation: int
    turn: int
    """0 where nobody asked."""
    text: str
    """The words that it answers, or those of a `say`."""
    interruptible: bool = True
    started: bool = False
    dropped: bool = False
    """Cut off; the shell still owes how much of it was played."""
    segments: list[Segment] = field(default_factory=list)
    sounded: int = 0
    """Samples for which it has sounded."""
    asked_from: int = 0
    """Where the turn began that it answers."""

    @property
    def has_asked(self) -> bool:
        """True where the last of its clauses that was heard to its end, or nearly, is a question."""
        last, end = "", 0.0
        for segment in self.segments:
            end += segment.duration
            if end - NEARLY > self.sounded / RATE:
                break
            last = segment.text
        return last.rstrip().endswith("?")


class AgentSide(ABC):
    """The state of one conversation, and what happens to the agent's replies."""

    def __init__(self, config: ConversationConfig | None = None) -> None:
        self.config = config or ConversationConfig()
        self.call = Machine(CALL_TABLE, CallState.INITIAL)
        self.user = Machine(USER_TABLE, UserState.SILENT)
        self.agent = Machine(AGENT_TABLE, AgentState.IDLE)
        self.history = History(self.config.max_history)
        self.generation = 0
        self.pos = 0
        self._wall = 0.0
        self._out: list[Effect] = []
        self._capabilities = got.CallRequested()
        self._detector = SpeechDetector(self.config.speech)
        self._watch = BargeInWatch(self.config)
        self._orders = Orders()
        self._utterance: Utterance | None = None
        self._reply: Reply | None = None
        self._speculation: Reply | None = None
        self._says: deque[got.SayRequested] = deque()
        self._typed: deque[str] = deque()
        self._turns = 0
        self._speculations = 0
        """Replies prepared for the turn that is open, or was decided last."""
        self._active_at = 0
        self._turn_at = 0
        self._started_at = 0
        self._timer_at = 0
        """Where the next timer may be due; nothing else can happen while nobody speaks and nothing is open."""

    @property
    def state(self) -> SessionState:
        """The one-word view."""
        return session_state(self.call.state, self.user.state, self.agent.state)

    @property
    def speech_owed(self) -> bool:
        """True while a decided turn waits for its reply to sound."""
        return self._reply is not None and not self._reply.started

    @property
    def settled(self) -> bool:
        """True where neither an utterance, nor a reply, nor a `say` is open."""
        return not (self._utterance or self._reply or self._says or self._typed)

    @property
    def end_of_turn(self) -> float | None:
        """Probability that the open turn is over, as scored last; None where no turn is open or none was scored."""
        u = self._utterance
        return u.evidence.probability if u and u.evidence else None

    @property
    def silence(self) -> float | None:
        """Seconds since the last speech of the open turn; None where none is open."""
        return self._seconds_since(self._utterance.last_speech) if self._utterance else None

    @property
    def needs_from(self) -> int:
        """The first sample that may still be asked for."""
        u, start = self._utterance, self.pos - self._detector.hot
        if u and (u.held or self.user.state is UserState.SPEAKING or not self._long_silent(u, start)):
            return u.part_start
        return max(start - round(self.config.speech.prefix_padding * RATE), 0)

    def waits_for_evidence(self, pos: int) -> bool:
        """True where evidence due at or before `pos` has not come; faster than real time, the audio waits for it."""
        return self._orders.waiting_until(pos)

    @abstractmethod
    def _advance(self) -> None:
        """What the mere passing of audio brings."""

    @abstractmethod
    def _end(self, reason: str) -> None:
        """End the call."""

    # --- speculation ---

    def _speculate(self, u: Utterance, e: Evidence) -> None:
        c = self.config
        if self._speculation:
            if keeps(c.speculation, self._speculation.text, e.text):
                return
            self._discard_speculation("words_changed")
        may = self._capabilities.agent_speculates and c.speculation != "off" and not self._reply
        if may and e.probability >= c.speculate_threshold and self._speculations < c.max_speculations:
            self._speculations += 1
            self._speculation = s = Reply(self._raise(), u.turn, e.text)
            self._tell(tell.SpeculationStarted, u.turn, s.generation, e.text, e.reason)
            history = self.history.snapshot()
            self._out.append(do.StartReply(s.generation, u.turn, e.text, history, speculative=True))

    def _discard_speculation(self, reason: str) -> None:
        s, self._speculation = self._speculation, None
        if s:
            self._raise()
            self._tell(tell.SpeculationDiscarded, s.turn, s.generation, reason)
            self._out.append(do.DiscardReply(s.generation, rollback=True))

    # --- the agent speaks ---

    def _say(self, say: got.SayRequested) -> None:
        self._reply = Reply(self._raise(), 0, say.text, say.interruptible)
        self._out.append(do.StartSpeech(self._reply.generation, say.text, say.id))

    def _answer(self, turn: int, text: str, start: int) -> None:
        """Have a decided turn, which began at `start`, answered by the reply that was prepared for it if that fits."""
        history = self.history.snapshot()
        self.history.add(Message("user", text))
        s = self._speculation
        if s and s.turn == turn and keeps(self.config.speculation, s.text, text):
            self._reply, self._speculation = s, None
            s.text = text
            self._out.append(do.CommitReply(s.generation))
            for segment in s.segments:
                self._tell(tell.AgentSaid, s.generation, segment.text)
        else:
            self._discard_speculation("words_changed")
            self._reply = Reply(self._raise(), turn, text)
            self._out.append(do.StartReply(self._reply.generation, turn, text, history, speculative=False))
        self._reply.asked_from = start

    def _say_requested(self, i: got.SayRequested) -> None:
        if len(self._says) >= self.config.max_queued_says:
            raise InvalidStateError(f"{len(self._says)} texts wait to be said already; wait for playout.")
        self._says.append(i)
        self._advance()

    def _speech_queued(self, i: got.SpeechQueued) -> None:
        if self._speculation and self._speculation.generation == i.generation:
            self._speculation.segments.append(i.segment)
        elif self._reply and self._reply.generation == i.generation and not self._reply.dropped:
            self._reply.segments.append(i.segment)
            self._tell(tell.AgentSaid, i.generation, i.segment.text)

    def _playout_started(self, i: got.PlayoutStarted) -> None:
        r = self._reply
        if r and r.generation == i.generation and not r.started:
            r.started = True
            self._watch = BargeInWatch(self.config)
            self._set_agent("playout_start", "reply" if r.turn else "say")

    def _playout_finished(self, i: got.PlayoutFinished) -> None:
        r = self._reply
        if r is None or r.generation != i.generation:
            return
        if r.started:
            self._heard(i)
        else:
            self._fail(r, "empty")
        if i.end_call and not r.dropped:
            self._end(i.end_call)
        else:
            self._advance()

    def _heard(self, i: got.PlayoutFinished) -> None:
        """Write down what was heard of the reply that sounds."""
        r = self._reply
        if r is None or r.generation != i.generation:
            return
        self._reply = None
        said = " ".join(s.text for s in r.segments)
        text, certain = heard_text(r.segments, i.played) if r.dropped else (said, True)
        estimated = i.estimated or not certain
        if text:
            self.history.add(Message("agent", text, said, r.dropped, estimated))
        self._tell(tell.AgentHeard, r.generation, r.turn, text, said, r.dropped, estimated)
        self._active_at = self.pos
        self._set_agent("playout_end", "interrupted" if r.dropped else "finished")

    def _reply_failed(self, i: got.ReplyFailed) -> None:
        r = self._reply
        if self._speculation and self._speculation.generation == i.generation:
            self._discard_speculation(i.code)
        elif r and r.generation == i.generation and not r.started:
            self._fail(r, i.code)
            self._advance()

    def _fail(self, r: Reply, code: str) -> None:
        """No sound of the reply will ever come."""
        self._reply = None
        self._raise()
        self._active_at = self.pos
        if r.turn:
            self._set_agent("reply_dropped", code)
            if code != "empty":
                self._apologise()

    def _apologise(self) -> None:
        """Something failed that the user waits for: better a word than dead air."""
        if self.config.apology:
            self._says.appendleft(got.SayRequested(self.config.apology))

    def _interrupt_requested(self, _: got.InterruptRequested) -> None:
        self._says.clear()
        self._drop_reply("request")
        self._advance()

    def _may_interrupt(self, r: Reply) -> bool:
        return r.interruptible and self.config.barge_in.enabled

    def _barge_in(self, samples: int, probability: float, explained: float = 0.0) -> None:
        r = self._reply
        if r is None or not r.started or r.dropped:
            return
        if self.agent.state is not AgentState.PAUSED:
            r.sounded += samples
        if not self._may_interrupt(r):
            return
        g = r.generation
        match self._watch.window(samples, probability, explained, self.agent.state):
            case "duck":
                self._duck(g)
            case "pause":
                if self.agent.state is AgentState.SPEAKING:
                    self._duck(g)
                self._set_agent("pause", "speech")
                self._out.append(do.Pause(g))
            case "unduck":
                self._go_on(r, "too_short")
            case "resume":
                self._go_on(r, "silence")
            case "interrupt" if self._utterance:
                self._drop_reply("duration")
            case _:
                pass

    def _duck(self, generation: int) -> None:
        self._set_agent("duck", "onset")
        self._out.append(do.Duck(generation))

    def _go_on(self, r: Reply, reason: str) -> None:
        """Give the floor back to the reply, if it was ducked or paused."""
        if r.dropped or self.agent.state not in (AgentState.DUCKED, AgentState.PAUSED):
            return
        if reason != "backchannel":
            self._tell(tell.FalseInterruption, r.generation, reason)
        self._watch = BargeInWatch(self.config)
        if self.agent.state is AgentState.DUCKED:
            self._set_agent("unduck", reason)
            self._out.append(do.Unduck(r.generation))
        else:
            self._set_agent("resume", reason)
            self._out.append(do.Resume(r.generation))

    def _drop_reply(self, reason: str) -> None:
        """Cut the reply off. If any of it sounded, the shell answers with PlayoutFinished before anything else."""
        r = self._reply
        if r is None or r.dropped:
            return
        self._raise()
        self._tell(tell.Interrupted, r.generation, reason)
        self._out.append(do.DiscardReply(r.generation, rollback=not r.started))
        if r.started:
            r.dropped = True
            return
        self._reply = None
        if r.turn:
            self._set_agent("reply_dropped", reason)

    # --- small things ---

    def _raise(self) -> int:
        self.generation += 1
        return self.generation

    def _tell(self, event: Callable[..., tell.Event], *fields: Any) -> None:
        self._out.append(event(self.pos, self._wall, *fields))

    def _set_user(self, trigger: str, reason: str) -> None:
        before = self.user.fire(trigger)
        if trigger != "away":
            self._active_at = self.pos
        self._tell(tell.UserChanged, before, self.user.state, reason)

    def _padded(self, start: int) -> int:
        r, c = self._reply, self.config
        over_the_agent = r is not None and r.started and not r.dropped
        return max(start - round((c.barge_in if over_the_agent else c.speech).prefix_padding * RATE), 0)

    def _long_silent(self, u: Utterance, start: int) -> bool:
        """True where speech from `start` on comes after so long a silence that it is understood on its own."""
        return start - u.last_speech > self.config.split_after * RATE

    def _set_agent(self, trigger: str, reason: str) -> None:
        before = self.agent.fire(trigger)
        self._tell(tell.AgentChanged, before, self.agent.state, reason)

    def _seconds_since(self, pos: int) -> float:
        return (self.pos - pos) / RATE
