"""The inputs of the rules. Each comes with `Now`: the position in the audio, and monotonic seconds.

The module is over 300 lines because it is a list: one class for each input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from duologue.conversation.eagerness import Eagerness
from duologue.conversation.history import Segment
from duologue.conversation.question import AnswerState, Expected

__all__ = [
    "AnswerExpected",
    "CallRequested",
    "ClearRequested",
    "EndRequested",
    "EvidenceFailed",
    "Gap",
    "HangUpRequested",
    "Input",
    "InterruptRequested",
    "Now",
    "PartialArrived",
    "PlayoutFinished",
    "PlayoutStarted",
    "ReplyFailed",
    "Response",
    "SayRequested",
    "SoundScored",
    "SpeechPlayed",
    "SpeechQueued",
    "SpeechResumed",
    "SpeechStarved",
    "TextArrived",
    "TurnBegun",
    "TurnEnded",
    "TurnJudged",
    "VadScored",
    "WordsArrived",
    "WordsLatencyMeasured",
]


Response = Literal["", "continuer", "assent", "filler", "laughter", "goodbye"]
"""What an utterance is that consists of nothing but a short response: "mm-hm", "okay, yeah, right", "um", "ha ha",
"bye"; `""` for anything else."""


class Now(NamedTuple):
    """When an input happens. The rules read no clock; both are handed in."""

    pos: int
    """Sample index of the session's 16 kHz input."""
    wall: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class CallRequested:
    """The session goes live."""

    agent_speculates: bool = False
    """The agent declares itself free of side effects before commit."""
    judges_sound: bool = False
    """A model that judges the audio of a turn is at hand."""
    streams_words: bool = False
    """The recognizer streams: it has partial transcripts while the user speaks."""
    words_latency: float | None = None
    """Seconds that the recognizer takes for the words; None: as long as the configured budget."""
    words_latency_per_s: float = 0.0
    """More for each second of speech."""


@dataclass(frozen=True, slots=True)
class WordsLatencyMeasured:
    """The recognizer takes longer or less long than before."""

    seconds: float


class VadScored(NamedTuple):
    """One window was scored. Windows come in order and without overlap.

    A tuple, and not a dataclass as the others are: it comes thirty times a second in each call, and is made in a third
    of the time.
    """

    start: int
    end: int
    probability: float
    echo_ratio: float = 0.0
    """Share of the window's energy, 0 to 1, that our own playout explains."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Input from `start` to `end` is missing; it counts as silence."""

    start: int
    end: int
    reason: str
    """`missing` (none arrived), `lost` (the client skipped), `dropped` (the session was behind)."""


@dataclass(frozen=True, slots=True)
class WordsArrived:
    """The answer to an RequestTranscript."""

    ask: int
    text: str
    probability: float
    """How complete the words are, 0 to 1; of the last segment if there are several."""
    reason: str = ""
    """Why, as a slug."""
    timeout_factor: float = 1.0
    """Factor on the timeout."""
    response: Response = ""
    """What the words are if they are nothing but a short response."""
    ending_odds: float = 0.0
    """Log-odds of the end of the turn that the recognizer adds to those of the words."""
    answers: AnswerState = ""
    """Whether the words of the turn so far answer what the agent has asked."""
    level: float | None = None
    """How loud the speech was, in dBFS; None if that is not known."""
    sound_estimate: float | None = None
    """What the turn model would say of the sound, as the recognizer estimates it; of the last segment."""


@dataclass(frozen=True, slots=True)
class TurnJudged:
    """The recognizer's own estimate of the end of the turn, without a request for it."""

    position: int
    """The position up to which it had processed the audio."""
    probability: float
    """0 to 1: how likely the user has finished."""
    eager: bool = False
    """An early guess: it may start a speculative reply, and does not count towards the decision."""


@dataclass(frozen=True, slots=True)
class SoundScored:
    """The answer to an RequestEndOfTurn."""

    ask: int
    probability: float


@dataclass(frozen=True, slots=True)
class EvidenceFailed:
    """An ask has no answer and will have none."""

    ask: int
    code: str


@dataclass(frozen=True, slots=True)
class PartialArrived:
    """Words so far, to be shown; no decision rests on them."""

    ask: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnBegun:
    """The user holds the button to talk."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user lets the button go."""


@dataclass(frozen=True, slots=True)
class TextArrived:
    """The user typed."""

    text: str


@dataclass(frozen=True, slots=True)
class SayRequested:
    """The application wants something said."""

    text: str
    interruptible: bool = True
    id: int = 0
    """Comes back in StartSpeech and SayEnded."""
    within: int = 0
    """The generation of the reply that it is a part of, if the agent says it while it answers; else 0."""


@dataclass(frozen=True, slots=True)
class InterruptRequested:
    """The application wants the agent to be silent."""


@dataclass(frozen=True, slots=True)
class ClearRequested:
    """The application wants everything pending forgotten, on both sides."""


@dataclass(frozen=True, slots=True)
class EndRequested:
    """The call is to end."""

    reason: str
    after_speech: bool = False
    """First let the agent finish what it has begun to answer, and what waits to be said."""


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """The agent asked for the call to end once this reply, and what waits to be said, has been heard."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class SpeechQueued:
    """Text of the reply is tied to a stretch of its audio, which waits for playout or will come."""

    generation: int
    segment: Segment
    """Replaces the segment with the same id, unless the id is 0."""


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sample of the reply was handed to the transport."""

    generation: int


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """All of the reply was played, or as much of it as was played before it was stopped."""

    generation: int
    played: float
    """Seconds of the reply that the user heard."""
    estimated: bool = True
    """False if the client's playback marks say so."""


@dataclass(frozen=True, slots=True)
class SpeechPlayed:
    """A `say` inside a reply has been heard to its end, and the reply continues."""

    generation: int
    say: int
    played: float
    """Seconds of the reply that the user has heard so far."""
    estimated: bool = True


@dataclass(frozen=True, slots=True)
class SpeechStarved:
    """An unfinished reply has no audio to play."""

    generation: int
    seconds: float
    """For how long it has had none."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """A reply that had no audio has some again."""

    generation: int


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The application changes settings of the call; None keeps what there is. Durations are seconds."""

    action_delay: float | None = None
    timeout: float | None = None
    """Of `Endpointing`, as `action_delay`."""
    barge_in: bool | None = None
    """Whether the user may interrupt the agent."""
    agent_speculates: bool | None = None
    """As in CallRequested: another agent answers from now on."""
    eagerness: Eagerness | None = None
    """Of `Endpointing`."""


@dataclass(frozen=True, slots=True)
class AnswerExpected:
    """The agent declares what its reply asks for; it counts instead of what is read from the text."""

    expected: Expected
    generation: int = 0
    """The reply that asks; 0: what was asked last."""


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply broke off: the agent or the synthesizer failed, or there was nothing to say.

    What of it was ready before is played to its end, and PlayoutFinished follows.
    """

    generation: int
    code: str
    """An error code, or `empty`."""


Input = (
    CallRequested
    | VadScored
    | Gap
    | WordsArrived
    | WordsLatencyMeasured
    | TurnJudged
    | SoundScored
    | EvidenceFailed
    | PartialArrived
    | TurnBegun
    | TurnEnded
    | TextArrived
    | SayRequested
    | InterruptRequested
    | ClearRequested
    | EndRequested
    | SpeechQueued
    | PlayoutStarted
    | PlayoutFinished
    | SpeechPlayed
    | SpeechStarved
    | SpeechResumed
    | HangUpRequested
    | SettingsChanged
    | AnswerExpected
    | ReplyFailed
)
