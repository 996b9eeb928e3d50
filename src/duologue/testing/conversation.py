"""A conversation played by hand, in audio time: what user and agent do goes in, what the rules decide comes out.

A minute of talk takes milliseconds and always goes the same way:

    script = Script()
    script.understand("Hello there.")
    script.speech(0.6)
    script.silence(0.5)
    script.play("Hi! How can I help?", seconds=1.5)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.evidence import Answer
from duologue.conversation.history import Segment
from duologue.conversation.inputs import Input, Now
from duologue.conversation.question import AnswerState
from duologue.turn.languages import find_question, language_pack

__all__ = ["Playing", "Script"]

ENGLISH = language_pack("en")
T = TypeVar("T", bound=object)
Reading = Callable[[int], Answer]


@dataclass(slots=True)
class Playing:
    """The reply that sounds."""

    generation: int
    seconds: float
    """How long all of it lasts."""
    played: float = 0.0
    """How much of it the user has heard, in seconds."""
    paused: bool = False


@dataclass(slots=True)
class Readings:
    """What asks of one kind are answered with, one after the other; the last answers all that follow."""

    answers: deque[tuple[Reading, float]] = field(default_factory=deque)

    def next(self) -> tuple[Reading, float] | None:
        """The answer and its delay in seconds; None if asks are never answered."""
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0] if self.answers else None


class Script:
    """Plays one user and one agent to the rules, as the shell of a session would.

    Asks for evidence are answered as told by `understand`, `judge` and their like: at once, so in good time, unless a
    delay is given. A reply that is cut off is reported as heard at once. All effects are kept in `log`, in order.
    """

    def __init__(
        self,
        config: ConversationConfig | None = None,
        *,
        speculates: bool = False,
        judges_sound: bool = False,
        start: bool = True,
    ) -> None:
        config = config or ConversationConfig()
        if config.apology is None:
            config = replace(config, apology=ENGLISH.apology)
        self.conversation: Conversation = Conversation(config)
        self.log: list[Effect] = []
        self.inputs: list[tuple[Input, Now]] = []
        """All inputs of the rules, so that they can be replayed."""
        self.pos: int = 0
        self.playing: Playing | None = None
        self.on_order: int = 0
        """The generation of the reply that was started last."""
        self._queued_until = 0.0
        """Seconds of audio of the reply on order."""
        self._words = Readings()
        self._sound = Readings()
        self._post: list[tuple[int, int, Answer]] = []
        self._queue: deque[Input] = deque()
        self.understand("Hello.")
        self.judge(0.95)
        if start:
            self.give(inputs.CallRequested(speculates, judges_sound))

    # --- what the user does ---

    def speech(self, seconds: float, probability: float = 0.95, *, echo_ratio: float = 0.0) -> None:
        """The user speaks, in whole windows of 32 ms."""
        for _ in range(round(seconds * RATE / WINDOW)):
            self._deliver()
            # What resumes at a window's end has not played in it, whichever input it was that resumed it.
            sounds = self.playing is not None and not self.playing.paused
            start, self.pos = self.pos, self.pos + WINDOW
            self.give(inputs.VadScored(start, self.pos, probability, echo_ratio))
            if sounds:
                self._play_on(WINDOW)

    def silence(self, seconds: float, probability: float = 0.02) -> None:
        """Silence, in whole windows of 32 ms."""
        self.speech(seconds, probability)

    def gap(self, seconds: float, reason: str = "missing") -> None:
        """Input is missing, in one piece."""
        self._deliver()
        start, self.pos = self.pos, self.pos + round(seconds * RATE)
        self.give(inputs.Gap(start, self.pos, reason))
        self._play_on(self.pos - start)

    def say_turn(self, text: str = "Hello.", *, seconds: float = 0.64, pause: float = 0.64) -> None:
        """The user says something that sounds finished, and falls silent until it is decided."""
        self.understand(text)
        self.speech(seconds)
        self.silence(pause)

    # --- what is understood of it ---

    def understand(
        self,
        *texts: str,
        probability: float = 0.95,
        reason: str = "sentence",
        timeout_factor: float = 1.0,
        ending_odds: float = 0.0,
        answers: AnswerState = "",
        level: float | None = None,
        sound_estimate: float | None = None,
        after: float = 0.0,
    ) -> None:
        """Answer each ask for words with the next of `texts`, `after` seconds after it was asked."""

        def reading(text: str) -> Reading:
            response = ENGLISH.response(text)
            return lambda ask: inputs.WordsArrived(
                ask, text, probability, reason, timeout_factor, response, ending_odds, answers, level, sound_estimate
            )

        self._words.answers = deque((reading(text), after) for text in texts)

    def fail_words(self, code: str = "provider_error", *, after: float = 0.0) -> None:
        """Fail each ask for words."""
        self._words.answers = deque([(lambda ask: inputs.EvidenceFailed(ask, code), after)])

    def lose_words(self) -> None:
        """Never answer an ask for words."""
        self._words.answers.clear()

    def judge(self, *probabilities: float, after: float = 0.0) -> None:
        """Answer each ask for the sound with the next of `probabilities`."""

        def reading(probability: float) -> Reading:
            return lambda ask: inputs.SoundScored(ask, probability)

        self._sound.answers = deque((reading(p), after) for p in probabilities)

    def fail_sound(self, code: str = "provider_error", *, after: float = 0.0) -> None:
        """Fail each ask for the sound."""
        self._sound.answers = deque([(lambda ask: inputs.EvidenceFailed(ask, code), after)])

    def lose_sound(self) -> None:
        """Never answer an ask for the sound."""
        self._sound.answers.clear()

    # --- what the agent does ---

    def queue(self, *clauses: str, seconds: float = 1.0) -> None:
        """Clauses of the reply on order have been synthesised; each lasts `seconds`."""
        for clause in clauses:
            start = self._queued_until
            asks = find_question(clause, seconds, ENGLISH)
            segment = Segment(clause, start, start + seconds)
            if asks is not None:
                segment = replace(segment, asks_from=start + asks.start, expects=asks.expects)
            self.give(inputs.SpeechQueued(self.on_order, segment))

    def play(self, *clauses: str, seconds: float = 1.0, end_call: str = "") -> None:
        """The reply on order is synthesised and begins to sound; it finishes when audio for all of it has passed."""
        self.queue(*clauses, seconds=seconds)
        if end_call:
            self.give(inputs.HangUpRequested(self.on_order, end_call))
        self.playing = Playing(self.on_order, self._queued_until)
        self.give(inputs.PlayoutStarted(self.on_order))

    def finish(self) -> None:
        """The reply has been played to its end."""
        assert self.playing is not None, "nothing is playing"
        self._over(self.playing.seconds)

    def fail_reply(self, code: str = "agent_error") -> None:
        """The reply on order breaks off."""
        self.give(inputs.ReplyFailed(self.on_order, code))

    # --- what came of it ---

    def of(self, kind: type[T]) -> list[T]:
        """All effects of one kind so far."""
        return [effect for effect in self.log if isinstance(effect, kind)]

    def one(self, kind: type[T]) -> T:
        """The only effect of one kind."""
        found = self.of(kind)
        assert len(found) == 1, f"{len(found)} of {kind.__name__}, not one: {found}"
        return found[0]

    def last(self, kind: type[T]) -> T:
        """The latest effect of one kind."""
        return self.of(kind)[-1]

    def reasons(self, kind: type[Effect]) -> list[str]:
        """The reasons that the events of one kind give."""
        return [str(getattr(event, "reason", "")) for event in self.of(kind)]

    # --- the shell ---

    @property
    def now(self) -> Now:
        """Here, in the audio; the wall goes with it."""
        return Now(self.pos, self.pos / RATE)

    def give(self, input_: Input) -> list[Effect]:
        """Hand an input to the rules and carry out their effects; inputs that this causes follow.

        Returns all effects.
        """
        self._queue.append(input_)
        wanted: list[Effect] = []
        if len(self._queue) == 1:
            try:
                while self._queue:
                    wanted += self._tell(self._queue[0])
                    self._queue.popleft()
            finally:
                self._queue.clear()
        return wanted

    def _tell(self, input_: Input) -> list[Effect]:
        self.inputs.append((input_, self.now))
        if isinstance(input_, inputs.SpeechQueued) and input_.generation == self.on_order:
            self._queued_until = input_.segment.end
        effects = self.conversation.handle(input_, self.now)
        for effect in effects:
            self.log.append(effect)
            self._perform(effect)
        return effects

    def _perform(self, effect: Effect) -> None:
        match effect:
            case effects.RequestTranscript():
                self._answer_later(effect.ask, self._words)
            case effects.RequestEndOfTurn():
                self._answer_later(effect.ask, self._sound)
            case effects.StartReply() | effects.StartSpeech():
                self.on_order, self._queued_until = effect.generation, 0.0
            case effects.Pause() if self.playing:
                self.playing.paused = True
            case effects.Resume() if self.playing:
                self.playing.paused = False
            case effects.DiscardReply() if self.playing and self.playing.generation == effect.generation:
                self._over(self.playing.played)
            case _:
                pass

    def _answer_later(self, ask: int, readings: Readings) -> None:
        reading = readings.next()
        if reading:
            answer, after = reading
            self._post.append((self.pos + round(after * RATE), ask, answer(ask)))

    def _deliver(self) -> None:
        due = sorted(letter for letter in self._post if letter[0] <= self.pos)
        self._post = [letter for letter in self._post if letter[0] > self.pos]
        for _, _, answer in due:
            self.give(answer)

    def _play_on(self, samples: int) -> None:
        p = self.playing
        if p and not p.paused:
            p.played = min(p.played + samples / RATE, p.seconds)
            if p.played >= p.seconds:
                self._over(p.seconds)

    def _over(self, played: float) -> None:
        p, self.playing = self.playing, None
        assert p is not None, "nothing is playing"
        self.give(inputs.PlayoutFinished(p.generation, played, estimated=False))
