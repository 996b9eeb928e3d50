"""The agent's side of the conversation: replies, prepared or said, from their first clause until they are heard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
from duologue.conversation.history import TRAILING_SILENCE, History, Message, Segment, heard_text
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
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError

__all__ = ["AgentSide", "Reply"]


NEARLY = 0.5
"""Seconds before its end at which a clause counts as heard..."""
ANSWERABLE = 0.4
"""...and the share of a question after which it may be answered: people answer what they see coming."""


@dataclass(slots=True)
class Reply:
    """One reply or `say`, from its preparation until it has been heard."""

    generation: int
    turn: int
    """0 for a `say`."""
    text: str
    """The words that it answers, or those of a `say`."""
    began: int = 0
    """Where it was requested."""
    interruptible: bool = True
    say: int = 0
    """The id of a `say`."""
    says: tuple[got.SayRequested, ...] = ()
    """Texts that waited for the floor and are spoken as its beginning."""
    own_says: list[got.SayRequested] = field(default_factory=list)
    """Texts that the agent had said while it answered."""
    started: bool = False
    held: bool = False
    """It may not sound before it is known whether the user speaks."""
    dropped: bool = False
    """Cut off; the shell still owes how much of it was played."""
    failed: str = ""
    """The error code if it broke off after it had begun to sound."""
    end_call: str = ""
    """The reason if the agent asked for the call to end with it."""
    segments: list[Segment] = field(default_factory=list)
    reported: int = 0
    """How many segments are in the history already."""
    sounded: int = 0
    """Samples for which it has sounded."""
    asked_from: int = 0
    """Where the turn began that it answers."""

    @property
    def has_asked(self) -> bool:
        """True if the user has heard enough of a question to answer it, and little of what follows it."""
        heard, asked, end = self.sounded / RATE, False, 0.0
        for segment in self.segments:
            start, end = end, end + segment.duration
            if heard < start:
                break
            if segment.asks_from is not None:
                start += segment.asks_from
                asked = asked or heard >= min(start + ANSWERABLE * (end - start), end - NEARLY)
            elif heard >= end - NEARLY:
                asked = False
        return asked

    @property
    def is_protected(self) -> bool:
        """True while the part that sounds must not be interrupted."""
        end = 0.0
        for segment in self.segments:
            end += segment.duration
            if self.sounded / RATE < end:
                return not segment.interruptible
        return False


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
        self._typed = TypedText(self.config)
        self._turns = 0
        self._speculations = 0
        """Replies prepared for the turn that is open, or was decided last."""
        self._timers = CallTimers(self.config)
        self._ending = ""
        """The reason for which the call ends as soon as nothing is owed any more."""
        self._ends_by: int | None = None
        """Where it ends at the latest; None if the user may still change the agent's mind with a turn."""

    @property
    def state(self) -> SessionState:
        """The one-word view."""
        return session_state(self.call.state, self.user.state, self.agent.state)

    @property
    def speech_owed(self) -> bool:
        """True while a decided turn waits for its reply to sound, and nothing but the reply is waited for."""
        return self._reply is not None and not (self._reply.started or self._reply.held)

    @property
    def closing(self) -> bool:
        """True while the call waits for speech that is owed, and then ends."""
        return bool(self._ending) and self.call.state is CallState.LIVE

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
        return max(min(start - round(self.config.speech.prefix_padding * RATE), self._first_doubtful(start)), 0)

    def waits_for_evidence(self, pos: int) -> bool:
        """True where evidence due at or before `pos` has not come; faster than real time, the audio waits for it."""
        return self._orders.waiting_until(pos)

    @abstractmethod
    def _advance(self) -> None:
        """What the mere passing of audio brings."""

    @abstractmethod
    def _reply_gone(self) -> None:
        """A reply that has not sounded was given up for good: nothing continues its turn any more."""

    @abstractmethod
    def _check_words(self, u: Utterance) -> None:
        """Have the words so far recognized, of speech that goes on."""

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
        may = self._capabilities.agent_speculates and c.speculation != "off" and not self._reply and not self._says
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
            self._reply_over(s, reason)
            self._tell(tell.SpeculationDiscarded, s.turn, s.generation, reason)
            self._out.append(do.DiscardReply(s.generation, rollback=True))

    # --- the agent speaks ---

    def _say(self, say: got.SayRequested) -> None:
        r = Reply(self._raise(), 0, say.text, self.pos, say.interruptible, say.id)
        self._reply = r
        self._out.append(do.StartSpeech(r.generation, say.text, say.id, say.interruptible))

    def _answer(self, turn: int, text: str, start: int) -> None:
        """Have a decided turn, which began at `start`, answered by the reply that was prepared for it if that fits.

        What waits to be said was asked for before: it comes first, in the same reply, while the agent thinks.
        """
        history = self.history.snapshot()
        self.history.add(Message("user", text))
        s, says = self._speculation, tuple(self._says)
        if s and s.turn == turn and not says and keeps(self.config.speculation, s.text, text):
            self._reply, self._speculation = s, None
            s.text, s.began = text, self.pos
            self._out.append(do.CommitReply(s.generation))
            for segment in s.segments:
                self._tell(tell.AgentSaid, s.generation, segment.text)
        else:
            self._discard_speculation("words_changed")
            self._says.clear()
            r = self._reply = Reply(self._raise(), turn, text, self.pos, says=says)
            self._out.append(do.StartReply(r.generation, turn, text, history, speculative=False, says=says))
        self._reply.asked_from = start

    def _say_requested(self, i: got.SayRequested) -> None:
        if i.within:
            self._said_in_turn(i)
            return
        self._check_room(len(self._says))
        self._says.append(i)
        self._advance()

    def _speech_queued(self, i: got.SpeechQueued) -> None:
        if self._speculation and self._speculation.generation == i.generation:
            self._speculation.segments.append(i.segment)
        elif (r := self._current(i.generation)) and not r.dropped:
            r.segments.append(i.segment)
            self._tell(tell.AgentSaid, i.generation, i.segment.text)

    def _playout_started(self, i: got.PlayoutStarted) -> None:
        r = self._current(i.generation)
        if r and not r.started:
            r.started = True
            self._watch = BargeInWatch(self.config)
            self._set_agent("playout_start", "reply" if r.turn else "say")

    def _speech_played(self, i: got.SpeechPlayed) -> None:
        r = self._current(i.generation)
        if r is None:
            return
        self._report(r, i.played, i.estimated, finished=False)
        for say in [say for say in self._unspoken(r.own_says, r) if say.id == i.say]:
            r.own_says.remove(say)
            self._tell(tell.SayEnded, say.id, say.text, "", True, "empty")

    def _playout_finished(self, i: got.PlayoutFinished) -> None:
        r = self._current(i.generation)
        if r is None:
            return
        if r.started:
            self._heard(i)
            if not r.dropped:
                self._finished(r)
        else:
            self._fail(r, "empty")
        self._advance()

    def _finished(self, r: Reply) -> None:
        """The reply was heard to its end."""
        if r.end_call:
            self._ending, self._ends_by = r.end_call, None
        elif r.failed and r.turn:
            self._apologise()

    def _heard(self, i: got.PlayoutFinished) -> None:
        """Write down what was heard of the reply that sounds."""
        r = self._current(i.generation)
        if r is None:
            return
        self._reply = None
        said = " ".join(s.text for s in r.segments)
        confirmed = i.confirmed and not r.dropped
        heard, estimated = self._report(r, i.played, i.estimated, finished=True, confirmed=confirmed)
        self._tell(tell.AgentHeard, r.generation, r.turn, heard, said, r.dropped, estimated)
        self._reply_over(r, "interrupted")
        self._timers.agent_done(r.began, self.pos)
        self._set_agent("playout_end", "interrupted" if r.dropped else "finished")

    def _report(
        self, r: Reply, played: float, estimated: bool, *, finished: bool, confirmed: bool = False
    ) -> tuple[str, bool]:
        """Add what was heard of `r` in `played` seconds to the history: a message for each `say`, one for the rest.

        `finished`: nothing more of it will be heard; otherwise only what was heard whole, and is followed by more, is
        added. `confirmed`: all of it was heard, whatever `played` is. Returns all of its heard words, and whether they
        are estimated.
        """
        heard: list[str] = []
        at, start = 0.0, 0
        for part, following in _parts(r.segments):
            length = sum(segment.duration for segment in part)
            said = " ".join(segment.text for segment in part)
            whole = start < r.reported or confirmed or played >= at + length - TRAILING_SILENCE
            text, certain = (said, True) if whole else heard_text(part, max(played - at, 0.0))
            heard.append(text)
            estimated = estimated or not certain
            if start >= r.reported and (finished or (whole and (following or part[0].say is not None))):
                cut = not whole or (r.dropped and not following)
                if text:
                    self.history.add(Message("agent", text, said, cut, estimated))
                self._say_heard(r, part[0].say, said, text, cut)
                r.reported = start + len(part)
            at, start = at + length, start + len(part)
        return " ".join(text for text in heard if text), estimated

    def _say_heard(self, r: Reply, say: int | None, said: str, text: str, cut: bool) -> None:
        """Report the end of a `say`, alone or inside a reply."""
        if r.turn and say is None:
            return
        broken = bool(r.failed) and not r.turn
        reason = r.failed if broken else "interrupted" if cut else "finished"
        self._tell(tell.SayEnded, r.say if say is None else say, said, text, cut or broken, reason)

    def _unspoken(self, says: Sequence[got.SayRequested], r: Reply) -> list[got.SayRequested]:
        """Those of `says` of which nothing was ready to be spoken."""
        spoken = {segment.say for segment in r.segments}
        return [say for say in says if say.id not in spoken]

    def _reply_over(self, r: Reply, reason: str) -> None:
        """Nothing more of a reply will sound: what waited for the floor waits again, the agent's own is given up."""
        self._says.extendleft(reversed(self._unspoken(r.says, r)))
        for say in self._unspoken(r.own_says, r):
            self._tell(tell.SayEnded, say.id, say.text, "", True, reason)
        r.says, r.own_says = (), []

    def _check_room(self, waiting: int) -> None:
        if waiting >= self.config.max_queued_says:
            raise InvalidStateError(f"{waiting} texts wait to be said already; wait for playout.")

    def _said_in_turn(self, i: got.SayRequested) -> None:
        """The agent says something while it answers: a part of its reply."""
        s = self._speculation
        r = s if s and s.generation == i.within else self._current(i.within)
        if r and not r.dropped:
            self._check_room(len(self._unspoken(r.own_says, r)))
            r.own_says.append(i)
        else:
            self._tell(tell.SayEnded, i.id, i.text, "", True, "interrupted")

    def _hang_up_requested(self, i: got.HangUpRequested) -> None:
        r = self._speculation if self._speculation and self._speculation.generation == i.generation else self._reply
        if r and r.generation == i.generation:
            r.end_call = i.reason

    def _reply_failed(self, i: got.ReplyFailed) -> None:
        r = self._current(i.generation)
        if self._speculation and self._speculation.generation == i.generation:
            self._discard_speculation(i.code)
        elif r and r.started:
            r.failed = i.code
        elif r:
            self._fail(r, i.code)
            self._advance()

    def _fail(self, r: Reply, code: str) -> None:
        """No sound of the reply will ever come."""
        self._reply = None
        self._raise()
        self._timers.agent_done(r.began, self.pos)
        if not r.turn:
            self._tell(tell.SayEnded, r.say, r.text, "", True, code)
            return
        self._reply_over(r, code)
        self._set_agent("reply_dropped", code)
        if r.end_call and code == "empty":
            self._ending, self._ends_by = r.end_call, None
        elif not self._continue_failed(r, code) and code != "empty":
            self._apologise()  # an agent that may stay silent and does has not failed

    @abstractmethod
    def _continue_failed(self, r: Reply, code: str) -> bool:
        """If the user may be going on with the turn that `r` should have answered, open it again."""

    def _current(self, generation: int) -> Reply | None:
        """The reply that has the floor, if it is of this generation."""
        r = self._reply
        return r if r and r.generation == generation else None

    def _apologise(self) -> None:
        """Something failed that the user waits for: better a word than dead air."""
        if self.config.apology:
            self._says.appendleft(got.SayRequested(self.config.apology))

    def _interrupt_requested(self, _: got.InterruptRequested) -> None:
        self._silence("request")
        self._advance()

    def _silence(self, reason: str) -> None:
        """Cut the reply off, and give up what waits to be said."""
        r = self._reply
        if r:
            self._says.extend(self._unspoken(r.says, r))
            r.says = ()
        self._drop_reply(reason)
        self._reply_gone()
        while self._says:
            say = self._says.popleft()
            self._tell(tell.SayEnded, say.id, say.text, "", True, reason)

    def _may_interrupt(self, r: Reply) -> bool:
        return r.interruptible and self.config.barge_in.enabled and not r.is_protected

    def _barge_in(self, samples: int, probability: float, explained: float = 0.0) -> None:
        r, u = self._reply, self._utterance
        if r is None or not r.started or r.dropped:
            return
        if self.agent.state is not AgentState.PAUSED:
            r.sounded += samples
        if not self._may_interrupt(r) or (u and u.wordless):
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
            case "confirm" if u:
                self._check_words(u)
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

    def _hold(self, r: Reply) -> None:
        """The user may be speaking: do not let the reply sound before that is known."""
        if not r.held:
            r.held = True
            self._out.append(do.Hold(r.generation))

    def _release(self, r: Reply) -> None:
        """It was nothing, or the user's words do not matter to the reply."""
        if r.held:
            r.held = False
            self._out.append(do.Release(r.generation))

    def _drop_reply(self, reason: str) -> None:
        """Cut the reply off. If any of it sounded, the shell answers with PlayoutFinished before anything else.

        A `say` that has not sounded waits for the floor again, unless it is given up for good.
        """
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
        self._timers.agent_done(r.began, self.pos)
        if r.turn:
            self._reply_over(r, reason)
            self._set_agent("reply_dropped", reason)
        else:
            self._says.appendleft(got.SayRequested(r.text, r.interruptible, r.say))

    # --- small things ---

    def _raise(self) -> int:
        self.generation += 1
        return self.generation

    def _tell(self, event: Callable[..., tell.Event], *fields: Any) -> None:
        self._out.append(event(self.pos, self._wall, *fields))

    def _set_user(self, trigger: str, reason: str) -> None:
        before = self.user.fire(trigger)
        self._timers.active_at = self.pos
        self._tell(tell.UserChanged, before, self.user.state, reason)

    def _padded(self, start: int) -> int:
        """Where an utterance begins whose speech was detected at `start`."""
        r, c = self._reply, self.config
        over_the_agent = r is not None and r.started and not r.dropped
        padding = round((c.barge_in if over_the_agent else c.speech).prefix_padding * RATE)
        return max(min(start - padding, self._first_doubtful(start)), 0)

    def _first_doubtful(self, start: int) -> int:
        """Where the sound that leads to speech at `start` began to resemble speech: words often begin softly."""
        d = self._detector
        return max(start - (d.doubtful - d.hot), start - round(self.config.speech.longest_onset * RATE))

    def _long_silent(self, u: Utterance, start: int) -> bool:
        """True where speech from `start` on comes after so long a silence that it is understood on its own."""
        return start - u.last_speech > self.config.split_after * RATE

    def _set_agent(self, trigger: str, reason: str) -> None:
        before = self.agent.fire(trigger)
        self._tell(tell.AgentChanged, before, self.agent.state, reason)

    def _seconds_since(self, pos: int) -> float:
        return (self.pos - pos) / RATE


def _parts(segments: Sequence[Segment]) -> Iterator[tuple[list[Segment], bool]]:
    """The segments of each `say` inside a reply, and those between; and whether others follow."""
    start = 0
    for i in range(1, len(segments) + 1):
        if i == len(segments) or segments[i].say != segments[start].say:
            yield list(segments[start:i]), i < len(segments)
            start = i
