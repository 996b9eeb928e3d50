"""A script that keeps account: after every input it checks what must hold whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.effects import Effect
from duologue.conversation.history import Message, Segment
from duologue.conversation.inputs import Input
from duologue.conversation.state import AgentState, CallState, UserState
from duologue.conversation.typed import MAX_TYPED
from duologue.errors import InvalidStateError
from duologue.testing.conversation import Playing, Script

__all__ = ["Ledger"]

RAISES: dict[type, str] = {
    inputs.CallRequested: "'start' is not possible",
    inputs.TurnBegun: "has begun already",
    inputs.TurnEnded: "No turn has begun",
    inputs.SayRequested: "texts wait to be said",
    inputs.TextArrived: "typed",
}
"""The only inputs that may be refused, and how."""


@dataclass(slots=True)
class Account:
    """One reply from its start to its end."""

    generation: int
    turn: int
    committed: bool
    started: bool = False
    cut: bool = False
    over: bool = False
    level: str = "full"
    held: bool = False
    queued: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    length: float = 0.0


class Ledger(Script):
    """Follows turns, replies, asks and history from inputs and effects alone, and compares them with the rules."""

    def begin(self, *, speculates: bool, judges_sound: bool) -> None:
        """Go live."""
        self.replies: dict[int, Account] = {}
        self.open_turn: int | None = None
        """The turn that the user's speech belongs to."""
        self.bases: dict[int, str] = {}
        """Words of turns that are open again."""
        self.unanswered: dict[int, int] = {}
        """Decided turns and the generation that is to answer each."""
        self.expected: list[Message] = []
        """The history as it must be..."""
        self.past: list[Message] = []
        """...and as it was before the turn that was decided last."""
        self.final_words: list[str] = []
        """The words of all decided turns that were not opened again."""
        self.asks: dict[int, effects.RequestTranscript | effects.RequestEndOfTurn] = {}
        self.ids = 0
        self.speculated: dict[int, int] = {}
        self.held_from = 0
        self.typed: list[str] = []
        """What the user typed, each a word of its own."""
        self.trace: list[list[Effect]] = []
        """The effects of each input; what was refused has none."""
        self.give(inputs.CallRequested(speculates, judges_sound))

    # --- one input ---

    def _tell(self, input_: Input) -> list[Effect]:
        c, generation = self.conversation, self.conversation.generation
        live = c.call.state is CallState.LIVE
        if isinstance(input_, inputs.ReplyFailed):
            r = self.replies.get(input_.generation)
            if r and r.committed and not r.started:
                r.over = True
        refusal = ""
        try:
            effects = super()._tell(input_)
        except InvalidStateError as error:
            effects, refusal = [], str(error)
        self.trace.append(effects)
        if refusal:
            assert RAISES.get(type(input_), "?") in refusal, f"{input_} raised {refusal}"
            assert c.context.effects == [], "what was decided before the refusal is lost"
            return []
        assert c.generation >= generation
        if isinstance(input_, inputs.TextArrived) and input_.text and live:
            self.typed.append(input_.text)
        self._check(forgotten=isinstance(input_, inputs.ClearRequested | inputs.EndRequested))
        return effects

    def _perform(self, effect: Effect) -> None:
        self._note(effect)
        super()._perform(effect)

    def _note(self, effect: Effect) -> None:
        match effect:
            case effects.RequestTranscript() | effects.RequestEndOfTurn():
                self._new_id(effect.ask)
                assert 0 <= effect.start < effect.end <= self.pos
                assert effect.due >= self.pos
                if isinstance(effect, effects.RequestTranscript):
                    self.asks = {
                        i: ask for i, ask in self.asks.items() if not isinstance(ask, effects.RequestEndOfTurn)
                    }
                self.asks[effect.ask] = effect
                if isinstance(effect, effects.RequestTranscript):
                    assert effect.start >= self.held_from, "that sound is no longer held"
                    longest = self.conversation.config.max_utterance * RATE
                    assert effect.end - effect.start <= longest + 2 * RATE
            case effects.RequestPartial():
                self._new_id(effect.ask)
                assert self.held_from <= effect.start < effect.end <= self.pos
            case effects.DropAsk():
                self.asks.pop(effect.ask, None)
            case effects.StartReply():
                self._reply_started(Account(effect.generation, effect.turn, not effect.speculative))
                assert list(effect.history) == (self.expected if effect.speculative else self.past)
                if effect.speculative:
                    self.speculated[effect.turn] = self.speculated.get(effect.turn, 0) + 1
                    assert self.speculated[effect.turn] <= self.conversation.config.max_speculations
                    assert effect.turn == self.open_turn
                else:
                    assert self.unanswered[effect.turn] == 0
                    self.unanswered[effect.turn] = effect.generation
            case effects.StartSpeech():
                self._reply_started(Account(effect.generation, 0, committed=True))
            case effects.CommitReply():
                r = self._live(effect.generation)
                assert not r.committed
                r.committed = True
                assert self.unanswered[r.turn] == 0
                self.unanswered[r.turn] = r.generation
            case effects.DiscardReply():
                r = self._live(effect.generation)
                assert effect.rollback == (not r.started)
                assert self.conversation.generation > effect.generation
                r.cut, r.over = True, not r.started
            case effects.Duck():
                self._level(effect.generation, "full", "ducked")
            case effects.Unduck():
                self._level(effect.generation, "ducked", "full")
            case effects.Pause():
                self._level(effect.generation, "ducked", "paused")
            case effects.Resume():
                self._level(effect.generation, "paused", "full")
            case effects.Hold():
                r = self._live(effect.generation)
                assert not r.held
                assert not r.started
                r.held = True
            case effects.Release():
                r = self._live(effect.generation)
                assert r.held
                r.held = False
            case _:
                self._note_event(effect)

    def _note_event(self, event: Effect) -> None:
        match event:
            case events.SpeechStarted():
                assert self.open_turn in (None, event.turn) or event.reason == "next_turn"
                self.open_turn = event.turn
            case events.TurnDecided():
                assert event.text.strip()
                assert event.silence >= 0
                if event.reason != "text":
                    assert event.turn == self.open_turn
                    self.open_turn = None
                base = self.bases.pop(event.turn, "")
                assert event.text.startswith(base)
                assert event.turn not in self.unanswered
                self.unanswered[event.turn] = 0
                self.past = list(self.expected)
                self._remember(Message("user", event.text))
                self.final_words.append(event.text)
            case events.TurnContinued():
                self.unanswered.pop(event.turn, None)
                words = self.final_words.pop()
                assert not self.expected or self.expected.pop() == Message("user", words)
                if self.open_turn is not None:
                    self.bases[self.open_turn] = f"{words} {self.bases.get(self.open_turn, '')}".rstrip()
            case events.TurnScored():
                kind = effects.RequestTranscript if event.sound is None else effects.RequestEndOfTurn
                assert event.pos >= min(ask.due for ask in self.asks.values() if isinstance(ask, kind))
            case events.SpeechIgnored():
                assert event.turn == self.open_turn
                self._no_turn()
            case events.Backchannel():
                if event.generation:
                    self._live(event.generation)
                self._no_turn()
            case events.AgentSaid():
                r = self._live(event.generation)
                assert r.committed
                r.said.append(event.text)
            case events.Interrupted():
                assert not self.replies[event.generation].over
                assert event.reason not in ("duration", "words") or self.open_turn is not None
            case events.AgentHeard():
                self._heard(event)
            case events.AgentChanged():
                assert event.before is not event.state
                if event.before is AgentState.THINKING and event.state is AgentState.IDLE:
                    self.unanswered = {turn: g for turn, g in self.unanswered.items() if turn in self.waiting()}
            case events.CallChanged():
                assert event.state is self.conversation.call.state
            case _:
                pass

    def waiting(self) -> set[int]:
        """Turns whose reply is still alive."""
        return {r.turn for r in self.replies.values() if not r.over}

    def _no_turn(self) -> None:
        if self.open_turn not in self.bases:
            self.open_turn = None

    def _new_id(self, ask: int) -> None:
        assert ask > self.ids
        self.ids = ask

    def _reply_started(self, r: Account) -> None:
        assert r.generation > max(self.replies, default=0)
        assert all(other.over for other in self.replies.values()), "one reply at a time"
        self.replies[r.generation] = r

    def _live(self, generation: int) -> Account:
        r = self.replies[generation]
        assert not r.over
        assert not r.cut
        return r

    def _level(self, generation: int, before: str, after: str) -> None:
        r = self._live(generation)
        assert r.started
        assert r.level == before
        r.level = after

    def _heard(self, event: events.AgentHeard) -> None:
        r = self.replies[event.generation]
        assert r.started
        assert not r.over
        r.over = True
        assert event.turn == r.turn
        assert event.said == " ".join(r.said)
        assert event.said.startswith(event.text)
        assert event.interrupted == r.cut
        self.unanswered.pop(r.turn, None)
        if event.text:
            self._remember(Message("agent", event.text, event.said, event.interrupted, event.estimated))

    def _remember(self, message: Message) -> None:
        self.expected.append(message)
        if len(self.expected) > self.conversation.config.max_history:
            self.expected.pop(0)

    # --- what holds at all times ---

    def _check(self, *, forgotten: bool) -> None:
        c, config = self.conversation, self.conversation.config
        u, r, s = c.user_turn.utterance, c.floor.reply, c.speculation.reply
        if forgotten or c.call.state is CallState.ENDED:
            self.open_turn = None
            self.bases.clear()
        assert (u.turn if u else None) == self.open_turn
        assert list(c.history.messages) == self.expected
        assert not (r and s)
        for reply in (r, s):
            assert reply is None or reply.dropped or reply.generation == c.generation
        thinking = bool(r and r.turn and not r.started)
        assert (c.agent.state is AgentState.THINKING) == thinking
        assert (c.agent.state is AgentState.IDLE) == (not thinking and not (r and r.started))
        if config.turns == "auto" and c.call.state is CallState.LIVE:
            held = bool(u and u.held)
            assert (c.user.state is UserState.SPEAKING) == (held or c.user_turn.detector.speaking)
        assert c.user.state is not UserState.SPEAKING or u or c.call.state is CallState.ENDED
        # what was typed is somewhere, and nowhere twice
        places = [*self.final_words, *self.bases.values(), *c.typed.texts]
        found = {word: sum(word in text for text in places) for word in self.typed}
        if forgotten or c.call.state is CallState.ENDED:
            self.typed = [word for word in self.typed if found[word]]
        assert all(found[word] == 1 for word in self.typed), f"typed and lost, or there twice: {found}"
        # nothing grows without bound
        assert len(c.typed.texts) <= MAX_TYPED + 1
        assert len(c.floor.says) <= config.max_queued_says + 1
        assert len(c.history.messages) <= config.max_history
        kinds = [ask.kind for ask in c.user_turn.requests.open.values()]
        assert kinds.count("words") <= 1
        assert kinds.count("sound") <= config.endpointing.max_scores
        assert kinds.count("segment") <= (len(u.parts) if u else 0)
        assert {ask.id for ask in c.user_turn.requests.open.values() if ask.answer is None} <= set(self.asks)
        if u:
            assert len(u.windows) <= config.max_utterance * RATE / WINDOW + 1
            assert not (u.final and u.evidence is None and None not in u.parts), "understood, and nothing came of it"
        else:
            assert not kinds
            assert s is None
        padding = round(config.speech.prefix_padding * RATE)
        self.held_from = max(self.held_from, c.needs_from - padding)  # a part may begin within the padding

    # --- user and agent, held to what a shell does ---

    def type(self, blank: bool) -> None:
        """The user types a word that was never typed before, or nothing."""
        self.give(inputs.TextArrived("" if blank else f"typed{len(self.trace)}."))

    @property
    def live(self) -> Account | None:
        """The reply that may sound."""
        return next((r for r in self.replies.values() if r.committed and not (r.over or r.cut or r.held)), None)

    def synthesise(self, text: str, seconds: float) -> None:
        """A clause of the newest reply is ready, whether it may sound or not."""
        r = next((r for r in reversed(self.replies.values()) if not r.over), None)
        if r:
            start, r.length = r.length, r.length + seconds
            if self.playing:
                self.playing.seconds += seconds
            self.give(inputs.SpeechQueued(r.generation, Segment(text, start, r.length)))

    def start_playout(self, end_call: str = "") -> None:
        """The reply sounds, if there is one that may and that has something to say."""
        r = self.live
        if r and r.length and not r.started:
            r.started = True
            if end_call:
                self.give(inputs.HangUpRequested(r.generation, end_call))
            self.playing = Playing(r.generation, r.length)
            self.give(inputs.PlayoutStarted(r.generation))

    def break_off(self, code: str) -> None:
        """The newest reply fails, or has nothing to say."""
        r = next((r for r in reversed(self.replies.values()) if not r.over), None)
        if r:
            self.give(inputs.ReplyFailed(r.generation, code))
