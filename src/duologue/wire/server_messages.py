"""The messages that the server sends: JSON objects in text frames, told apart by `type`.

Each field has a description; its unit is in its type.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from duologue.errors import DuologueError
from duologue.wire.fields import Audio, Bytes, Characters, Count, Generation, Model, Samples, Scalar, Seconds, Version

__all__ = [
    "Ack",
    "AgentHeard",
    "AgentText",
    "Decision",
    "Ended",
    "Error",
    "Interrupted",
    "Latency",
    "Limits",
    "Meter",
    "Pause",
    "Pong",
    "Reconnected",
    "Resume",
    "ServerMessage",
    "SpeechStarted",
    "SpeechStopped",
    "Started",
    "State",
    "TranscriptFinal",
    "TranscriptPartial",
]


class Limits(Model):
    """What the server allows."""

    max_message_bytes: Bytes = Field(description="Longest binary message; a text message may have 65,536.")
    max_text: Characters = Field(description="Longest `text`.")
    timeout_s: Seconds = Field(description="Longest life of a session.")
    idle_timeout_s: Seconds = Field(description="Longest time without a turn.")


class Started(Model):
    """The session is open: audio may be sent from now on."""

    type: Literal["started"] = "started"
    session: str = Field(description="Names the session in logs.")
    version: Version = Field(description="Version of the protocol: 1.")
    audio_in: Audio = Field(description="The audio that the server accepts, as the client asked.")
    audio_out: Audio = Field(description="The audio that the server will send, as the client asked.")
    limits: Limits = Field(description="What the server allows.")
    agent_name: str = Field(default="", description="The name of the agent, to be shown; empty if it has none.")
    recorded: bool = Field(default=False, description="Whether the server records the call: show it to the user.")
    resume_token: str | None = Field(
        default=None, repr=False, description="The token for `reconnect`, if the session is `resumable`."
    )
    resume_s: Seconds = Field(default=0.0, description="How long the session is kept if the connection breaks.")


class Reconnected(Model):
    """The session goes on. First the messages and audio that the client lacks follow, then new ones."""

    type: Literal["reconnected"] = "reconnected"
    session: str = Field(description="Names the session in logs.")
    resume_token: str = Field(
        repr=False, description="The token for the next `reconnect`; the one before is no longer valid."
    )
    resume_s: Seconds = Field(description="How long the session is kept if the connection breaks.")
    input: Samples = Field(
        description="The sample that the server expects next: send the audio from there on that you still have, then "
        "go on."
    )
    messages: Count = Field(
        default=0,
        description="How many messages of the client were handled, without `start`: send the later ones again.",
    )
    restored: bool = Field(
        description="Whether another process goes on from a stored state: output that was not played is lost."
    )
    recorded: bool = Field(default=False, description="Whether the server records the call from here on.")


class State(Model):
    """The state of the conversation changed."""

    type: Literal["state"] = "state"
    session: Literal["initial", "listening", "processing", "speaking", "away", "ended"] = Field(
        description="The state of the session, derived from the other two."
    )
    user: Literal["silent", "speaking", "away"] = Field(description="What the user does.")
    agent: Literal["idle", "thinking", "speaking", "ducked", "paused"] = Field(description="What the agent does.")
    reason: str = Field(description="Why it changed.")
    at_s: Seconds = Field(description="When, from the start of the input.")


class SpeechStarted(Model):
    """The user began to speak, or continued the turn."""

    type: Literal["speech.started"] = "speech.started"
    turn: Count = Field(description="The turn that it belongs to.")
    at_s: Seconds = Field(description="First sample of the speech, from the start of the input.")
    reason: str = Field(description="Why it counts as speech.")


class SpeechStopped(Model):
    """The user fell silent. The turn may not be over."""

    type: Literal["speech.stopped"] = "speech.stopped"
    turn: Count = Field(description="The turn that it belongs to.")
    at_s: Seconds = Field(description="Last sample of the speech, from the start of the input.")
    reason: str = Field(description="Why it counts as silence.")


class TranscriptPartial(Model):
    """The user's words so far; they may still change."""

    type: Literal["transcript.partial"] = "transcript.partial"
    turn: Count = Field(description="The turn that they belong to.")
    text: str = Field(description="All words of the turn so far; replaces the previous partial transcript.")


class TranscriptFinal(Model):
    """The turn is decided, and these are its words."""

    type: Literal["transcript.final"] = "transcript.final"
    turn: Count = Field(description="The turn.")
    text: str = Field(description="What the user said.")
    reason: str = Field(description="Why the turn was decided: `words`, `sound`, `timeout`, `manual`, `text`, …")
    start_s: Seconds = Field(description="First sample of the turn, from the start of the input.")
    end_s: Seconds = Field(description="Last sample of the user's speech, from the start of the input.")
    silence_s: Seconds = Field(description="Silence from there to the decision.")
    probability: float = Field(description="Probability that the turn was over, 0 to 1.")


class AgentText(Model):
    """A clause of the agent's reply is ready and is about to be played."""

    type: Literal["agent.text"] = "agent.text"
    generation: Generation = Field(description="The reply that it belongs to.")
    text: str = Field(description="The clause; append it to those before.")


class AgentHeard(Model):
    """A reply is over, and this is what the user heard of it."""

    type: Literal["agent.heard"] = "agent.heard"
    generation: Generation = Field(description="The reply.")
    turn: Count = Field(description="The turn that was answered; 0 if it answers none, such as a greeting.")
    text: str = Field(description="What was heard.")
    said: str = Field(description="All text that was ready to be spoken.")
    interrupted: bool = Field(description="Whether the reply was cut off.")
    estimated: bool = Field(description="Whether `text` is an estimate.")


class Pause(Model):
    """Pause playback at once and keep the rest: the user may be speaking."""

    type: Literal["pause"] = "pause"
    generation: Generation = Field(description="The reply to pause.")


class Resume(Model):
    """Resume playback where it was paused."""

    type: Literal["resume"] = "resume"
    generation: Generation = Field(description="The reply to resume.")


class Interrupted(Model):
    """Drop all audio of this generation and older, also frames that are still to come."""

    type: Literal["interrupted"] = "interrupted"
    generation: Generation = Field(description="The newest reply to drop.")


class Decision(Model):
    """Something else was decided or noticed; sent so that every decision can be explained."""

    type: Literal["decision"] = "decision"
    name: str = Field(
        description="What was decided: `turn_scored`, `interrupted`, `false_interruption`, `audio_gap`, …"
    )
    reason: str = Field(description="Why, in one word; empty if the name says it.")
    at_s: Seconds = Field(description="When, from the start of the input.")
    fields: dict[str, Scalar] = Field(description="The data behind the decision; new fields may be added at any time.")


class Latency(Model):
    """How long one turn took."""

    type: Literal["latency"] = "latency"
    turn: Count = Field(description="The turn.")
    generation: Generation = Field(description="The reply to it.")
    processing_s: Seconds = Field(description="From the turn's decision to the first audible sample of the reply.")
    voice_to_voice_s: Seconds | None = Field(
        description="From the end of the user's speech, as the server detected it, to the same sample; null if the "
        "turn was typed."
    )
    stages: dict[str, Seconds] = Field(
        description="When each stage was reached, counted from the end of the user's speech: `speech_stopped`, "
        "`words`, `score` (the last), `due`, `decided`, `first_text`, `clause`, `first_clause`, `first_audio`."
    )
    parts: dict[str, Seconds] = Field(
        default={},
        description="The waterfall: how long each part took, in order: `speech_end`, `transcript`, `end_of_turn`, "
        "`input_lag`, `agent`, `clause`, `voice`, `playout`. They add up to `voice_to_voice_s`.",
    )
    speculation: Literal["hit", "none"] = Field(
        description="`hit` if the reply was prepared before the turn was decided."
    )


class Meter(Model):
    """What the detectors think of the audio; sent if `start` asks for it, audio arrives, and the client reads."""

    type: Literal["meter"] = "meter"
    at_s: Seconds = Field(description="End of the audio that was measured, from the start of the input.")
    speech: float = Field(description="Probability of speech, 0 to 1: the highest since the last `meter`.")
    echo_ratio: float = Field(description="Share of that audio that is explained by the agent's own voice, 0 to 1.")
    end_of_turn: float | None = Field(
        description="Latest probability that the open turn is over; null if no turn is open."
    )
    silence_s: Seconds | None = Field(
        description="Time since the last speech of the open turn; null if no turn is open."
    )


class Ack(Model):
    """How much input has been accepted; sent about every 200 ms while audio arrives."""

    type: Literal["ack"] = "ack"
    position: Samples = Field(description="The sample that is expected next, at the rate of `audio_in`.")
    gaps: Samples = Field(description="Samples that never arrived, in all.")
    duplicates: Samples = Field(description="Samples that arrived twice and were dropped, in all.")


class Pong(Model):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    id: Count = Field(description="The `id` of the `ping`.")


class Error(Model):
    """Something went wrong."""

    type: Literal["error"] = "error"
    code: str = Field(description="What kind of error; the codes are listed below.")
    message: str = Field(description="What was wrong and what was expected.")
    hint: str = Field(description="What to do next; may be empty.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    fatal: bool = Field(description="Whether the session is over; `ended` follows.")
    retry_after_s: Seconds | None = Field(default=None, description="When to try again; null if that is not known.")
    provider: str | None = Field(default=None, description="The provider that failed; null if none did.")
    turn: Count | None = Field(default=None, description="The turn in which it happened; null if in none.")

    @classmethod
    def of(cls, error: DuologueError, *, fatal: bool, turn: int | None = None) -> Self:
        """Return the message for an exception."""
        return cls(**error.as_dict(), fatal=fatal, turn=turn)


class Ended(Model):
    """The session is over; nothing follows."""

    type: Literal["ended"] = "ended"
    reason: str = Field(description="`client_end`, `agent_done`, `timeout`, `idle_timeout`, `shutdown`, `error`, …")


ServerMessage = (
    Started
    | Reconnected
    | State
    | SpeechStarted
    | SpeechStopped
    | TranscriptPartial
    | TranscriptFinal
    | AgentText
    | AgentHeard
    | Pause
    | Resume
    | Interrupted
    | Decision
    | Latency
    | Meter
    | Ack
    | Pong
    | Error
    | Ended
)
