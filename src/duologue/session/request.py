"""What a client asks for when a call begins, in terms of no protocol: made by a transport, answered by a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from duologue.audio.format import SESSION_FORMAT, AudioFormat
from duologue.conversation.eagerness import Eagerness

__all__ = ["CallRequest", "TurnTaking"]


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """Turn-taking settings of one call; None keeps the server's. Durations are seconds."""

    action_delay: float | None = None
    """Silence after which a turn that sounds finished is decided."""
    timeout: float | None = None
    """Silence after which a turn is decided whatever the evidence says."""
    barge_in: bool | None = None
    """Whether the user may interrupt the agent."""
    eagerness: Eagerness | None = None
    """How soon the agent answers: "low", "medium", "high", or the price of a cut-off in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """Who calls and what they ask for; None leaves a choice to the server, which may refuse what is asked for."""

    agent: str | None = None
    """Name of the agent that is to answer."""
    language: str | None = None
    """BCP 47 tag."""
    voice: str | None = None
    """Name of the agent's voice."""
    turns: Literal["auto", "manual"] = "auto"
    """`manual`: only `begin_turn()`, `end_turn()` and text make turns."""
    turn_taking: TurnTaking = TurnTaking()
    greeting: bool = True
    """Whether the agent may speak first."""
    denoise: str | None = None
    """What takes noise out of the caller's audio, as in `SessionConfig.denoise`; "" for nothing."""
    audio_in: AudioFormat = SESSION_FORMAT
    """The sound that the client sends, as the transport gets it."""
    audio_out: AudioFormat = SESSION_FORMAT
    """The sound that the client wants, as the transport sends it."""
    client: str = ""
    """Address of the client."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of the request, names in lower case."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameters of the address."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is proven of the caller."""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the client says of itself, as a JSON object."""
    user_data: Any = field(default=None, repr=False)
    """An object of the application for this call; None for the server's `user_data=`."""
