"""What the conversation tells: each decision is an event, and names its reason. Positions are samples at 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.conversation.state import AgentState, CallState, UserState

__all__ = [
    "AgentChanged",
    "AgentHeard",
    "AgentSaid",
    "AudioGap",
    "Backchannel",
    "CallChanged",
    "Event",
    "EvidenceLate",
    "FalseInterruption",
    "Interrupted",
    "PartialTranscript",
    "SayEnded",
    "SpeculationDiscarded",
    "SpeculationStarted",
    "SpeechIgnored",
    "SpeechStarted",
    "SpeechStopped",
    "TurnContinued",
    "TurnDecided",
    "TurnScored",
    "UserChanged",
    "UtteranceCut",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the conversation decided or saw."""

    pos: int
    """Position in the input at which it happened."""
    wall: float
    """Monotonic seconds at which the input that led to it was handled."""


@dataclass(frozen=True, slots=True)
class CallChanged(Event):
    """The call began or ended."""

    state: CallState
    reason: str


@dataclass(frozen=True, slots=True)
class UserChanged(Event):
    """The user's state changed."""

    before: UserState
    state: UserState
    reason: str


@dataclass(frozen=True, slots=True)
class AgentChanged(Event):
    """The agent's state changed."""

    before: AgentState
    state: AgentState
    reason: str


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """The user began to speak, or went on."""

    turn: int
    start: int
    """First sample of the speech."""
    reason: str


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """The user fell silent; whether the turn is over is another question."""

    turn: int
    end: int
    """Last sample of the speech."""
    reason: str


@dataclass(frozen=True, slots=True)
class PartialTranscript(Event):
    """The user's words so far; they may still change."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnScored(Event):
    """The end of the turn was scored."""

    turn: int
    text: str
    words: float
    """What the words say, 0 to 1."""
    sound: float | None
    """What the audio says, where it was asked."""
    probability: float
    """All together."""
    silence: float
    """Seconds since the last speech."""
    reason: str
    recognizer: float | None = None
    """The recognizer's own estimate, if it has one."""


@dataclass(frozen=True, slots=True)
class TurnDecided(Event):
    """The user has finished; this is the final transcript of the turn."""

    turn: int
    text: str
    start: int
    end: int
    """Last sample of the user's speech."""
    silence: float
    """Seconds from there to the decision."""
    probability: float
    reason: str
    """`words`, `sound`, `timeout`, `manual`, `text`, `max_turn`, `reopened`."""


@dataclass(frozen=True, slots=True)
class TurnContinued(Event):
    """The user went on after the turn had been decided, before anything was heard: the turn is open again."""

    turn: int
    reason: str


@dataclass(frozen=True, slots=True)
class SpeechIgnored(Event):
    """Speech that made no turn."""

    turn: int
    reason: str
    """`no_words`, or the code of the error that kept the words away."""


@dataclass(frozen=True, slots=True)
class SpeculationStarted(Event):
    """A reply is being prepared before the turn is decided."""

    turn: int
    generation: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class SpeculationDiscarded(Event):
    """A prepared reply was thrown away."""

    turn: int
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The agent was cut off."""

    generation: int
    reason: str
    """`words`, `duration` (speech whose words could not be had), `manual`, `text`, `request`, `went_on`, `end`."""


@dataclass(frozen=True, slots=True)
class FalseInterruption(Event):
    """The agent paused for something that was no turn, and resumes."""

    generation: int
    reason: str
    """`silence`, `too_short`, `no_words`, or the code of the error that kept the words away."""


@dataclass(frozen=True, slots=True)
class Backchannel(Event):
    """The user said that they are listening ("uh-huh"); the agent resumes."""

    generation: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentSaid(Event):
    """A clause of the reply is ready to be played."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class AgentHeard(Event):
    """What the user heard of a reply, once it is over."""

    generation: int
    turn: int
    """The turn that was answered; 0 for speech that answers no turn."""
    text: str
    said: str
    interrupted: bool
    estimated: bool


@dataclass(frozen=True, slots=True)
class SayEnded(Event):
    """A text that the application, the greeting or an apology wanted said was heard, cut off, or will not be said."""

    say: int
    """The id of the request; 0 for the greeting and the apology."""
    text: str
    heard: str
    """What the user heard of it."""
    interrupted: bool
    """True if it was cut off or never sounded."""
    reason: str
    """`finished`, `interrupted`, `request` (the application cleared it), `end` (the call ended), or an error code."""


@dataclass(frozen=True, slots=True)
class UtteranceCut(Event):
    """A long utterance was cut at its quietest point; its words will be joined."""

    turn: int
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class AudioGap(Event):
    """Input is missing."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class EvidenceLate(Event):
    """Words or a score were not there at the position at which they were due: they came later, or never."""

    kind: str
    """`words`, `segment` (a part of a long utterance) or `sound`."""
    due: int
    late: float
    """Seconds of audio."""
