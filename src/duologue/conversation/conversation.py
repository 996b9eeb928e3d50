"""The conversation: every input goes through `handle`, and what is to be done comes back as effects.

Read it in the order of a turn: the user speaks (`_window`), falls silent (`_speech_stopped`), is understood (`_apply`),
the turn is decided (`_evaluate`, `_begin_reply`), the agent replies (`_playout_started`), and is heard
(`_playout_finished`) or interrupted (`_barge_in`, `_drop_reply`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

from duologue.conversation import effects as do
from duologue.conversation import events as tell
from duologue.conversation import inputs as got
from duologue.conversation.agent_side import AgentSide, Reply
from duologue.conversation.config import RATE
from duologue.conversation.effects import Effect
from duologue.conversation.endpointing import Evidence, Verdict, decide
from duologue.conversation.evidence import Ask
from duologue.conversation.inputs import Input, Now
from duologue.conversation.speech import SpeechDetector, Step
from duologue.conversation.state import (
    CallState,
    UserState,
)
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError

__all__ = ["Conversation"]

WINDOW = 512
"""Budgets are rounded up to whole windows of this many samples, because that is when the rules are asked."""
OVERLAP = 0.3
"""Seconds of what was heard before that are recognized again with what goes on: a word may lie across."""


class Conversation(AgentSide):
    """The rules of one call: the user's side, the end of the turn, and the life of the call."""

    def handle(self, input_: Input, now: Now) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Raises InvalidStateError where the input is not possible now: a call started twice, a turn begun twice or ended
        before it began, too many texts waiting.
        """
        self.pos, self._wall = max(self.pos, now.pos), now.wall
        self._out = []
        if self.call.state is CallState.LIVE or isinstance(input_, got.CallRequested | got.EndRequested):
            HANDLERS[type(input_)](self, input_)
        elif isinstance(input_, got.PlayoutFinished):
            self._heard(input_)
        return self._out

    # --- the call ---

    def _call_requested(self, i: got.CallRequested) -> None:
        self.call.fire("start")
        self._capabilities = i
        self._timers.start(self.pos)
        self._tell(tell.CallChanged, CallState.LIVE, "start")
        if self.config.greeting:
            self._says.append(got.SayRequested(self.config.greeting, self.config.greeting_interruptible))
        self._advance()

    def _end_requested(self, i: got.EndRequested) -> None:
        if self.call.state is CallState.ENDED or (i.after_speech and self.closing and self._ends_by is not None):
            return
        if i.after_speech and self._owes_speech:
            self._close(i.reason)
        else:
            self._end(i.reason)

    def _close(self, reason: str) -> None:
        """End the call once the agent has finished; until then no further turn is taken."""
        self._ending, self._ends_by = reason, self.pos + round(self.config.closing_timeout * RATE)

    def _end(self, reason: str) -> None:
        self._forget_utterance()
        self._typed.clear()
        self._silence("end")
        self.call.fire("end")
        self._tell(tell.CallChanged, CallState.ENDED, reason)
        self._out.append(do.EndCall(reason))

    @property
    def _owes_speech(self) -> bool:
        return bool(self._says) or (self._reply is not None and not self._reply.dropped)

    @property
    def _closes(self) -> bool:
        """True if the end of the call is settled: no turn changes it."""
        return self._ends_by is not None

    def _advance(self) -> None:
        """What the mere passing of audio brings: evidence that is due, decisions, the floor, timers."""
        u = self._utterance
        for ask in self._orders.ripe(self.pos):
            if self._utterance is not u:
                break  # the answer before showed that there was no turn: what rests on it goes with it
            self._apply(ask)
        if not self._closes:
            self._evaluate()
            self._answer_typed()
        if self._says and not self._reply and not self._user_has_floor:
            self._say(self._says.popleft())
        if self._check_timers() and self.call.state is CallState.LIVE:
            self._timers.schedule()

    @property
    def _user_has_floor(self) -> bool:
        """True while the user may be saying something, or is waited for to go on."""
        return self._utterance is not None and not self._utterance.wordless and not self._closes

    def _check_timers(self) -> bool:
        """End the call, or report the user as away, if it is time. False while something is open."""
        if self._ending:
            if not (self._owes_speech or self._user_has_floor) or (
                self._ends_by is not None and self.pos >= self._ends_by
            ):
                self._end(self._ending)
        elif self._timers.is_over(self.pos):
            if self._owes_speech:
                self._close("timeout")
            else:
                self._end("timeout")
        if self._reply or self._utterance or self._typed:
            return False
        if self.call.state is CallState.LIVE and not self._ending:
            if self._timers.is_idle(self.pos):
                self._end("idle_timeout")
            elif self.user.may("away") and self._timers.is_away(self.pos):
                self._set_user("away", "silence")
        return True

    @property
    def _is_quiet(self) -> bool:
        """True where nobody speaks and nothing is open, so that only speech or a timer can change anything."""
        return self.settled and not self._detector.speaking

    # --- the user speaks ---

    def _window(self, w: got.VadScored) -> None:
        mine = w.explained < self.config.barge_in.echo_threshold
        p = w.probability if mine else 0.0
        if p < self.config.speech.doubt_threshold and self.pos < self._timers.next_at and self._is_quiet:
            self._detector.silence(w.start, w.end)  # most windows of most calls end here
            return
        if self._hears():
            step = self._detector.window(w.start, w.end, p)
            if step is Step.START:
                self._speech_started(w.end - self._detector.hot, "speech")
            elif step is Step.STOP:
                self._speech_stopped("silence")
            self._barge_in(w.end - w.start, p, w.explained)
            self._check_waiting(w.end)
        self._follow(w.end, p)
        self._advance()

    def _gap(self, g: got.Gap) -> None:
        self._tell(tell.AudioGap, g.start, g.end, g.reason)
        if self._hears():
            if self._detector.silence(g.start, g.end) is Step.STOP:
                self._speech_stopped("gap")
            self._barge_in(g.end - g.start, 0.0)
        elif self._utterance and self._utterance.held:
            self._pass_over(self._utterance, g)
        self._advance()

    def _hears(self) -> bool:
        """False where only the button makes turns, or while it is down."""
        return self.config.turns == "auto" and not (self._utterance and self._utterance.held)

    def _speech_started(self, start: int, reason: str) -> None:
        self._set_user("speech_start", reason)
        u = self._open_utterance(start)
        u.run_start = u.checked = start
        self._tell(tell.SpeechStarted, u.turn, start, reason)

    def _open_utterance(self, start: int) -> Utterance:
        """The utterance that speech from `start` on belongs to.

        A reply that has not sounded yet is held until it is known whether there are words: a cough neither costs the
        reply nor has the agent asked a second time.
        """
        r, u = self._reply, self._utterance
        held = r is not None and not r.started and r.interruptible
        if r and held:
            self._hold(r)
        if u is not None:
            self._take_back_words(u, start)
            return u
        turn = r.turn if r and held else 0
        u = self._utterance = self._new_utterance(self._padded(start), start, turn)
        u.continues = bool(turn)
        return u

    def _take_back_words(self, u: Utterance, start: int) -> None:
        """The user goes on: what was understood of the last part, and made of it, no longer holds."""
        if self._long_silent(u, start) and (u.final or self._orders.keep_words()):
            u.split(self._padded(start), u.final)
        self._drop_asks("words", "sound", "check")
        u.wordless = u.check_asked = False
        u.final = u.evidence = u.sound = None
        u.scores = 0
        u.settled = ""
        if self.config.speculation == "discard":
            self._discard_speculation("went_on")

    def _new_utterance(self, start: int, speech: int, turn: int = 0) -> Utterance:
        if not turn:
            self._turns += 1
            self._speculations = 0
        return Utterance(turn or self._turns, start, speech, part_start=start, partial_at=start)

    def _take_floor(self, u: Utterance, reason: str) -> None:
        """The user has said words: the reply that sounds is cut off, one that has not sounded comes too soon."""
        r = self._reply
        u.wordless = False
        if r is None or r.dropped:
            return
        if r.started:
            if self._may_interrupt(r):
                self._drop_reply(reason)
        elif r.held:
            self._drop_reply("went_on")
            if u.continues:
                self._reopen(r, u, "went_on")

    def _reopen(self, r: Reply, u: Utterance, reason: str) -> None:
        """The turn that `r` was to answer goes on with `u`."""
        u.continues = False
        self.history.reopen(r.text)
        u.base, u.began = f"{r.text} {u.base}".rstrip(), r.asked_from
        self._tell(tell.TurnContinued, r.turn, reason)

    def _continue_failed(self, r: Reply, code: str) -> bool:
        u = self._utterance
        if u is None or not u.continues:
            return False
        self._reopen(r, u, code)
        return True

    def _speech_stopped(self, reason: str) -> None:
        self._set_user("speech_stop", reason)
        u = self._utterance
        assert u is not None, "the user speaks in an utterance"
        u.last_speech = self._detector.last_end
        self._tell(tell.SpeechStopped, u.turn, u.last_speech, reason)
        self._drop_asks("check")
        self._ask_words(u, min(self.pos, u.last_speech + round(self.config.speech.tail_padding * RATE)))

    def _follow(self, end: int, p: float) -> None:
        """Keep a growing utterance within bounds, and its words on show."""
        u = self._utterance
        if u is None or self.user.state is not UserState.SPEAKING:
            return
        u.last_speech = end if u.held else self._detector.last_end
        u.windows.append((end, p))
        if end - u.part_start >= self.config.max_utterance * RATE:
            self._cut(u, u.quietest())
        every = self.config.partial_every * RATE
        if every and end - max(u.partial_at, u.part_start) >= every:
            u.partial, u.partial_at = self._orders.next_id(), end
            self._out.append(do.AskPartial(u.partial, u.part_start, end))

    def _pass_over(self, u: Utterance, g: got.Gap) -> None:
        """A gap while the button is down: a part ends before it where it is long."""
        if g.end - u.part_start < self.config.max_utterance * RATE:
            u.windows.append((g.end, 0.0))
            return
        if g.start > u.part_start:
            self._cut(u, g.start)
        u.part_start = g.end

    def _cut(self, u: Utterance, at: int) -> None:
        start = u.part_start
        due = self.pos + self._budget(self.config.endpointing.words_budget_per_s * (at - start) / RATE + 1.0)
        ask = self._orders.place("segment", at, due, len(u.parts))
        u.split(at, None)
        self._out.append(do.AskWords(ask.id, start, at, due, may_go_on=False, turn=u.turn))
        u.full = at - u.start >= self.config.max_turn * RATE
        self._tell(tell.UtteranceCut, u.turn, at, "max_turn" if u.full else "max_utterance")

    # --- the button and the keyboard ---

    def _turn_begun(self, _: got.TurnBegun) -> None:
        if self._utterance and self._utterance.held:
            raise InvalidStateError("The turn has begun already; end it first.")
        r = self._reply
        if r and r.interruptible and r.started:
            self._drop_reply("manual")
        self._detector = SpeechDetector(self.config.speech)
        u = self._open_utterance(self.pos)
        u.held = True
        if self.user.may("speech_start"):
            self._set_user("speech_start", "manual")
        self._tell(tell.SpeechStarted, u.turn, self.pos, "manual")

    def _turn_ended(self, _: got.TurnEnded) -> None:
        u = self._utterance
        if u is None or not u.held:
            raise InvalidStateError("No turn has begun; begin one first.")
        u.held, u.settled, u.last_speech = False, "manual", self.pos
        self._set_user("speech_stop", "manual")
        self._tell(tell.SpeechStopped, u.turn, self.pos, "manual")
        self._ask_words(u, self.pos)

    def _text_arrived(self, i: got.TextArrived) -> None:
        if not i.text.strip():
            return
        r = self._reply
        thinking = r is not None and not r.started and r.turn > 0
        recently = self.pos - self._typed.settled_at < self.config.text_settle * RATE
        self._typed.add(i.text, self.pos, at_once=not (thinking or self._typed or recently))
        if self.user.may("text"):
            self._set_user("text", "text")
        if r and r.interruptible and not r.dropped:
            self._drop_reply("text")
            if thinking:
                self._continue_with_text(r)
        self._advance()

    def _continue_with_text(self, r: Reply) -> None:
        """The turn that `r` was to answer goes on with what was typed, and with what is being said."""
        if self._utterance:
            self._reopen(r, self._utterance, "text")
            return
        self.history.reopen(r.text)
        self._typed.put_back(r.text)
        self._tell(tell.TurnContinued, r.turn, "text")

    def _answer_typed(self) -> None:
        if not self._typed or self._reply or self._user_has_floor or self.pos < self._typed.settled_at:
            return
        self._turns += 1
        self._begin_reply(Utterance(self._turns, self.pos, self.pos), "", Verdict(1.0, "text"))

    def _clear_requested(self, _: got.ClearRequested) -> None:
        self._typed.clear()
        self._silence("request")
        self._forget_utterance()
        self._detector = SpeechDetector(self.config.speech)
        if self.user.may("speech_stop"):
            self._set_user("speech_stop", "request")
        self._advance()

    # --- evidence ---

    def _budget(self, seconds: float) -> int:
        return ceil(seconds * RATE / WINDOW) * WINDOW

    def _ask_words(self, u: Utterance, end: int) -> None:
        c = self.config.endpointing
        due = self.pos + self._budget(c.words_budget + c.words_budget_per_s * max(end - u.part_start, 0) / RATE)
        ask = self._orders.place("words", end, due, len(u.parts))
        u.asked_at = self.pos
        if u.last_speech > u.part_start:
            opened = self._reply.text if u.continues and self._reply else u.base
            before = " ".join(t for t in (opened, *u.parts) if t)
            may_go_on = not u.settled
            self._out.append(do.AskWords(ask.id, u.part_start, end, due, may_go_on, before, u.turn))
        else:  # nothing was said since a part was cut off
            self._orders.answer(got.WordsArrived(ask.id, "", 1.0, "no_words"))

    def _answered(self, answer: got.WordsArrived | got.SoundScored | got.EvidenceFailed) -> None:
        ask = self._orders.answer(answer)
        if ask is None:
            return
        if ask.refused:
            self._put_off(ask)
        elif self.pos > ask.due:
            self._tell(tell.EvidenceLate, ask.kind, ask.due, (self.pos - ask.due) / RATE)
        self._advance()

    def _put_off(self, ask: Ask) -> None:
        """There is no time to judge the sound now: go on as if it had not been asked for."""
        u = self._utterance
        assert u is not None, "asks are dropped with their utterance"
        self._orders.cancel(ask)
        u.scores -= 1
        u.put_off = u.evidence is None

    def _apply(self, ask: Ask) -> None:
        u, answer = self._utterance, ask.answer
        assert u is not None, "asks are dropped with their utterance"
        if isinstance(answer, got.SoundScored):
            u.sound = answer.probability
            if u.evidence is not None:
                u.evidence = replace(u.evidence, sound=u.sound)
                self._scored(u)
        elif ask.kind == "sound":
            u.scores = self.config.endpointing.max_scores
        else:
            if ask.kind == "check":
                self._checked(u, answer if isinstance(answer, got.WordsArrived) else None)
                return
            if isinstance(answer, got.EvidenceFailed):
                u.failed = answer.code
            words = answer if isinstance(answer, got.WordsArrived) else got.WordsArrived(ask.id, "", 1.0, u.failed)
            if ask.kind == "segment":
                u.parts[ask.segment], u.responses[ask.segment] = words.text, words.response
            else:
                u.final = words
            self._understood(u)

    def _give_up(self, u: Utterance) -> None:
        """Make do with the words that have come."""
        self._drop_asks("words", "segment")
        u.failed = "timeout"
        u.parts = [part or "" for part in u.parts]
        u.final = u.final or got.WordsArrived(0, "", 1.0, u.failed)
        self._understood(u)

    def _understood(self, u: Utterance) -> None:
        """When all words are in; the silence may still be short."""
        if u.final is None or None in u.parts:
            return
        if not u.words:
            self._ignore(u, u.failed or "no_words")
            return
        if not u.settled and self._says_nothing(u.response):
            self._acknowledged(u)
            return
        self._take_floor(u, "words")
        against = self.config.endpointing.opening if u.turn == 1 else 0.0
        u.evidence = Evidence(u.text, u.final.probability, u.final.reason, u.final.patience, u.sound, against)
        self._scored(u)

    def _says_nothing(self, response: got.Response) -> bool:
        """True if a short response takes the floor from nobody: it acknowledges what the agent says or will say."""
        r = self._reply
        if r is None or r.dropped:
            return response != "" and bool(self._ending)
        if response == "goodbye":
            return bool(r.end_call)
        if response in ("assent", "continuer"):
            return not r.has_asked
        return response != ""

    def _acknowledged(self, u: Utterance) -> None:
        r = self._reply
        self._tell(tell.Backchannel, r.generation if r else 0, u.words, "backchannel")
        self._no_turn(u, "backchannel")

    def _scored(self, u: Utterance) -> None:
        e = u.evidence
        assert e is not None, "scored after evidence"
        silence = self._seconds_since(u.last_speech)
        self._tell(tell.TurnScored, u.turn, e.text, e.words, e.sound, e.probability, silence, e.reason)
        u.fresh = True

    def _ask_sound(self, u: Utterance, e: Evidence | None) -> None:
        """Where the words leave doubt; or where they are not there yet and the silence is no longer short.

        Where there was no time for it, it may be asked for again: with the words, or after a while.
        """
        c = self.config.endpointing
        first = u.scored_at <= u.last_speech
        if e is None:
            wanted = first and not u.settled and self._seconds_since(u.last_speech) >= c.sound_after
        else:
            again = e.probability < c.threshold and self.pos - u.scored_at >= c.rescore_every * RATE
            wanted = c.doubt[0] < e.words < c.doubt[1] and (first or again or u.put_off)
        if self._capabilities.judges_sound and wanted and u.scores < c.max_scores:
            u.scores += 1
            u.scored_at, u.put_off = self.pos, False
            ask = self._orders.place("sound", self.pos, self.pos + self._budget(c.sound_budget))
            self._out.append(do.AskSound(ask.id, u.start, self.pos, ask.due, e.words if e else None, u.turn))

    # --- sound that goes on, and that something waits for ---

    def _check_waiting(self, end: int) -> None:
        """If a reply, a `say` or typed text waits for the user to finish, see in time whether they say words."""
        u = self._utterance
        if u is None or self.user.state is not UserState.SPEAKING:
            return
        waits = self._says or self._typed or (self._reply and (self._reply.held or u.wordless))
        since = u.checked if u.wordless else u.run_start
        every = self.config.barge_in.check_every if u.wordless else self.config.barge_in.confirm_after
        if waits and end - since >= every * RATE:
            self._check_words(u)

    def _check_words(self, u: Utterance) -> None:
        c = self.config.barge_in
        if u.check_asked:
            if self.pos - u.checked >= c.give_up_after * RATE:
                self._checked(u, None)
            return
        if u.checked > u.run_start and self.pos - u.checked < c.check_every * RATE:
            return
        start = max(u.part_start, u.checked - round(OVERLAP * RATE)) if u.wordless else u.part_start
        due = self.pos + self._budget(self.config.endpointing.words_budget_per_s * (self.pos - start) / RATE)
        ask = self._orders.place("check", self.pos, due)
        u.checked, u.check_asked = self.pos, True
        self._out.append(do.AskWords(ask.id, start, self.pos, due, may_go_on=False, turn=u.turn))

    def _checked(self, u: Utterance, words: got.WordsArrived | None) -> None:
        """The words so far have come; None if they cannot be had."""
        u.check_asked = False
        if words is None:
            self._drop_asks("check")
            if self._reply and self._reply.started:
                self._take_floor(u, "duration")
        elif not words.text:
            u.wordless = True
            self._let_agent_go_on("no_words")
            if u.continues:
                self._separate(u)
        elif not self._says_nothing(words.response):
            self._take_floor(u, "words")

    def _reply_gone(self) -> None:
        u = self._utterance
        if u and u.continues:
            self._separate(u)

    def _separate(self, u: Utterance) -> None:
        """The turn that `u` might have continued is answered or given up: what the user may still say is the next."""
        self._turns += 1
        u.turn, u.continues = self._turns, False
        self._tell(tell.SpeechStarted, u.turn, u.start, "next_turn")

    def _let_agent_go_on(self, reason: str) -> None:
        """Give the floor back to the reply that was ducked, paused or held."""
        r = self._reply
        if r:
            self._go_on(r, reason)
            self._release(r)

    def _drop_asks(self, *kinds: str) -> None:
        for ask in self._orders.drop(*kinds):
            if ask.answer is None and ask.due <= self.pos:
                self._tell(tell.EvidenceLate, ask.kind, ask.due, (self.pos - ask.due) / RATE)
            self._out.append(do.DropAsk(ask.id))

    def _partial_arrived(self, i: got.PartialArrived) -> None:
        u = self._utterance
        if u and u.partial == i.ask and i.text and not u.final:
            text = " ".join(t for t in (u.base, *u.parts, i.text) if t)
            self._tell(tell.PartialTranscript, u.turn, text)

    # --- the end of the turn ---

    def _evaluate(self) -> None:
        u = self._utterance
        if u is None or u.held:
            return
        if self.user.state is UserState.SPEAKING:
            if u.full and not self._reply and None not in u.parts:
                self._decide_full(u)
            return
        if self._detector.hot:
            return
        if u.evidence is None and self._seconds_since(u.asked_at) >= self.config.endpointing.words_timeout:
            self._give_up(u)
            if self._utterance is not u:
                return
        e = u.evidence
        if self._reply:
            return
        if e is not None and u.settled:
            self._begin_reply(u, e.text, Verdict(e.probability, u.settled))
            return
        self._ask_sound(u, e)
        if e is None:
            return
        silence = self._seconds_since(u.last_speech)
        sound_is_due = self._orders.open and silence < self.config.endpointing.timeout * e.patience
        verdict = None if sound_is_due else decide(e, silence, self.config.endpointing)
        if verdict:
            self._begin_reply(u, e.text, verdict)
        elif u.fresh:
            u.fresh = False
            self._speculate(u, e)

    def _decide_full(self, u: Utterance) -> None:
        """The longest turn there may be: answer what was said so far, and take what follows as the next turn."""
        rest = self._new_utterance(u.part_start, u.last_speech)
        rest.windows = u.windows
        if u.text:
            self._begin_reply(u, u.text, Verdict(1.0, "max_turn"))
        else:
            self._ignore(u, u.failed or "no_words")
        self._utterance = rest
        self._tell(tell.SpeechStarted, rest.turn, rest.start, "max_turn")

    def _ignore(self, u: Utterance, reason: str) -> None:
        """No words came."""
        self._tell(tell.SpeechIgnored, u.turn, reason)
        if reason != "no_words" and not self._reply and not u.base:
            self._apologise()
        self._no_turn(u, reason)

    def _no_turn(self, u: Utterance, reason: str) -> None:
        """What the user did was no turn: the reply goes on, and a turn that was open again is over after all."""
        self._forget_utterance()
        self._let_agent_go_on(reason)
        if u.base:
            u.parts, u.responses, u.final = [], [], got.WordsArrived(0, "", 1.0, reason)
            u.evidence, u.settled = Evidence(u.base, 1.0, "reopened", 1.0), "reopened"
            self._utterance = u

    def _begin_reply(self, u: Utterance, text: str, verdict: Verdict) -> None:
        """Decide the turn; what was typed meanwhile belongs to it."""
        text = f"{text} {self._typed.take()}".strip()
        silence = self._seconds_since(u.last_speech)
        start = u.start if u.began is None else u.began
        self._tell(tell.TurnDecided, u.turn, text, start, u.last_speech, silence, verdict.probability, verdict.reason)
        self._answer(u.turn, text, start)
        if self._utterance is u:
            self._utterance = None
            self._drop_asks("words", "sound", "segment", "check")
        self._timers.turn_decided(self.pos)
        self._ending = ""
        self._set_agent("turn_decided", verdict.reason)

    def _forget_utterance(self) -> None:
        self._utterance = None
        self._drop_asks("words", "sound", "segment", "check")
        self._discard_speculation("no_turn")
        self._timers.active_at = self.pos


HANDLERS: dict[type, Callable[[Conversation, Any], None]] = {
    got.CallRequested: Conversation._call_requested,
    got.EndRequested: Conversation._end_requested,
    got.VadScored: Conversation._window,
    got.Gap: Conversation._gap,
    got.WordsArrived: Conversation._answered,
    got.SoundScored: Conversation._answered,
    got.EvidenceFailed: Conversation._answered,
    got.PartialArrived: Conversation._partial_arrived,
    got.TurnBegun: Conversation._turn_begun,
    got.TurnEnded: Conversation._turn_ended,
    got.TextArrived: Conversation._text_arrived,
    got.SayRequested: Conversation._say_requested,
    got.InterruptRequested: Conversation._interrupt_requested,
    got.ClearRequested: Conversation._clear_requested,
    got.SpeechQueued: Conversation._speech_queued,
    got.PlayoutStarted: Conversation._playout_started,
    got.PlayoutFinished: Conversation._playout_finished,
    got.SpeechPlayed: Conversation._speech_played,
    got.HangUpRequested: Conversation._hang_up_requested,
    got.ReplyFailed: Conversation._reply_failed,
}
