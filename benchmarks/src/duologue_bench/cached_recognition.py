"""One item of the corpus and what the models make of it: each stretch of sound is asked once, whatever the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.evidence import SOUND_WINDOW
from duologue.conversation.history import Segment
from duologue.conversation.inputs import Now
from duologue.conversation.speculation import keeps
from duologue.errors import OverloadedError
from duologue.session.evidence import leaves_open
from duologue.stt import SttModel
from duologue.stt.recognition import Recognition
from duologue.turn import TurnModel, WordsPolicy
from duologue.turn.languages import find_question, language_pack
from duologue.turn.understanding import understood
from duologue.vad import VoiceActivityDetector
from duologue_bench.cache import RecognitionCache
from duologue_bench.corpus import Item
from duologue_bench.policies import SURE, UNSURE, Setting
from duologue_bench.scoring import Decision, Judged

__all__ = ["Ears", "Heard", "Play", "Played", "hear"]

BATCH: Final = 24
"""Items that the detector scores at once."""
PACK: Final = language_pack("en")
SPOKEN_S: Final = 1.0
"""Seconds that a question of the agent lasts."""
WINDOW_S: Final = WINDOW / RATE
"""Scores of one silence agree on its beginning to within this."""


@dataclass(frozen=True, slots=True)
class Ears:
    """The models that listen."""

    vad: VoiceActivityDetector
    stt: SttModel
    words: WordsPolicy
    turn_model: TurnModel | None
    cache: RecognitionCache | None = None
    """Keeps their answers from run to run."""
    words_latency: float | None = None
    """Seconds that a recognizer which streams takes for the words; None: it is asked for them in the silence."""

    def transcribe(self, samples: NDArray[np.int16]) -> Recognition:
        """Return the transcript of some samples."""
        name = self.stt.name
        found = self.cache.transcript(name, samples) if self.cache else None
        if found is None:
            (text,) = self.stt.run([_floats(samples)])
            found = Recognition.of(text)
            if self.cache:
                self.cache.keep_transcript(name, samples, found)
        return found

    def score(self, samples: NDArray[np.int16]) -> float:
        """Return the turn model's probability for some samples."""
        model = self.turn_model
        assert model is not None, "settings that hear the sound are only for ears that have a turn model"
        kept = self.cache.scores(model.name, samples) if self.cache else None
        if kept is None:
            kept = np.array(model.run([_floats(samples)]), np.float32)
            if self.cache:
                self.cache.keep_scores(model.name, samples, kept)
        return float(kept[0])


@dataclass(frozen=True, slots=True)
class Played:
    """What the rules made of one item."""

    decisions: tuple[Decision, ...]
    asked: int
    """How often the turn model was asked."""
    judged: tuple[Judged, ...] = ()
    """The probability of the end of the turn, silence by silence."""


def hear(items: Sequence[Item], version: str, ears: Ears) -> Iterator[Heard]:
    """Each item in one version, in order; the detector scores some at once, as it costs less."""
    for at in range(0, len(items), BATCH):
        some = [(item, item.samples(version)) for item in items[at : at + BATCH]]
        scores = _scores([samples for _, samples in some], ears)
        for (item, samples), windows in zip(some, scores, strict=True):
            yield Heard(item, samples, windows, ears)


class Heard:
    """One item in one version, scored by the detector; other models are asked as settings need them."""

    def __init__(self, item: Item, samples: NDArray[np.int16], scores: Sequence[float], ears: Ears) -> None:
        self.item = item
        self._ears = ears
        self.samples = samples
        window = ears.vad.window
        self.windows = [inputs.VadScored(n * window, (n + 1) * window, p) for n, p in enumerate(scores)]
        self._words: dict[tuple[int, int], Recognition] = {}
        self._sound: dict[tuple[int, int], float] = {}

    def play(self, setting: Setting, *, is_later: bool = False) -> Played:
        """Tell the rules of the item, with every answer in good time, and return what they decided.

        `is_later`: the call has had a turn before, a typed one.
        The agent answers with nothing, so that it never talks over the caller and a decision is never taken back.
        """
        question = self.item.question
        rules = ConversationConfig(
            speech=setting.speech,
            endpointing=setting.endpointing,
            greeting="" if is_later else question,
            partial_every=0.0,
            apology="",
            not_understood="",
            away_after=1e6,
        )
        conversation = Conversation(rules)
        play = Play(conversation, self, setting)
        latency = self._ears.words_latency
        call = inputs.CallRequested(
            agent_speculates=True,
            judges_sound=setting.hears_sound,
            streams_words=latency is not None,
            words_latency=latency,
        )
        play.tell(call, Now(0, 0.0))
        if is_later:
            play.question = question
            play.tell(inputs.TextArrived("Hello."), Now(0, 0.0))
            play.decisions.clear()
        for window in self.windows:
            play.tell(window, Now(window.end, window.end / RATE))
        return Played(tuple(play.decisions), play.asked, tuple(play.judged))

    def words(self, start: int, end: int) -> Recognition:
        """The words between two samples."""
        if (start, end) not in self._words:
            self._words[start, end] = self._ears.transcribe(self.samples[start:end])
        return self._words[start, end]

    def sound(self, start: int, end: int) -> float:
        """What the turn model says of the turn from `start` to `end`."""
        if (start, end) not in self._sound:
            self._sound[start, end] = self._ears.score(self.samples[max(start, end - SOUND_WINDOW) : end])
        return self._sound[start, end]

    @property
    def policy(self) -> WordsPolicy:
        """What judges the words."""
        return self._ears.words


class Play:
    """The rules, answered at once: they apply each answer where it is due."""

    def __init__(self, conversation: Conversation, heard: Heard, setting: Setting) -> None:
        self.decisions: list[Decision] = []
        self.asked = 0
        self.judged: list[Judged] = []
        """The probability in each silence, as it was last."""
        self.question = ""
        """What the agent answers the next turn with; empty: nothing."""
        self._conversation = conversation
        self._heard = heard
        self._setting = setting
        self._prepared: tuple[str, int] = ("", 0)
        """The text that a reply was prepared for last, and where."""

    def tell(self, input_: inputs.Input, now: Now) -> None:
        """Tell the rules, and whatever follows from what they want."""
        waiting: list[inputs.Input] = [input_]
        while waiting:
            for effect in self._conversation.handle(waiting.pop(0), now):
                waiting += self.answer(effect)

    def answer(self, effect: Effect) -> list[inputs.Input]:
        """Return what an effect brings about."""
        match effect:
            case effects.RequestTranscript():
                return [self._words(effect)]
            case effects.RequestEndOfTurn() if self._setting.policy == "busy" and not leaves_open(effect):
                return [inputs.EvidenceFailed(effect.ask, OverloadedError.code)]
            case effects.RequestEndOfTurn():
                self.asked += 1
                return [inputs.SoundScored(effect.ask, self._heard.sound(effect.start, effect.end))]
            case effects.StartReply(speculative=True):
                if not keeps("discard", self._prepared[0], effect.text):
                    self._prepared = effect.text, self._conversation.pos
            case effects.StartSpeech():
                return self._speak(effect.generation, effect.text)
            case effects.StartReply():
                if self.question:
                    question, self.question = self.question, ""
                    return self._speak(effect.generation, question)
                return [inputs.ReplyFailed(effect.generation, "empty")]
            case effects.CommitReply():
                return [inputs.ReplyFailed(effect.generation, "empty")]
            case events.TurnScored():
                silent_from = effect.pos / RATE - effect.silence
                if self.judged and abs(self.judged[-1].silent_from_s - silent_from) < WINDOW_S:
                    self.judged.pop()
                self.judged.append(Judged(silent_from, effect.probability))
            case events.TurnDecided():
                text, at = self._prepared
                ahead = (effect.pos - at) / RATE if keeps("discard", text, effect.text) else None
                self.decisions.append(Decision(effect.pos / RATE, effect.reason, effect.text, ahead))
                self._prepared = "", 0
            case _:
                pass
        return []

    def _speak(self, generation: int, text: str) -> list[inputs.Input]:
        """The agent says a text, which takes no time: the recording begins after it."""
        asks = find_question(text, SPOKEN_S, PACK)
        segment = Segment(text, 0.0, SPOKEN_S)
        if asks is not None:
            segment = replace(segment, asks_from=asks.start, expects=asks.expects)
        return [
            inputs.SpeechQueued(generation, segment),
            inputs.PlayoutStarted(generation),
            inputs.PlayoutFinished(generation, SPOKEN_S),
        ]

    def _words(self, ask: effects.RequestTranscript) -> inputs.WordsArrived:
        if not self._setting.hears_words:
            probability = UNSURE if self._setting.hears_sound else SURE
            return inputs.WordsArrived(ask.ask, "(speech)", probability, "silence")
        text = self._heard.words(ask.start, ask.end)
        estimate = text.sound_estimate if self._setting.hears_estimate else None
        return understood(ask, str(text), self._heard.policy, PACK, text.ending_odds, sound_estimate=estimate)


def _scores(sounds: Sequence[NDArray[np.int16]], ears: Ears) -> list[Sequence[float]]:
    """The score of each whole window of each sound."""
    name = ears.vad.name
    kept = [ears.cache.scores(name, samples) if ears.cache else None for samples in sounds]
    missing = [n for n, scores in enumerate(kept) if scores is None]
    for n, scores in zip(missing, _score_all([sounds[n] for n in missing], ears.vad), strict=True):
        found = np.array(scores, np.float32)
        kept[n] = found
        if ears.cache:
            ears.cache.keep_scores(name, sounds[n], found)
    return [[float(p) for p in scores] for scores in kept if scores is not None]


def _score_all(sounds: Sequence[NDArray[np.int16]], vad: VoiceActivityDetector) -> list[list[float]]:
    if not sounds:
        return []
    size = vad.window
    rows = [vad.open() for _ in sounds]
    scores: list[list[float]] = [[] for _ in sounds]
    try:
        for at in range(0, max(map(len, sounds)) - size + 1, size):
            live = [n for n, samples in enumerate(sounds) if len(samples) >= at + size]
            windows = np.stack([sounds[n][at : at + size] for n in live])
            for n, p in zip(live, vad.score(np.array([rows[n] for n in live], np.intp), windows), strict=True):
                scores[n].append(float(p))
    finally:
        for row in rows:
            vad.close(row)
    return scores


def _floats(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) * np.float32(1 / 32768)
