"""One live conversation: the shell that drives the rules."""

from duologue.session.cascade import Cascade
from duologue.session.config import SessionConfig
from duologue.session.events import (
    BudgetExceeded,
    ErrorRaised,
    FunctionCallRequested,
    HandedOver,
    Metered,
    ToolCalled,
    TurnMeasured,
    YieldMeasured,
)
from duologue.session.observer import Tap
from duologue.session.realtime_responder import RealtimeResponder
from duologue.session.record import CallRecord, TurnRecord
from duologue.session.request import CallRequest, TurnTaking
from duologue.session.responder import Responder
from duologue.session.saying import SpeechHandle
from duologue.session.sink import AudioSink, SinkCapabilities
from duologue.session.voice_session import VoiceSession

__all__ = [
    "AudioSink",
    "BudgetExceeded",
    "CallRecord",
    "CallRequest",
    "Cascade",
    "ErrorRaised",
    "FunctionCallRequested",
    "HandedOver",
    "Metered",
    "RealtimeResponder",
    "Responder",
    "SessionConfig",
    "SinkCapabilities",
    "SpeechHandle",
    "Tap",
    "ToolCalled",
    "TurnMeasured",
    "TurnRecord",
    "TurnTaking",
    "VoiceSession",
    "YieldMeasured",
]
