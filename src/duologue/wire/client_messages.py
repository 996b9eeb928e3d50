"""The messages that a client sends: JSON objects in text frames, told apart by `type`.

Each field has a description; its unit is in its type. A field that is not listed here is refused.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from duologue.wire.fields import Audio, Count, Generation, Metadata, Model, Samples, Seconds, TurnTaking, Version

__all__ = [
    "MAX_TEXT",
    "Clear",
    "ClientMessage",
    "End",
    "Interrupt",
    "Mark",
    "Ping",
    "Reconnect",
    "Start",
    "Text",
    "TurnBegin",
    "TurnEnd",
]

MAX_TEXT: Final = 4000
"""Characters that a client may send as text at once."""


class Start(Model):
    """Opens the session. The first message, sent once."""

    type: Literal["start"] = "start"
    version: Version = Field(description="Version of the protocol: 1.")
    audio_in: Audio = Field(default=Audio(), description="The audio that the client will send.")
    audio_out: Audio = Field(default=Audio(rate=24_000), description="The audio that the client wants to receive.")
    agent: str | None = Field(
        default=None, max_length=64, description="Which of the server's agents; null for the server's default."
    )
    language: str | None = Field(default=None, max_length=35, description="BCP 47 tag; null for the server's default.")
    turns: Literal["auto", "manual"] = Field(
        default="auto", description="`manual`: only `turn.begin`, `turn.end` and `text` make turns (push to talk)."
    )
    voice: str | None = Field(
        default=None, max_length=64, description="Which of the server's voices; null for the server's default."
    )
    turn_taking: TurnTaking = Field(
        default=TurnTaking(), description="Settings of turn-taking, within what the server allows."
    )
    denoise: str | None = Field(
        default=None,
        max_length=64,
        description="Which of the server's denoisers takes noise out of the audio; empty for none, null for the "
        "server's default.",
    )
    greeting: bool = Field(default=True, description="Whether the agent may speak first.")
    marks: bool = Field(
        default=False,
        description="Whether the client will send `mark`. Until the first mark, what was heard is estimated from what "
        "was sent.",
    )
    meter_s: Seconds | None = Field(
        default=None, ge=0.05, le=5.0, description="Time between two `meter` messages, 0.05 to 5; null for none."
    )
    resumable: bool = Field(
        default=False, description="Whether the session is kept for a while if the connection breaks."
    )
    metadata: Metadata = Field(
        default={},
        repr=False,
        description="An object for the application and its agent, of at most 16,384 bytes and 8 levels.",
    )


class Reconnect(Model):
    """Goes on with a session whose connection broke. The first message of a connection, in place of `start`."""

    type: Literal["reconnect"] = "reconnect"
    version: Version = Field(description="Version of the protocol: 1.")
    token: str = Field(max_length=128, repr=False, description="The newest `resume_token`, which is valid once.")
    output: Samples = Field(default=0, description="The sample of the output that is needed next.")
    generation: Generation = Field(default=0, description="The newest generation of which the client got anything.")
    messages: Count = Field(
        default=0, description="How many messages the client got in all, without `meter` and `reconnected`."
    )
    input: Samples = Field(
        default=0, description="The sample that the client would send next, at the rate of `audio_in`."
    )


class Mark(Model):
    """Says how far playback has come; sent every 100 to 200 ms while audio plays."""

    type: Literal["mark"] = "mark"
    position: Samples = Field(description="All output before this sample has been played, at the rate of `audio_out`.")


class Text(Model):
    """A turn that was typed instead of spoken."""

    type: Literal["text"] = "text"
    text: str = Field(min_length=1, max_length=MAX_TEXT, pattern=r"\S", description="What the user typed.")


class Interrupt(Model):
    """Silences the agent."""

    type: Literal["interrupt"] = "interrupt"


class Clear(Model):
    """Forgets everything pending on both sides: words not yet decided, speech not yet played."""

    type: Literal["clear"] = "clear"


class TurnBegin(Model):
    """The user presses the button to talk."""

    type: Literal["turn.begin"] = "turn.begin"


class TurnEnd(Model):
    """The user releases the button: the turn is decided, with all audio that was sent before."""

    type: Literal["turn.end"] = "turn.end"


class Ping(Model):
    """Asks for a `pong`."""

    type: Literal["ping"] = "ping"
    id: Count = Field(description="Comes back in the `pong`.")


class End(Model):
    """Ends the session; `ended` follows."""

    type: Literal["end"] = "end"


ClientMessage = Start | Reconnect | Mark | Text | Interrupt | Clear | TurnBegin | TurnEnd | Ping | End
