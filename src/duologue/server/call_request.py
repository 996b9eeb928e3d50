"""What a client asks for in `start`, as a request of no protocol, within what its token allows."""

from __future__ import annotations

from duologue.audio.format import AudioFormat
from duologue.errors import ConfigError
from duologue.server.backend import Session
from duologue.server.connection import Handshake
from duologue.session import CallRequest, TurnTaking
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION, Audio
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["call_request", "started_message"]


def call_request(start: wire.Start, handshake: Handshake) -> CallRequest:
    """What the client asks for, as a request of no protocol. Raises ConfigError for what its token does not allow."""
    asked = start.turn_taking
    return CallRequest(
        agent=_bound("agent", start.agent, handshake),
        language=_bound("language", start.language, handshake),
        voice=_bound("voice", start.voice, handshake),
        turns=start.turns,
        turn_taking=TurnTaking(asked.action_delay_s, asked.timeout_s, asked.barge_in, asked.eagerness),
        greeting=start.greeting,
        denoise=start.denoise,
        audio_in=_format(start.audio_in),
        audio_out=_format(start.audio_out),
        client=handshake.client,
        headers=handshake.headers,
        query=handshake.query,
        claims=handshake.claims,
        metadata=start.metadata,
    )


def _bound(name: str, asked: str | None, handshake: Handshake) -> str | None:
    """What the client asked for, within what its token is bound to."""
    only = handshake.bound.get(name)
    if only is not None and asked not in (None, only):
        raise ConfigError(f"The token does not allow the {name} that was asked for.", hint=f"Ask for no {name}.")
    return asked if only is None else only


def _format(audio: Audio) -> AudioFormat:
    return AudioFormat(audio.encoding, audio.rate)


def started_message(session: Session, start: wire.Start, token: str | None, window: float) -> wire.Started:
    """What the server agrees to."""
    return wire.Started(
        session=session.id,
        version=VERSION,
        audio_in=start.audio_in,
        audio_out=start.audio_out,
        limits=wire.Limits(
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_text=wire.MAX_TEXT,
            timeout_s=session.config.timeout,
            idle_timeout_s=session.config.idle_timeout,
        ),
        agent_name=session.config.agent_name,
        recorded=session.is_recorded,
        resume_token=token,
        resume_s=0.0 if token is None else window,
    )
