"""What callers write down while they call: a record a turn, and counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from duologue.callers.script import Outcome
from duologue.errors import OverloadedError

__all__ = ["CUT_OFF_S", "Log", "Refusal", "Story", "Turn"]

CUT_OFF_S: Final = 0.3
"""A turn that was decided this long before its end was cut off; less is how exactly an end can be heard."""

_TRY_AGAIN: Final = 1013


@dataclass(slots=True)
class Turn:
    """One utterance and its outcome. Moments are seconds from the start of the run."""

    caller: int
    call: int
    script: str
    act: str
    said: str
    """The words as they were spoken."""
    onset_s: float
    """The first audible sample..."""
    end_s: float
    """...and the last."""
    line_onset_s: float
    """The same on the scale of the server: seconds of input since the call began."""
    line_end_s: float
    goes_on: bool = False
    """No answer is waited for."""
    ended: bool = False
    """All of it was spoken."""
    heard: dict[int, str] = field(default_factory=dict)
    """What the server understood, by its own turns."""
    heard_end_s: float | None = None
    """Where the server heard its end, on the scale of `line_end_s`."""
    joins: str = ""
    """What was said before it that the server counts to the same turn, where it was said again or went on."""
    joined: bool = False
    """The server took it together with what was said next."""
    reason: str = ""
    """Why the server decided the last of them."""
    cut_off: bool = False
    """The server decided the turn before its end."""
    generation: int | None = None
    """The reply."""
    reply: str = ""
    voice_to_voice_s: float | None = None
    """From the last audible sample to the first audible sample of the reply at the loudspeaker."""
    processing_s: float | None = None
    """As told by the server, like the five that follow."""
    stages_s: dict[str, float] = field(default_factory=dict)
    speculation: str = ""
    told_generation: int | None = None
    """The reply whose times these are."""
    told_voice_to_voice_s: float | None = None
    """What the server takes for `voice_to_voice_s`; its clock for the end of speech is its voice activity detector."""
    parts_s: dict[str, float] = field(default_factory=dict)
    """The waterfall."""
    starved_frames: int = 0
    """Silent frames of 20 ms inside the reply."""
    interrupts: bool = False
    """Spoken while the agent spoke."""
    yield_s: float | None = None
    """From the onset to the agent's last sample at the loudspeaker."""
    paused_s: float | None = None
    """From the onset to the server's pause, as told by the server, like the two that follow."""
    settled_s: float | None = None
    """From the last sample that settled it, by its place in the sound that was sent, to silence."""
    silenced_s: float | None = None
    """From the decision to silence."""
    unanswered: bool = False
    """No reply began before the caller stopped waiting."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        values = asdict(self)
        values["heard"] = self.understood
        return values

    @property
    def understood(self) -> str:
        """What the server understood."""
        return " ".join(self.heard.values())

    @property
    def spoken_s(self) -> float:
        """Seconds that it lasted."""
        return self.end_s - self.onset_s


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call was refused, as its caller saw it."""

    code: str
    close: int | None
    """Of the closing handshake; None if no connection was opened, or it broke off."""
    retry_after_s: float | None
    says_why: bool

    @property
    def clear(self) -> bool:
        """Whether the caller knows that there is no room now, why, and when to come again."""
        told = self.code == OverloadedError.code and self.close in (None, _TRY_AGAIN)
        return told and self.says_why and self.retry_after_s is not None


@dataclass(frozen=True, slots=True)
class Story:
    """What became of one monologue, up to the last of it that was understood."""

    said: str
    understood: str
    spoken_s: float
    unaccounted_s: float
    """Speech that is in no transcript, and that the server did not tell it had missed."""


@dataclass(slots=True)
class Log:
    """What all callers of a run saw."""

    turns: list[Turn] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Of calls that are over."""
    calls: int = 0
    """That were opened."""
    connected_s: float = 0.0
    """Of all callers together."""
    errors: Counter[str] = field(default_factory=Counter)
    """That the server told of, by code."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Calls that were not opened, by code."""
    refused: Counter[Refusal] = field(default_factory=Counter)
    """The same, from the messages that the caller got."""
    stayed_away: int = 0
    """Callers who were refused so often that they gave it up for a while."""
    lost: Counter[str] = field(default_factory=Counter)
    """Calls that were opened and did not end as a call should, by how they ended."""
    retry_after_s: float | None = None
    """The longest wait that a refusal asked for."""
    closes: Counter[str] = field(default_factory=Counter)
    """How connections ended, by code of the closing handshake; `none` where they broke off."""
    input_gaps: Counter[str] = field(default_factory=Counter)
    """Samples of input at 16 kHz that the server says it missed or dropped, by its reason."""
    ack_gap_samples: int = 0
    duplicate_samples: int = 0
    late_evidence: int = 0
    false_interruptions: int = 0
    stray_turns: int = 0
    """Turns that the server decided although the caller had not spoken."""
    starved_frames: int = 0
    greetings: int = 0
    stories: list[Story] = field(default_factory=list)
    """Monologues."""
