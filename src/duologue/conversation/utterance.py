"""One utterance on its way to becoming a turn: where it is in the audio, its parts, and the evidence on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.audio.format import RATE, WINDOW
from duologue.conversation.endpointing import Evidence
from duologue.conversation.inputs import Response, WordsArrived

__all__ = ["CUT_SEARCH", "RESPONSES", "Utterance"]

RESPONSES: tuple[Response, ...] = ("goodbye", "assent", "continuer", "laughter", "filler")
"""From the most telling to the least: "um, yes" is an assent."""
OPINION_SLACK = round(0.2 * RATE)
"""Samples by which a recognizer may be behind the end of the speech that it judges."""
AUDIBLE = 0.8
"""Probability from which on a window is certainly speech."""
CUT_SEARCH = 4.0
"""A long utterance is cut at the quietest window of its last seconds, this many."""


@dataclass(slots=True)
class Utterance:
    """What the user is saying, or has just said. Positions in samples."""

    turn: int
    start: int
    """First sample, padding included."""
    last_speech: int
    """Last sample of speech."""
    base: str = ""
    """Words of a turn that was decided too soon and is open again."""
    began: int | None = None
    """Position at which that turn began."""
    part_start: int = 0
    """First sample of the last part: of what has not been cut off."""
    parts: list[str | None] = field(default_factory=list)
    """Words of the parts that were cut off; None while they are being transcribed."""
    responses: list[Response] = field(default_factory=list)
    """For each of those parts, what it is if it is nothing but a short response."""
    final: WordsArrived | None = None
    """The words of the last part, once they have come."""
    evidence: Evidence | None = None
    fresh: bool = False
    """The evidence is new: no reply has been prepared on it yet."""
    level: float | None = None
    """How loud the loudest part was, in dBFS; None if that is not known."""
    failed: str = ""
    """The code of the error that kept words away."""
    asked_at: int = 0
    """Position at which the words of the last part were asked for."""
    held: bool = False
    """The push-to-talk button is down."""
    complete: str = ""
    """Why the turn is decided as soon as its words are there and the floor is free: `manual` (the button was released)
    or `reopened`. Empty while that is left to the evidence."""
    full: bool = False
    """As long as a turn may be; decided as soon as its parts are transcribed."""
    sound: float | None = None
    """Probability that the turn is over, by the audio of this silence."""
    before_sound: tuple[int, float | None] | None = None
    """Where the part before the last one ended, and what the audio said of the end of the turn there."""
    recognizer: float | None = None
    """Probability that the turn is over, by the recognizer's own opinion."""
    recognizer_at: int = 0
    """Position up to which it had listened."""
    eager_at: int = -1
    """Position up to which it had listened when it guessed that the turn is over; -1 if it has not."""
    scores: int = 0
    """How often the audio of this silence was to be judged."""
    scored_at: int = 0
    put_off: bool = False
    """The turn model was overloaded before the transcript arrived; the audio is judged after it."""
    continues: bool = False
    """It began after its turn had been decided and before the reply was played: words reopen that turn."""
    asked_again: bool = False
    """Its words were asked for a second time, because there were none in audible speech."""
    first_words: WordsArrived | None = None
    """The words of the last part, while it is transcribed again because they may be a misheard backchannel."""
    looks: int = 0
    """How often its words were asked for again for that reason."""
    heard: tuple[int, int] | None = None
    """The generation of the reply over which the user began to speak, and how many samples of it had been played."""
    wordless: bool = False
    """Ongoing sound whose transcript so far has no words: nothing waits for it."""
    run_start: int = 0
    """Position at which the user began to speak without a pause."""
    checked: int = 0
    """Position up to which ongoing speech was last to be checked for words."""
    check_asked: bool = False
    """The result of that check has not come."""
    partial: int = 0
    """The id of the partial that may be shown."""
    partial_at: int = 0
    windows: list[tuple[int, float]] = field(default_factory=list)
    """(end, probability) of each window of the current part; as many as `max_utterance` has."""

    @property
    def words(self) -> str:
        """What was said since the turn was opened, or reopened: the parts joined."""
        last = self.final.text if self.final else ""
        return " ".join(t for t in (*self.parts, last) if t)

    @property
    def text(self) -> str:
        """All words of the turn so far."""
        return f"{self.base} {self.words}".strip()

    @property
    def opinion(self) -> float | None:
        """The recognizer's opinion of the present silence; one that was formed before the user went on is void."""
        return self.recognizer if self.recognizer_at >= self.last_speech - OPINION_SLACK else None

    @property
    def is_guessed_over(self) -> bool:
        """True if the recognizer guesses that the present silence is the end."""
        return self.eager_at >= max(self.last_speech - OPINION_SLACK, 0)

    def judged_until(self, pos: int, silence: float) -> int:
        """Return where the audio ends that is judged: after so many seconds of silence, at `pos` at the latest."""
        return min(pos, self.last_speech + round(silence * RATE))

    def note_level(self, level: float | None) -> None:
        """Take the level of a part in dBFS; the loudest counts."""
        if level is not None:
            self.level = level if self.level is None else max(self.level, level)

    @property
    def seconds(self) -> float:
        """How long the last part is up to its last speech, with the audio before its first."""
        return (self.last_speech - self.part_start) / RATE

    @property
    def certain_speech(self) -> float:
        """Seconds of the last part that are certainly speech."""
        return sum(probability >= AUDIBLE for _, probability in self.windows) * WINDOW / RATE

    def quietest(self) -> int:
        """Return where a part is best cut off: after the quietest recent window of its later half."""
        last = self.windows[-1][0]
        earliest = max(last - CUT_SEARCH * RATE, (self.part_start + last) / 2)
        return min((w for w in self.windows if w[0] > earliest), key=lambda w: (w[1], -w[0]))[0]

    @property
    def response(self) -> Response:
        """What all of it is if it is nothing but short responses; the most telling one decides."""
        last = self.final.response if self.final else ""
        texts = [*self.parts, self.final.text if self.final else ""]
        kinds = {kind for kind, text in zip([*self.responses, last], texts, strict=True) if text}
        return "" if "" in kinds else next((kind for kind in RESPONSES if kind in kinds), "")

    def split(self, at: int, words: WordsArrived | None) -> None:
        """End a part at `at`; None if its words are still being transcribed."""
        self.windows = [w for w in self.windows if w[0] > at]
        self.parts.append(words.text if words else None)
        self.responses.append(words.response if words else "")
        self.part_start = at
        self.partial = 0

    def ignore_last_sound(self) -> None:
        """The last part has no words: the silence after the words before it continues."""
        if self.before_sound is not None:
            self.last_speech, self.sound = self.before_sound

    def go_on(self) -> None:
        """Discard the transcript of the last part: the user continues."""
        self.wordless = self.check_asked = self.asked_again = False
        self.final = self.first_words = self.evidence = self.sound = self.recognizer = None
        self.looks = 0
        self.eager_at = -1
        self.scores = 0
        self.complete = ""

    def give_up_words(self, code: str) -> None:
        """Make do with the words that have come."""
        self.failed = code
        self.parts = [part or "" for part in self.parts]
        self.final = self.final or self.first_words or WordsArrived(0, "", 1.0, code)

    def reduce_to_base(self, reason: str) -> None:
        """Take back what was added to a turn that is open again: it is over after all."""
        self.parts, self.responses, self.final = [], [], WordsArrived(0, "", 1.0, reason)
        self.evidence, self.complete = Evidence(self.base, 1.0, "reopened", 1.0), "reopened"
