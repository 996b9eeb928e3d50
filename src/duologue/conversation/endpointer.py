"""The end of the user's turn: evidence on the open utterance comes in, and the turn is decided and answered.

The module is over 300 lines because each piece of evidence leads to the same decision, in an order that matters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import events, inputs
from duologue.conversation.caller_level import CallerLevel
from duologue.conversation.context import Context
from duologue.conversation.eagerness import wait_factor
from duologue.conversation.ending import PendingEnd
from duologue.conversation.endpointing import Evidence, Verdict, decide, sound_matters, sound_share
from duologue.conversation.evidence import EvidenceRequest
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message
from duologue.conversation.inputs import Response, SoundScored, WordsArrived
from duologue.conversation.speculation import Speculation
from duologue.conversation.state import UserState
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn
from duologue.conversation.utterance import Utterance

__all__ = ["Endpointer"]

MAX_NOT_UNDERSTOOD: Final = 2
"""Times that the user is asked to say it again before a turn is decided."""
MUST_GO_ON: Final = 0.1
"""Words of at most this probability count as unfinished, whatever they answer."""
ASSENT_ANSWERS: Final = ("yes_no", "open", "same")
"""Kinds of questions that "yes" and "mm-hm" may answer."""
REACTION: Final = 0.25
"""Seconds before the user's speech is detected that it cannot react to: 0.2 s is the fastest that people answer, and
the detector lags."""
SHORT_SOUND: Final = 0.8
"""Seconds that a backchannel lasts at most, with 0.1 s of audio before it..."""
SHORT_WORDS: Final = 2
"""...and the words that it may be misheard as."""
MAX_LOOKS: Final = 2
"""Times that such a sound is transcribed again."""
OVERLAP = 0.3
"""Seconds before the last check that are transcribed again with what follows: a word may lie across."""


class Endpointer:
    """Decides what the user's utterance is and when it is over, and has it answered."""

    def __init__(
        self,
        context: Context,
        user_turn: UserTurn,
        floor: Floor,
        speculation: Speculation,
        typed: TypedText,
        ending: PendingEnd,
        history: History,
        timers: CallTimers,
    ) -> None:
        self._context = context
        self._config = context.config
        self._user_turn = user_turn
        self._requests = user_turn.requests
        self._floor = floor
        self._speculation = speculation
        self._typed = typed
        self._ending = ending
        self._caller = CallerLevel(context.config.barge_in.background_margin)
        self._history = history
        self._timers = timers
        self._unanswered = 0
        """How often the user was asked to say it again since the last turn."""

    # --- evidence comes ---

    def apply_due(self) -> None:
        """Apply the evidence that is due now."""
        u = self._user_turn.utterance
        for request in self._requests.take_due():
            if self._user_turn.utterance is not u:
                break  # the answer before closed the utterance: what rests on it goes with it
            assert u is not None, "requests are dropped with their utterance"
            self._apply(u, request)

    def retry_sound(self, request: EvidenceRequest) -> None:
        """Take a request that the turn model refused for not made."""
        u = self._user_turn.utterance
        assert u is not None, "requests are dropped with their utterance"
        self._requests.forget(request)
        u.scores -= 1
        u.put_off = u.evidence is None

    def take_opinion(self, i: inputs.TurnJudged) -> None:
        """Take the recognizer's opinion into account if it concerns the turn that is open."""
        u = self._user_turn.utterance
        if u is None or u.held or i.position < u.start:
            return
        if i.eager:
            u.eager_at, u.fresh = i.position, u.evidence is not None
            self.prepare_early()
            return
        u.recognizer, u.recognizer_at = i.probability, i.position
        if u.evidence is not None and u.opinion is not None:
            u.evidence = replace(u.evidence, recognizer=u.opinion)
            self._publish_score(u, u.evidence)

    def prepare_early(self) -> None:
        """Prepare a reply to words that have come and are not due, if the recognizer guesses that the turn is over."""
        u, words = self._user_turn.utterance, self._requests.words_ahead()
        if u is None or words is None or not u.is_guessed_over or u.evidence or u.complete or None in u.parts:
            return
        if words.text and not words.response:
            text = " ".join(t for t in (u.base, *u.parts, words.text) if t)
            evidence = Evidence(text, words.probability, words.reason, words.timeout_factor)
            self._speculation.prepare(u.turn, evidence, early=True)

    def _apply(self, u: Utterance, request: EvidenceRequest) -> None:
        answer = request.answer
        if isinstance(answer, SoundScored):
            u.sound = answer.probability
            if u.evidence is not None:
                u.evidence = replace(u.evidence, sound=u.sound)
                self._publish_score(u, u.evidence)
        elif request.kind == "sound":
            u.scores = self._config.endpointing.max_scores
        elif request.kind == "check":
            self._checked(u, answer if isinstance(answer, WordsArrived) else None)
        else:
            if isinstance(answer, inputs.EvidenceFailed) and u.first_words is None:
                u.failed = answer.code
            words = answer if isinstance(answer, WordsArrived) else WordsArrived(request.id, "", 1.0, u.failed)
            u.note_level(words.level)
            if request.kind == "segment":
                u.parts[request.part], u.responses[request.part] = words.text, words.response
            else:
                u.final = words
            self._understood(u)

    def _understood(self, u: Utterance) -> None:
        """Decide what the words are, if all of them are there; the silence may still be short."""
        if u.final is None or None in u.parts:
            return
        if self._may_be_misheard(u, u.final):
            self._user_turn.look_closer(u)
            return
        if u.first_words and not self._says_nothing(u, u.final.response):
            u.final = u.first_words
        if not u.words:
            if self._is_audible(u) and self._user_turn.may_ask_again(u):
                self._user_turn.ask_words_again(u)
            else:
                self._ignore(u, u.failed or "no_words")
            return
        if not u.complete and self._is_background(u.level):
            self._ignore(u, "background")
            return
        if not u.complete and self._says_nothing(u, u.response):
            r = self._floor.reply
            self._context.publish(events.Backchannel, r.generation if r else 0, u.words, "backchannel")
            self._user_turn.close_as_nothing(u, "backchannel")
            return
        self._user_turn.take_floor(u, "words")
        words = u.final
        if not words.text and not u.failed and u.certain_speech < self._config.audible_after:
            u.ignore_last_sound()
        answers = words.answers if words.probability > MUST_GO_ON else ""
        against = -words.ending_odds
        if u.turn == 1 and answers != "complete":
            against += self._config.endpointing.opening
        spoken = (u.last_speech - u.start) / RATE - self._config.speech.prefix_padding
        share = sound_share(spoken, self._config.endpointing)
        u.evidence = Evidence(
            u.text,
            words.probability,
            words.reason,
            words.timeout_factor,
            u.sound,
            against,
            u.opinion,
            answers,
            share,
            words.sound_estimate,
        )
        self._publish_score(u, u.evidence)

    def _is_background(self, level: float | None) -> bool:
        """Return True if words over the agent are too quiet to be the caller's."""
        r = self._floor.reply
        return r is not None and not r.dropped and self._caller.is_background(level)

    def _may_be_misheard(self, u: Utterance, words: WordsArrived) -> bool:
        """Return True if a sound over the agent is as short as a backchannel, and none is understood.

        The agent is paused, so the user does not hear that it is transcribed again. It is a backchannel if a later
        transcript is one; two transcripts that agree are believed.
        """
        r, first = self._floor.reply, u.first_words or words
        if r is None or not r.started or r.dropped or not self._floor.may_be_interrupted(r):
            return False
        if u.complete or u.failed or u.parts or u.base or self._context.capabilities.streams_words:
            return False
        if u.looks == MAX_LOOKS or words.response or not first.text:
            return False
        if u.looks and _letters(words.text) == _letters(first.text):
            return False
        is_short = u.seconds <= SHORT_SOUND and len(first.text.split()) <= SHORT_WORDS
        return is_short and self._says_nothing(u, "assent") and self._user_turn.may_ask_again(u)

    def _says_nothing(self, u: Utterance, response: Response) -> bool:
        """Return True if a short response takes no turn: it acknowledges what the agent says or will say."""
        r = self._floor.reply
        if r is None or r.dropped:
            return response != "" and bool(self._ending.reason)
        if response == "goodbye":
            return bool(r.end_call)
        if response in ("assent", "continuer"):
            heard = r.played
            if u.heard and u.heard[0] == r.generation:
                heard = min(heard, u.heard[1] - round(REACTION * RATE))
            asked = r.asked_after(heard)
            return asked is None or (r.declared or asked).kind not in ASSENT_ANSWERS
        return response != ""

    def _is_audible(self, u: Utterance) -> bool:
        """Return True if speech without words is long enough to have some, and the user may expect to be understood."""
        r, least = self._floor.reply, self._config.audible_after
        waits = r is None or r.dropped or r.asked is not None
        return waits and not u.failed and not u.held and 0 < least <= u.certain_speech

    def _ignore(self, u: Utterance, reason: str) -> None:
        """Close an utterance without words."""
        if u.asked_again and not u.failed:
            reason = "not_understood"
        self._context.publish(events.SpeechIgnored, u.turn, reason)
        if reason != "no_words" and not self._floor.reply and not u.base:
            if reason != "not_understood":
                self._floor.apologize()
            elif self._unanswered < MAX_NOT_UNDERSTOOD and self._floor.is_free and self._floor.ask_to_repeat():
                self._unanswered += 1
        self._user_turn.close_as_nothing(u, reason)

    def _publish_score(self, u: Utterance, e: Evidence) -> None:
        silence = self._context.seconds_since(u.last_speech)
        scores = (e.words, e.sound, e.probability, silence, e.reason, e.recognizer)
        self._context.publish(events.TurnScored, u.turn, e.text, *scores)
        u.fresh = True

    # --- the turn is decided ---

    def evaluate(self) -> None:
        """Decide the turn if it is over, or have more evidence or a reply prepared."""
        u = self._user_turn.utterance
        if u is None or u.held:
            return
        if self._user_turn.user.state is UserState.SPEAKING:
            if u.full and not self._floor.reply and None not in u.parts:
                self._decide_full(u)
            return
        if self._user_turn.detector.speech_run:
            return
        c = self._context
        if u.evidence is None and c.seconds_since(u.asked_at) >= c.config.endpointing.words_timeout:
            self._requests.drop("words", "segment")
            u.give_up_words("timeout")
            self._understood(u)
            if self._user_turn.utterance is not u:
                return
        if self._floor.reply:
            return
        if u.evidence is not None and u.complete:
            self.decide(u, u.evidence.text, Verdict(u.evidence.probability, u.complete))
            return
        self._ask_sound(u)
        if u.evidence is not None:
            self._weigh(u, u.evidence)

    def _weigh(self, u: Utterance, e: Evidence) -> None:
        config = self._context.config.endpointing
        silence = self._context.seconds_since(u.last_speech)
        timeout = wait_factor(config.eagerness) * config.timeout * e.effective_timeout_factor
        sound_is_due = self._requests.open and silence < timeout
        verdict = None if sound_is_due else decide(e, silence, config)
        if verdict:
            self.decide(u, e.text, verdict)
        elif u.fresh:
            u.fresh = False
            self._speculation.prepare(u.turn, e, early=u.is_guessed_over)

    def _ask_sound(self, u: Utterance) -> None:
        """Have the audio judged if its judgment may change the decision, as late as the answer is still in time for it.

        A user who goes on before that costs no judgment. If the words have not come by the time at which a turn that
        sounds finished would be decided, the audio is judged without them. If the turn model was overloaded, it is
        asked again: when the words are there, or after a while.
        """
        c, e, pos = self._context.config.endpointing, u.evidence, self._context.pos
        if not self._context.capabilities.judges_sound or u.scores >= c.max_scores:
            return
        first = u.scored_at <= u.last_speech
        if e is None:
            silence = self._context.seconds_since(u.last_speech)
            in_time = silence >= wait_factor(c.eagerness) * c.action_delay - c.sound_budget
            wanted = first and not u.complete and silence >= c.sound_after and in_time
        else:
            again = e.probability < c.threshold and pos - u.scored_at >= c.rescore_every * RATE
            wanted = c.doubt[0] < e.words < c.doubt[1] and (first or again or u.put_off) and self._sound_decides(u, e)
        if wanted:
            u.scores += 1
            u.scored_at, u.put_off = pos, False
            end = u.judged_until(pos, c.sound_after) if u.sound is None else pos
            self._requests.request_end_of_turn(u.start, end, e.words if e else None, u.turn)

    def _sound_decides(self, u: Utterance, e: Evidence) -> bool:
        """Return True if an answer that is due now plus its budget may change when the turn is decided."""
        c = self._context.config.endpointing
        span, silence = sound_matters(e, c), self._context.seconds_since(u.last_speech)
        return span is not None and span[0] - c.sound_budget <= silence < span[1]

    def _decide_full(self, u: Utterance) -> None:
        """Answer what was said so far of the longest turn there may be, and take what follows as the next turn."""
        rest = self._user_turn.new_utterance(u.part_start, u.last_speech)
        rest.windows = u.windows
        if u.text:
            self.decide(u, u.text, Verdict(1.0, "max_turn"))
        else:
            self._ignore(u, u.failed or "no_words")
        self._user_turn.utterance = rest
        self._context.publish(events.SpeechStarted, rest.turn, rest.start, "max_turn")

    def decide(self, u: Utterance, text: str, verdict: Verdict) -> None:
        """Decide the turn and have it answered; what was typed meanwhile belongs to it."""
        text = f"{text} {self._typed.take()}".strip()
        silence = self._context.seconds_since(u.last_speech)
        start = u.start if u.began is None else u.began
        self._context.publish(
            events.TurnDecided, u.turn, text, start, u.last_speech, silence, verdict.probability, verdict.reason
        )
        self._caller.learn(u.level)
        history = self._history.snapshot()
        self._history.add(Message("user", text))
        prepared = None if self._floor.says else self._speculation.take(u.turn, text)
        if prepared:
            self._floor.commit(prepared, text, start)
        else:
            self._speculation.discard("words_changed")
            self._floor.answer(u.turn, text, start, history)
        self._user_turn.close(u)
        self._unanswered = 0
        self._timers.turn_decided(self._context.pos)
        self._ending.revoke()
        self._floor.set_agent("turn_decided", verdict.reason)

    # --- long speech that something waits for ---

    def check_waiting(self, end: int) -> None:
        """If a reply, a `say` or typed text waits for the user to finish, check in time whether they say words."""
        u = self._user_turn.utterance
        if u is None or self._user_turn.user.state is not UserState.SPEAKING:
            return
        r, config = self._floor.reply, self._config.barge_in
        waits = self._floor.says or self._typed or (r and (r.held or u.wordless))
        since = u.checked if u.wordless else u.run_start
        every = config.check_every if u.wordless else config.confirm_after
        if waits and end - since >= every * RATE:
            self.check_words(u)

    def check_words(self, u: Utterance) -> None:
        """Request a transcript of ongoing speech, unless one is under way or was made recently."""
        c, pos = self._config.barge_in, self._context.pos
        if u.check_asked:
            if pos - u.checked >= c.give_up_after * RATE:
                self._checked(u, None)
            return
        if u.checked > u.run_start and pos - u.checked < c.check_every * RATE:
            return
        start = max(u.part_start, u.checked - round(OVERLAP * RATE)) if u.wordless else u.part_start
        u.checked, u.check_asked = pos, True
        self._requests.request_transcript("check", start, pos, u.turn)

    def _checked(self, u: Utterance, words: WordsArrived | None) -> None:
        """Act on the words so far; None if they cannot be had."""
        u.check_asked = False
        if words is None:
            self._requests.drop("check")
            if self._floor.reply and self._floor.reply.started:
                self._user_turn.take_floor(u, "duration")
        elif not words.text or self._is_background(words.level):
            u.wordless = True
            self._floor.go_on("background" if words.text else "no_words")
            self._user_turn.separate()
        elif not self._says_nothing(u, words.response):
            self._user_turn.take_floor(u, "words")


def _letters(text: str) -> str:
    """Return what counts where two transcripts are compared."""
    return "".join(char for char in text.lower() if char.isalnum())
