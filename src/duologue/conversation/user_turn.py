"""The user's turn: the open utterance, from the onset of speech until it is decided or turns out to be nothing.

The module is over 300 lines because all of its methods change one utterance; they are in the order of its life.
"""

from __future__ import annotations

from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import events, inputs
from duologue.conversation.context import Context
from duologue.conversation.evidence import SOUND_WINDOW, PendingRequests
from duologue.conversation.floor import Floor
from duologue.conversation.history import History
from duologue.conversation.reply import Reply
from duologue.conversation.speculation import Speculation
from duologue.conversation.speech import SpeechChange, SpeechDetector
from duologue.conversation.state import USER_TABLE, Machine, UserState
from duologue.conversation.timers import CallTimers
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError

__all__ = ["UserTurn"]

AGAIN_WITHIN: Final = 1.0
"""Seconds after the first request for a transcript in which a second one may follow; that long the audio is kept."""
MORE_AUDIO: Final = 0.5
"""Seconds of audio before an utterance that are added to it for the second request."""
LESS_AUDIO: Final = 0.05
"""Seconds at the beginning that each closer look at a short sound leaves out."""


class UserTurn:
    """The user's side: what they are saying, and the turn that it belongs to. `Endpointer` decides when it is over."""

    def __init__(
        self, context: Context, floor: Floor, speculation: Speculation, history: History, timers: CallTimers
    ) -> None:
        self._context = context
        self._config = context.config
        self._floor = floor
        self._speculation = speculation
        self._history = history
        self._timers = timers
        self.user: Machine[UserState] = Machine(USER_TABLE, UserState.SILENT)
        self.detector: SpeechDetector = SpeechDetector(context.config.speech)
        self.requests: PendingRequests = PendingRequests(context)
        self.utterance: Utterance | None = None
        self.last_turn: int = 0

    @property
    def listens(self) -> bool:
        """Whether speech makes turns: not if only the push-to-talk button does, and not while it is down."""
        return self._config.turns == "auto" and not (self.utterance and self.utterance.held)

    @property
    def has_floor(self) -> bool:
        """Whether the user may be speaking, or may continue."""
        return self.utterance is not None and not self.utterance.wordless

    @property
    def needs_from(self) -> int:
        """The first sample that may still be requested."""
        u, start, c = self.utterance, self._context.pos - self.detector.speech_run, self._config
        padding = round((c.speech.prefix_padding + MORE_AUDIO) * RATE)
        first = max(min(start - padding, self.detector.onset(start)), 0)
        if u is None:
            return first
        is_open = u.held or self.user.state is UserState.SPEAKING or not self._follows_silence(u, start)
        if is_open or self.may_ask_again(u):
            first = self._wider(u)
        if self._context.capabilities.judges_sound:
            # The turn model judges the turn from its start, pauses included, and may be asked late.
            end = u.judged_until(self._context.pos, c.endpointing.sound_after)
            first = min(first, max(u.start, end - SOUND_WINDOW))
        return first

    def next_turn(self) -> int:
        """Return the number of a new turn."""
        self.last_turn += 1
        return self.last_turn

    def set_user(self, trigger: str, reason: str) -> None:
        """Change the user's state."""
        before = self.user.fire(trigger)
        self._timers.active_at = self._context.pos
        self._context.publish(events.UserChanged, before, self.user.state, reason)

    # --- speech starts, continues, stops ---

    def hear(self, start: int, end: int, probability: float) -> None:
        """Process the probability of one window."""
        change = self.detector.window(start, end, probability)
        if change is SpeechChange.START:
            self._start_speech(end - self.detector.speech_run)
        elif change is SpeechChange.STOP:
            self._stop_speech("silence")

    def hear_gap(self, start: int, end: int) -> None:
        """Process missing input as silence."""
        if self.detector.silence(start, end) is SpeechChange.STOP:
            self._stop_speech("gap")

    def follow(self, end: int, probability: float) -> None:
        """Cut an utterance that grows too long, and request its partial transcripts."""
        u = self.utterance
        if u is None or self.user.state is not UserState.SPEAKING:
            return
        u.last_speech = end if u.held else self.detector.last_end
        u.windows.append((end, probability))
        if end - u.part_start >= self._config.max_utterance * RATE:
            self._cut(u, u.quietest())
        every = self._config.partial_every * RATE
        at_once = self._context.capabilities.streams_words and not u.partial
        if every and (at_once or end - max(u.partial_at, u.part_start) >= every):
            u.partial, u.partial_at = self.requests.request_partial(u.part_start, end), end

    def pass_over_gap(self, start: int, end: int) -> None:
        """Process missing input while the button is down: if the part is long, it ends before the gap."""
        u = self.utterance
        if u is None or not u.held:
            return
        if end - u.part_start < self._config.max_utterance * RATE:
            u.windows.append((end, 0.0))
            return
        if start > u.part_start:
            self._cut(u, start)
        u.part_start = end

    def show_partial(self, i: inputs.PartialArrived) -> None:
        """Publish a partial transcript."""
        u = self.utterance
        if u and u.partial == i.ask and i.text and not u.final:
            text = " ".join(t for t in (u.base, *u.parts, i.text) if t)
            self._context.publish(events.PartialTranscript, u.turn, text)

    def _start_speech(self, start: int) -> None:
        self.set_user("speech_start", "speech")
        u = self._open(start)
        u.run_start = u.checked = start
        r = self._floor.reply
        u.heard = (r.generation, r.played) if r and r.started else None
        self._context.publish(events.SpeechStarted, u.turn, start, "speech")

    def _stop_speech(self, reason: str) -> None:
        self.set_user("speech_stop", reason)
        u = self.utterance
        assert u is not None, "the user speaks in an utterance"
        u.last_speech = self.detector.last_end
        self._context.publish(events.SpeechStopped, u.turn, u.last_speech, reason)
        self.requests.drop("check")
        self._ask_words(u, self._end_of_words(u))

    def _end_of_words(self, u: Utterance) -> int:
        """Return where the audio ends that is transcribed after the speech has stopped."""
        return min(self._context.pos, u.last_speech + round(self._config.speech.tail_padding * RATE))

    def _ask_words(self, u: Utterance, end: int, skip: int = 0) -> None:
        """Request the words of the last part up to `end`, without so many samples at its beginning."""
        extra, part = self._config.endpointing.words_budget, len(u.parts)
        u.asked_at = self._context.pos
        if u.last_speech > u.part_start:
            opened = self._floor.reply.text if u.continues and self._floor.reply else u.base
            before = " ".join(t for t in (opened, *u.parts) if t)
            may_go_on = not u.complete
            self.requests.request_transcript(
                "words",
                u.part_start + skip,
                end,
                u.turn,
                extra=extra,
                part=part,
                may_go_on=may_go_on,
                before=before,
                expects=self._floor.expected,
            )
        else:  # no speech since the last cut
            self.requests.note_no_words(u.part_start, end, extra=extra, part=part)

    def may_ask_again(self, u: Utterance) -> bool:
        """Return True if a second transcript of the last part may be requested: its audio is still kept."""
        return not u.asked_again and self._context.seconds_since(u.asked_at) < AGAIN_WITHIN

    def ask_words_again(self, u: Utterance) -> None:
        """Request a second transcript of audible speech, with more of the audio before and after it."""
        u.asked_again, u.final, u.asked_at = True, None, self._context.pos
        self.requests.request_transcript(
            "words",
            self._wider(u),
            self._context.pos,
            u.turn,
            extra=self._config.endpointing.words_budget,
            part=len(u.parts),
            may_go_on=not u.complete,
            before=u.base,
            expects=self._floor.expected,
        )

    def look_closer(self, u: Utterance) -> None:
        """Request the words of a short sound again, without a piece of the audio before it.

        Recognizers have little to go by in a short sound, and write other words if it begins elsewhere in the audio.
        """
        u.first_words, u.final = u.first_words or u.final, None
        u.looks += 1
        self._ask_words(u, self._end_of_words(u), round(u.looks * LESS_AUDIO * RATE))

    def _wider(self, u: Utterance) -> int:
        """Return the first sample of the audio for a second transcript of the last part."""
        return max(u.part_start - round(MORE_AUDIO * RATE), 0) if not u.parts else u.part_start

    def _cut(self, u: Utterance, at: int) -> None:
        self.requests.request_transcript("segment", u.part_start, at, u.turn, extra=1.0, part=len(u.parts))
        u.split(at, None)
        u.full = at - u.start >= self._config.max_turn * RATE
        self._context.publish(events.UtteranceCut, u.turn, at, "max_turn" if u.full else "max_utterance")

    # --- the push-to-talk button ---

    def press(self) -> None:
        """Open a turn that lasts until `release`. Interrupts the agent."""
        if self.utterance and self.utterance.held:
            raise InvalidStateError("The turn has begun already; end it first.")
        r = self._floor.reply
        if r and r.interruptible and r.started:
            self._floor.drop("manual")
        self.detector = SpeechDetector(self._config.speech)
        u = self._open(self._context.pos)
        u.held = True
        if self.user.may("speech_start"):
            self.set_user("speech_start", "manual")
        self._context.publish(events.SpeechStarted, u.turn, self._context.pos, "manual")

    def release(self) -> None:
        """End the turn that `press` opened."""
        u = self.utterance
        if u is None or not u.held:
            raise InvalidStateError("No turn has begun; begin one first.")
        u.held, u.complete, u.last_speech = False, "manual", self._context.pos
        self.set_user("speech_stop", "manual")
        self._context.publish(events.SpeechStopped, u.turn, self._context.pos, "manual")
        self._ask_words(u, self._context.pos)

    # --- an utterance opens ---

    def _open(self, start: int) -> Utterance:
        """Return the utterance that speech from `start` on belongs to.

        A reply that has not been played yet is held until it is known whether there are words, so that a cough does not
        discard the reply, and the agent is not asked a second time.
        """
        r, u = self._floor.reply, self.utterance
        held = r is not None and not r.started and r.interruptible
        if r and held:
            self._floor.hold(r)
        if u is not None:
            self._go_on(u, start)
            return u
        turn = r.turn if r and held else 0
        u = self.utterance = self.new_utterance(self._padded(start), start, turn)
        u.continues = bool(turn)
        return u

    def new_utterance(self, start: int, speech: int, turn: int = 0) -> Utterance:
        """Return an utterance that begins at `start`. It opens a new turn unless `turn` is given."""
        if not turn:
            turn = self.next_turn()
            self._speculation.new_turn()
        return Utterance(turn, start, speech, part_start=start, partial_at=start)

    def _go_on(self, u: Utterance, start: int) -> None:
        """The user continues: discard the transcript of the last part and what was derived from it."""
        words = u.final or u.first_words
        if self._follows_silence(u, start) and (words or self.requests.keep_words_as_part()):
            u.before_sound = u.last_speech, u.sound
            u.split(self._padded(start), words)
        self.requests.drop("words", "sound", "check")
        u.go_on()
        if self._config.speculation == "discard":
            self._speculation.discard("went_on")

    def _padded(self, start: int) -> int:
        """Return the first sample of an utterance whose speech was detected at `start`."""
        r, c = self._floor.reply, self._config
        over_the_agent = r is not None and r.started and not r.dropped
        padding = round((c.barge_in if over_the_agent else c.speech).prefix_padding * RATE)
        return max(min(start - padding, self.detector.onset(start)), 0)

    def _follows_silence(self, u: Utterance, start: int) -> bool:
        """Return True if speech from `start` on follows so long a silence that it is transcribed by itself."""
        return start - u.last_speech > self._config.split_after * RATE

    # --- what an utterance turns out to be ---

    def take_floor(self, u: Utterance, reason: str) -> None:
        """The user has said words: cut the reply off if it is being played, and continue its turn if it is not yet."""
        r = self._floor.reply
        u.wordless = False
        if r is None or r.dropped:
            return
        if r.started:
            if self._floor.may_be_interrupted(r):
                self._floor.drop(reason)
        elif r.held:
            self._floor.drop("went_on")
            if u.continues:
                self.reopen(r, u, "went_on")

    def reopen(self, r: Reply, u: Utterance, reason: str) -> None:
        """Continue with `u` the turn that `r` was to answer."""
        u.continues = False
        self._history.reopen(r.text)
        u.base, u.began = f"{r.text} {u.base}".rstrip(), r.asked_from
        self._context.publish(events.TurnContinued, r.turn, reason)

    def reopen_after_failure(self, r: Reply, code: str) -> bool:
        """Continue the turn of a reply that failed if the user may have gone on with it; otherwise return False."""
        u = self.utterance
        if u is None or not u.continues:
            return False
        self.reopen(r, u, code)
        return True

    def separate(self) -> None:
        """Open a new turn for an utterance that might have continued one, because that turn is answered or dropped."""
        u = self.utterance
        if u and u.continues:
            u.turn, u.continues = self.next_turn(), False
            self._context.publish(events.SpeechStarted, u.turn, u.start, "next_turn")

    def silence_agent(self, reason: str) -> None:
        """Cut the agent off for good and drop the texts that wait to be said; no speech continues the answered turn."""
        self._floor.give_up(reason)
        self.separate()
        self._floor.cancel_says(reason)

    def close_as_nothing(self, u: Utterance, reason: str) -> None:
        """Close an utterance without words: the reply goes on, and a turn that it had reopened is decided again."""
        self.forget()
        self._floor.go_on(reason)
        if u.base:
            u.reduce_to_base(reason)
            self.utterance = u

    def close(self, u: Utterance) -> None:
        """Close a decided utterance."""
        if self.utterance is u:
            self.utterance = None
            self.requests.drop_all()

    def forget(self) -> None:
        """Drop the utterance, its requests, and the reply prepared for it."""
        self.utterance = None
        self.requests.drop_all()
        self._speculation.discard("no_turn")
        self._timers.active_at = self._context.pos

    def reset(self, reason: str) -> None:
        """Drop the utterance and restart the detector."""
        self.forget()
        self.detector = SpeechDetector(self._config.speech)
        if self.user.may("speech_stop"):
            self.set_user("speech_stop", reason)
