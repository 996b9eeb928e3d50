"""One live conversation: the shell that drives the rules."""

from duologue.session.config import SessionConfig
from duologue.session.events import ErrorRaised, Metered, ToolCalled, TurnMeasured, YieldMeasured
from duologue.session.record import CallRecord, TurnRecord
from duologue.session.saying import SpeechHandle
from duologue.session.session import VoiceSession
from duologue.session.speaker import AudioSink

__all__ = [
    "AudioSink",
    "CallRecord",
    "ErrorRaised",
    "Metered",
    "SessionConfig",
    "SpeechHandle",
    "ToolCalled",
    "TurnMeasured",
    "TurnRecord",
    "VoiceSession",
    "YieldMeasured",
]
