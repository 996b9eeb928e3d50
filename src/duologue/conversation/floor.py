"""The floor: which reply of the agent is prepared or played, what waits for it, and what a barge-in does to it.

The module is over 300 lines because replies, texts to be said and barge-ins change the same state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from duologue.audio.format import RATE
from duologue.conversation import effects, events, inputs
from duologue.conversation.barge_in import BargeInWatch
from duologue.conversation.context import Context
from duologue.conversation.history import History, Message
from duologue.conversation.question import Expected
from duologue.conversation.reply import HeardPart, Reply
from duologue.conversation.state import AGENT_TABLE, AgentState, Machine
from duologue.conversation.timers import CallTimers
from duologue.errors import InvalidStateError

__all__ = ["Floor"]


class Floor:
    """The agent's side: at most one reply at a time, and texts that wait to be said.

    It has no access to the user's turn: the caller decides what an outcome means for that turn.
    """

    def __init__(self, context: Context, history: History, timers: CallTimers) -> None:
        self._context = context
        self._config = context.config
        self._history = history
        self._timers = timers
        self.agent: Machine[AgentState] = Machine(AGENT_TABLE, AgentState.IDLE)
        self.generation: int = 0
        """Raised by every new reply and every cut-off: output of an older generation is stale."""
        self.reply: Reply | None = None
        self.says: deque[inputs.SayRequested] = deque()
        self._watch = BargeInWatch(context.config)
        self._expected: Expected | None = None
        """What the reply that was heard last has asked for."""

    @property
    def is_free(self) -> bool:
        """True if no reply is open and nothing waits to be said."""
        return self.reply is None and not self.says

    @property
    def owes_speech(self) -> bool:
        """True if more is to be said than has been played."""
        return bool(self.says) or (self.reply is not None and not self.reply.dropped)

    @property
    def expected(self) -> Expected | None:
        """What the agent has asked the user for, as far as they have heard it; None if it has asked nothing."""
        r = self.reply
        return self._asked_by(r) if r and r.started else self._expected

    def expect(self, expected: Expected) -> None:
        """Expect another answer than the last reply seemed to ask for."""
        self._expected = expected

    def _asked_by(self, r: Reply) -> Expected | None:
        expected = r.expected
        return self._expected if expected and expected.kind == "same" else expected

    def current(self, generation: int) -> Reply | None:
        """Return the reply that has the floor if it is of this generation."""
        r = self.reply
        return r if r and r.generation == generation else None

    def next_generation(self) -> int:
        """Raise the generation."""
        self.generation += 1
        return self.generation

    # --- what waits to be said ---

    def queue_say(self, say: inputs.SayRequested) -> None:
        """Have a text said as soon as the floor is free.

        Raises:
            InvalidStateError: Too many texts wait already.
        """
        self._check_room(len(self.says))
        self.says.append(say)

    def say_within(self, say: inputs.SayRequested, reply: Reply | None) -> None:
        """Have a text said as a part of `reply`, which the agent is giving.

        Raises:
            InvalidStateError: Too many texts wait already.
        """
        if reply and not reply.dropped:
            self._check_room(len(reply.unspoken(reply.own_says)))
            reply.own_says.append(say)
        else:
            self._say_unheard(say, "interrupted")

    def apologize(self) -> None:
        """Apologize next, if an apology is configured: something failed that the user waits for."""
        if self._config.apology:
            self.says.appendleft(inputs.SayRequested(self._config.apology))

    def ask_to_repeat(self) -> bool:
        """Ask the user next to say it again, if a question for that is configured. Returns False otherwise."""
        if self._config.not_understood:
            self.says.appendleft(inputs.SayRequested(self._config.not_understood))
        return bool(self._config.not_understood)

    def close_says(self, r: Reply, reason: str) -> None:
        """Nothing more of `r` will be played: what waited for the floor waits again, the agent's own is given up."""
        self.says.extendleft(reversed(r.unspoken(r.says)))
        for say in r.unspoken(r.own_says):
            self._say_unheard(say, reason)
        r.says, r.own_says = (), []

    def cancel_says(self, reason: str) -> None:
        """Give up what waits to be said."""
        while self.says:
            self._say_unheard(self.says.popleft(), reason)

    def _check_room(self, waiting: int) -> None:
        if waiting >= self._config.max_queued_says:
            raise InvalidStateError(f"{waiting} texts wait to be said already; wait for playout.")

    def _say_unheard(self, say: inputs.SayRequested, reason: str) -> None:
        self._context.publish(events.SayEnded, say.id, say.text, "", interrupted=True, reason=reason)

    # --- a reply takes the floor ---

    def say_next(self) -> None:
        """Say the first text that waits."""
        say = self.says.popleft()
        r = Reply(self.next_generation(), 0, say.text, self._context.pos, say.interruptible, say.id)
        self.reply = r
        self._context.request(effects.StartSpeech(r.generation, say.text, say.id, say.interruptible))

    def answer(self, turn: int, text: str, start: int, history: tuple[Message, ...]) -> None:
        """Have the agent answer a turn that began at `start`.

        What waits to be said was requested before: it comes first, in the same reply, while the agent thinks.
        """
        says = tuple(self.says)
        self.says.clear()
        g = self.next_generation()
        pos = self._context.pos
        self.reply = Reply(g, turn, text, pos, says=says, asked_from=start, silent_from=pos)
        self._context.request(effects.StartReply(g, turn, text, history, speculative=False, says=says))

    def commit(self, prepared: Reply, text: str, start: int) -> None:
        """Answer a turn that began at `start` with a reply that was prepared for it."""
        self.reply = prepared
        prepared.text, prepared.began, prepared.asked_from = text, self._context.pos, start
        prepared.silent_from = prepared.began
        self._context.request(effects.CommitReply(prepared.generation))
        for segment in prepared.segments:
            self._context.publish(events.AgentSaid, prepared.generation, segment.text)

    # --- the reply is prepared, played and heard ---

    def speech_queued(self, i: inputs.SpeechQueued) -> None:
        """Note text that is tied to audio of the reply."""
        r = self.current(i.generation)
        if r and not r.dropped and r.add(i.segment):
            self._context.publish(events.AgentSaid, i.generation, i.segment.text)

    def playout_started(self, i: inputs.PlayoutStarted) -> None:
        """Note that the reply is being played."""
        r = self.current(i.generation)
        if r and not r.started:
            r.started = True
            r.silent_from = None
            self._watch = BargeInWatch(self._config)
            self.set_agent("playout_start", "reply" if r.turn else "say")

    def speech_played(self, i: inputs.SpeechPlayed) -> None:
        """Note that a `say` inside the reply has been heard, and report it."""
        r = self.current(i.generation)
        if r is None:
            return
        parts, _, _ = r.take_heard(i.played, i.estimated, finished=False)
        self._report(r, parts)
        empty = [say for say in r.unspoken(r.own_says) if say.id == i.say]
        r.own_says = [say for say in r.own_says if say not in empty]
        for say in empty:
            self._say_unheard(say, "empty")

    def finish(self, i: inputs.PlayoutFinished) -> None:
        """Free the floor after the reply has been played or cut off, and report what was heard of it."""
        r = self.current(i.generation)
        if r is None:
            return
        self.reply = None
        r.played = round(i.played * RATE)
        self._expected = self._asked_by(r)
        said = " ".join(s.text for s in r.segments)
        parts, heard, estimated = r.take_heard(i.played, i.estimated, finished=True)
        self._report(r, parts)
        self._context.publish(events.AgentHeard, r.generation, r.turn, heard, said, r.dropped, estimated)
        self.close_says(r, "interrupted")
        self._timers.agent_done(r.began, self._context.pos)
        self.set_agent("playout_end", "interrupted" if r.dropped else "finished")

    def fail(self, r: Reply, code: str) -> None:
        """Free the floor: nothing of the reply will ever be played."""
        self.reply = None
        self.next_generation()
        self._timers.agent_done(r.began, self._context.pos)
        if r.turn:
            self._expected = r.declared
            self.close_says(r, code)
            self.set_agent("reply_dropped", code)
        else:
            self._context.publish(events.SayEnded, r.say, r.text, "", interrupted=True, reason=code)

    def _report(self, r: Reply, parts: Sequence[HeardPart]) -> None:
        """Add what was heard to the history, a message for each part, and report each `say` that is over."""
        for part in parts:
            if part.text:
                self._history.add(Message("agent", part.text, part.said, part.is_cut, part.is_estimated))
            if r.turn and part.say is None:
                continue
            broken = bool(r.failed) and not r.turn
            reason = r.failed if broken else "interrupted" if part.is_cut else "finished"
            say = r.say if part.say is None else part.say
            self._context.publish(events.SayEnded, say, part.said, part.text, part.is_cut or broken, reason)

    # --- the user takes the floor, or may be taking it ---

    def hold(self, r: Reply) -> None:
        """Do not let the reply be played before it is known whether the user is speaking."""
        if not r.held:
            r.held = True
            self._context.request(effects.Hold(r.generation))

    def go_on(self, reason: str) -> None:
        """Give the floor back to the reply that was ducked, paused or held."""
        r = self.reply
        if r:
            self._restore(r, reason)
            if r.held:
                r.held = False
                self._context.request(effects.Release(r.generation))

    def may_be_interrupted(self, r: Reply) -> bool:
        """Return True if the user's speech may cut the reply off."""
        return r.interruptible and self._context.config.barge_in.enabled and not r.is_protected

    def hear_user(self, samples: int, probability: float, echo_ratio: float, *, wordless: bool) -> bool:
        """Duck, pause or restore the reply that is being played, by one window of the user's side.

        `wordless`: speech is going on in which there were no words. Returns True if the speech is long enough to be
        checked for words.
        """
        r = self.reply
        if r is None or not r.started or r.dropped:
            return False
        state = self.agent.state
        if state is not AgentState.PAUSED:
            r.played += samples
        if wordless or not self.may_be_interrupted(r):
            return False
        action = self._watch.window(samples, probability, echo_ratio, state)
        if action == "duck":
            self._duck(r)
        elif action == "pause":
            if state is AgentState.SPEAKING:
                self._duck(r)
            self.set_agent("pause", "speech")
            self._context.request(effects.Pause(r.generation))
        elif action == "unduck":
            self._restore(r, "too_short")
        elif action == "resume":
            self._restore(r, "silence")
        return action == "confirm"

    def drop(self, reason: str) -> None:
        """Cut the reply off. If any of it was played, the session answers with PlayoutFinished before anything else.

        A `say` that has not been played waits for the floor again.
        """
        r = self.reply
        if r is None or r.dropped:
            return
        self.next_generation()
        self._context.publish(events.Interrupted, r.generation, reason)
        self._context.request(effects.DiscardReply(r.generation, rollback=not r.started))
        if r.started:
            r.dropped = True
            return
        self.reply = None
        self._timers.agent_done(r.began, self._context.pos)
        if r.turn:
            self.close_says(r, reason)
            self.set_agent("reply_dropped", reason)
        else:
            self.says.appendleft(inputs.SayRequested(r.text, r.interruptible, r.say))

    def give_up(self, reason: str) -> None:
        """Cut the reply off for good: what it was to say first waits again, to be canceled with the rest."""
        r = self.reply
        if r:
            self.says.extend(r.unspoken(r.says))
            r.says = ()
        self.drop(reason)

    def set_agent(self, trigger: str, reason: str) -> None:
        """Change the agent's state."""
        before = self.agent.fire(trigger)
        self._context.publish(events.AgentChanged, before, self.agent.state, reason)

    def _duck(self, r: Reply) -> None:
        self.set_agent("duck", "onset")
        self._context.request(effects.Duck(r.generation))

    def _restore(self, r: Reply, reason: str) -> None:
        """Play the reply at full level again, if it was ducked or paused."""
        if r.dropped or self.agent.state not in (AgentState.DUCKED, AgentState.PAUSED):
            return
        if reason != "backchannel":
            self._context.publish(events.FalseInterruption, r.generation, reason)
        self._watch = BargeInWatch(self._config)
        if self.agent.state is AgentState.DUCKED:
            self.set_agent("unduck", reason)
            self._context.request(effects.Unduck(r.generation))
        else:
            self.set_agent("resume", reason)
            self._context.request(effects.Resume(r.generation))
