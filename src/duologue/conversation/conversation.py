"""One conversation: every input goes through `handle`, and what is to be done comes back as effects.

A turn passes through the parts in this order: the user speaks and falls silent (`UserTurn.hear`), their words are
requested (`PendingRequests.request_transcript`) and understood (`Endpointer.apply_due`), the turn is decided
(`Endpointer.evaluate`, `Endpointer.decide`), and the reply is prepared, played, and heard or interrupted (`Floor`).

The parts refer to each other in one direction only: `Keyboard` → `Endpointer` → `UserTurn` → `Speculation` → `Floor`.
What goes the other way goes through this module, so that a finished conversation is no reference cycle.

The module is over 300 lines because it has a method for each input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from duologue.conversation import events, inputs
from duologue.conversation.call import Call
from duologue.conversation.config import ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.dead_air import DeadAir
from duologue.conversation.effects import Effect
from duologue.conversation.ending import PendingEnd
from duologue.conversation.endpointer import Endpointer
from duologue.conversation.evidence import Answer
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message
from duologue.conversation.inputs import Input, Now
from duologue.conversation.keyboard import Keyboard
from duologue.conversation.reply import Reply
from duologue.conversation.speculation import Speculation
from duologue.conversation.state import AgentState, CallState, Machine, SessionState, UserState, session_state
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn

__all__ = ["Conversation"]

FADING: Final = 0.9
"""After an echo the probability of the detector falls by this factor or more a window, unless the user speaks."""


class Conversation:
    """The rules of one call: a state machine in audio time, without a clock and without I/O."""

    def __init__(self, config: ConversationConfig | None = None) -> None:
        config = config or ConversationConfig()
        context = Context(config)
        self.config: ConversationConfig = config
        self.context: Context = context
        self._echo = 0.0
        """The probability of the last window if that was an echo of the agent, or what the detector remembers of it."""
        self.history: History = History(config.max_history)
        self.timers: CallTimers = CallTimers(config)
        self.typed: TypedText = TypedText(config)
        self.ending: PendingEnd = PendingEnd()
        self.floor: Floor = Floor(context, self.history, self.timers)
        self.speculation: Speculation = Speculation(context, self.floor, self.history)
        self.user_turn: UserTurn = UserTurn(context, self.floor, self.speculation, self.history, self.timers)
        self.endpointer: Endpointer = Endpointer(
            context, self.user_turn, self.floor, self.speculation, self.typed, self.ending, self.history, self.timers
        )
        self.keyboard: Keyboard = Keyboard(
            context, self.typed, self.endpointer, self.user_turn, self.floor, self.history
        )
        self.dead_air: DeadAir = DeadAir(context, self.user_turn, self.floor, self.timers)
        self.call: Call = Call(context, self.floor, self.user_turn, self.typed, self.ending, self.timers)

    def handle(self, input_: Input, now: Now) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Raises:
            InvalidStateError: A call was started twice, a turn begun twice or ended before it began, or too much waits.
        """
        c = self.context
        if now.pos > c.pos:
            c.pos = now.pos
        c.wall, c.effects = now.wall, []
        if self.call.machine.state is CallState.LIVE or isinstance(input_, inputs.CallRequested | inputs.EndRequested):
            HANDLERS[type(input_)](self, input_)
        elif isinstance(input_, inputs.PlayoutFinished):
            self.floor.finish(input_)
        return c.effects

    def resume(self, history: Sequence[Message], turn: int, generation: int) -> None:
        """Continue the call of another conversation, before this one starts."""
        for message in history:
            self.history.add(message)
        self.user_turn.last_turn = turn
        self.floor.generation = generation

    # --- what the session reads ---

    @property
    def state(self) -> SessionState:
        """The one-word view."""
        return session_state(self.call.state, self.user.state, self.agent.state)

    @property
    def user(self) -> Machine[UserState]:
        """What the user does."""
        return self.user_turn.user

    @property
    def agent(self) -> Machine[AgentState]:
        """What the agent does."""
        return self.floor.agent

    @property
    def pos(self) -> int:
        """Position of the newest input."""
        return self.context.pos

    @property
    def generation(self) -> int:
        """Generation of the newest reply; output of an older one is stale."""
        return self.floor.generation

    @property
    def speech_owed(self) -> bool:
        """True while a decided turn waits for its reply to be played, and nothing but the reply is waited for."""
        r = self.floor.reply
        return r is not None and not (r.started or r.held)

    @property
    def is_idle(self) -> bool:
        """True if neither an utterance, nor a reply, nor a `say`, nor typed text is open."""
        return not (self.user_turn.utterance or self.floor.reply or self.floor.says or self.typed.texts)

    @property
    def is_held(self) -> bool:
        """True while the button to talk is down."""
        u = self.user_turn.utterance
        return u is not None and u.held

    @property
    def end_of_turn(self) -> float | None:
        """Probability that the open turn is over, as scored last; None if no turn is open or none was scored."""
        u = self.user_turn.utterance
        return u.evidence.probability if u and u.evidence else None

    @property
    def silence(self) -> float | None:
        """Seconds since the last speech of the open turn; None if none is open."""
        u = self.user_turn.utterance
        return self.context.seconds_since(u.last_speech) if u else None

    @property
    def needs_from(self) -> int:
        """The first sample that may still be asked for."""
        return self.user_turn.needs_from

    def waits_for_evidence(self, pos: int) -> bool:
        """Return True if evidence due at or before `pos` has not come; audio faster than real time waits for it."""
        return self.user_turn.requests.is_waiting(pos)

    # --- audio ---

    def _window(self, w: inputs.VadScored) -> None:
        c, u, detector = self.config, self.user_turn, self.user_turn.detector
        p = w.probability
        # After an echo the detector remembers it for a few windows that playout no longer explains.
        if w.echo_ratio >= c.barge_in.echo_threshold or p <= FADING * self._echo:
            self._echo, p = p, 0.0
        else:
            self._echo = 0.0
        is_quiet = p < c.speech.doubt_threshold and not detector.speaking
        if is_quiet and self.context.pos < self.timers.next_at and self.is_idle:
            detector.silence(w.start, w.end)  # most windows of most calls end here
            return
        if u.listens:
            u.hear(w.start, w.end, p)
            if self.floor.reply is not None:
                self._barge_in(w.end - w.start, p, w.echo_ratio)
            if u.utterance is not None:
                self.endpointer.check_waiting(w.end)
        if u.utterance is not None:
            u.follow(w.end, p)
        self._advance()

    def _gap(self, g: inputs.Gap) -> None:
        self.context.publish(events.AudioGap, g.start, g.end, g.reason)
        if self.user_turn.listens:
            self.user_turn.hear_gap(g.start, g.end)
            if self.floor.reply is not None:
                self._barge_in(g.end - g.start, 0.0, 0.0)
        else:
            self.user_turn.pass_over_gap(g.start, g.end)
        self._advance()

    def _barge_in(self, samples: int, probability: float, echo_ratio: float) -> None:
        u = self.user_turn.utterance
        wordless = u is not None and u.wordless
        if self.floor.hear_user(samples, probability, echo_ratio, wordless=wordless) and u:
            self.endpointer.check_words(u)

    def _advance(self) -> None:
        """Do what the passing of audio brings: evidence that is due, decisions, the floor, timers."""
        if self.user_turn.requests.open:
            self.endpointer.apply_due()
        if self.ending.deadline is None:
            if self.user_turn.utterance is not None:
                self.endpointer.evaluate()
            if self.typed.texts:
                self.keyboard.answer()
        if self.floor.says and not self.floor.reply and (self.ending.is_final or not self.user_turn.has_floor):
            self.floor.say_next()
        self.dead_air.check()
        self.call.check_timers()

    def _call_requested(self, i: inputs.CallRequested) -> None:
        self.call.start(i)
        self._advance()

    # --- evidence, button, keyboard ---

    def _answered(self, answer: Answer) -> None:
        request = self.user_turn.requests.answer(answer)
        if request:
            if request.is_refused:
                self.endpointer.retry_sound(request)
            self.endpointer.prepare_early()
            self._advance()

    def _latency_measured(self, i: inputs.WordsLatencyMeasured) -> None:
        self.context.capabilities = replace(self.context.capabilities, words_latency=i.seconds)

    def _turn_judged(self, i: inputs.TurnJudged) -> None:
        self.endpointer.take_opinion(i)
        self._advance()

    def _text_arrived(self, i: inputs.TextArrived) -> None:
        if i.text.strip():
            self.keyboard.take(i)
            self._advance()

    def _clear_requested(self, _: inputs.ClearRequested) -> None:
        self.typed.clear()
        self.user_turn.silence_agent("request")
        self.user_turn.reset("request")
        self._advance()

    # --- the agent speaks ---

    def _say_requested(self, i: inputs.SayRequested) -> None:
        if i.within:
            self.floor.say_within(i, self._reply_of(i.within))
            return
        self.floor.queue_say(i)
        self._advance()

    def _speech_queued(self, i: inputs.SpeechQueued) -> None:
        prepared = self.speculation.of(i.generation)
        if prepared:
            prepared.add(i.segment)
        else:
            self.floor.speech_queued(i)

    def _playout_finished(self, i: inputs.PlayoutFinished) -> None:
        r = self.floor.current(i.generation)
        if r is None:
            return
        if not r.started:
            self._fail(r, "empty")
        else:
            self.floor.finish(i)
            if r.end_call and not r.dropped:
                self.ending.unless_a_turn_follows(r.end_call)
            elif r.failed and r.turn and not r.dropped:
                self.floor.apologize()
        self._advance()

    def _hang_up_requested(self, i: inputs.HangUpRequested) -> None:
        r = self._reply_of(i.generation)
        if r:
            r.end_call = i.reason

    def _answer_expected(self, i: inputs.AnswerExpected) -> None:
        r = self._reply_of(i.generation)
        if r:
            r.declared = i.expected
        elif not i.generation:
            self.floor.expect(i.expected)

    def _reply_failed(self, i: inputs.ReplyFailed) -> None:
        r = self.floor.current(i.generation)
        if self.speculation.of(i.generation):
            self.speculation.discard(i.code)
        elif r and r.started:
            r.failed = i.code
        elif r:
            self._fail(r, i.code)
            self._advance()

    def _fail(self, r: Reply, code: str) -> None:
        """Nothing of the reply will ever be played."""
        self.floor.fail(r, code)
        if not r.turn:
            return
        if r.end_call and code == "empty":
            self.ending.unless_a_turn_follows(r.end_call)
        elif not self.user_turn.reopen_after_failure(r, code) and code != "empty":
            self.floor.apologize()  # an agent that may stay silent and does has not failed

    def _interrupt_requested(self, _: inputs.InterruptRequested) -> None:
        self.user_turn.silence_agent("request")
        self._advance()

    def _reply_of(self, generation: int) -> Reply | None:
        """Return the reply that is prepared or has the floor, if it is of this generation."""
        return self.speculation.of(generation) or self.floor.current(generation)


HANDLERS: dict[type, Callable[[Conversation, Any], None]] = {
    inputs.CallRequested: Conversation._call_requested,
    inputs.EndRequested: lambda c, i: c.call.request_end(i),
    inputs.VadScored: Conversation._window,
    inputs.Gap: Conversation._gap,
    inputs.WordsArrived: Conversation._answered,
    inputs.SoundScored: Conversation._answered,
    inputs.EvidenceFailed: Conversation._answered,
    inputs.WordsLatencyMeasured: Conversation._latency_measured,
    inputs.TurnJudged: Conversation._turn_judged,
    inputs.PartialArrived: lambda c, i: c.user_turn.show_partial(i),
    inputs.TurnBegun: lambda c, _: c.user_turn.press(),
    inputs.TurnEnded: lambda c, _: c.user_turn.release(),
    inputs.TextArrived: Conversation._text_arrived,
    inputs.SayRequested: Conversation._say_requested,
    inputs.InterruptRequested: Conversation._interrupt_requested,
    inputs.ClearRequested: Conversation._clear_requested,
    inputs.SpeechQueued: Conversation._speech_queued,
    inputs.PlayoutStarted: lambda c, i: c.floor.playout_started(i),
    inputs.SpeechPlayed: lambda c, i: c.floor.speech_played(i),
    inputs.SpeechStarved: lambda c, i: c.dead_air.starved(i),
    inputs.SpeechResumed: lambda c, i: c.dead_air.resumed(i),
    inputs.PlayoutFinished: Conversation._playout_finished,
    inputs.HangUpRequested: Conversation._hang_up_requested,
    inputs.SettingsChanged: lambda c, i: c.context.change_settings(i),
    inputs.AnswerExpected: Conversation._answer_expected,
    inputs.ReplyFailed: Conversation._reply_failed,
}
