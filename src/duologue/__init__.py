"""duologue: spoken conversations between people and software agents, a hundred in one process, in real time.

Names are loaded when they are first used, so that importing duologue costs next to nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# onnxruntime looks up a host of its maker when it is imported, and writes an id of the device into the user's cache.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from duologue.agent import Agent, CallInfo, EndCall, Progress, Turn
    from duologue.conversation.config import BargeIn, ConversationConfig, Endpointing, SpeechDetection
    from duologue.conversation.events import (
        AgentChanged,
        AgentHeard,
        AgentSaid,
        AudioGap,
        Backchannel,
        CallChanged,
        Event,
        EvidenceLate,
        FalseInterruption,
        Interrupted,
        PartialTranscript,
        SayEnded,
        SpeculationDiscarded,
        SpeculationStarted,
        SpeechIgnored,
        SpeechStarted,
        SpeechStopped,
        TurnContinued,
        TurnDecided,
        TurnScored,
        UserChanged,
        UtteranceCut,
    )
    from duologue.conversation.history import Message
    from duologue.engine import Engine, EngineConfig
    from duologue.errors import (
        AgentError,
        AuthenticationError,
        ConfigError,
        DeadlineError,
        DuologueError,
        HookError,
        InputError,
        InvalidAudioError,
        InvalidMessageError,
        InvalidRecordingError,
        InvalidStateError,
        NotInstalledError,
        OverloadedError,
        ProviderError,
        ProviderUnavailableError,
        QuotaExceededError,
        RateLimitedError,
        SessionAlreadyActiveError,
        SessionError,
        SessionNotActiveError,
        SlowClientError,
        StreamError,
        UnsupportedLanguageError,
    )
    from duologue.server.auth.options import Security
    from duologue.server.policy import CallPolicy
    from duologue.server.run import aserve, asgi, serve
    from duologue.session import (
        AudioSink,
        BudgetExceeded,
        ErrorRaised,
        FunctionCallRequested,
        HandedOver,
        Metered,
        Responder,
        SessionConfig,
        SinkCapabilities,
        SpeechHandle,
        ToolCalled,
        TurnMeasured,
        VoiceSession,
        YieldMeasured,
    )
    from duologue.settings.local import load_local
    from duologue.stt import SpeechToText
    from duologue.telemetry import CostTable, Price
    from duologue.tts import TextToSpeech

__all__ = [
    "Agent",
    "AgentChanged",
    "AgentError",
    "AgentHeard",
    "AgentSaid",
    "AudioGap",
    "AudioSink",
    "AuthenticationError",
    "Backchannel",
    "BargeIn",
    "BudgetExceeded",
    "CallChanged",
    "CallInfo",
    "CallPolicy",
    "ConfigError",
    "ConversationConfig",
    "CostTable",
    "DeadlineError",
    "DuologueError",
    "EndCall",
    "Endpointing",
    "Engine",
    "EngineConfig",
    "ErrorRaised",
    "Event",
    "EvidenceLate",
    "FalseInterruption",
    "FunctionCallRequested",
    "HandedOver",
    "HookError",
    "InputError",
    "Interrupted",
    "InvalidAudioError",
    "InvalidMessageError",
    "InvalidRecordingError",
    "InvalidStateError",
    "Message",
    "Metered",
    "NotInstalledError",
    "OverloadedError",
    "PartialTranscript",
    "Price",
    "Progress",
    "ProviderError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitedError",
    "Responder",
    "SayEnded",
    "Security",
    "SessionAlreadyActiveError",
    "SessionConfig",
    "SessionError",
    "SessionNotActiveError",
    "SinkCapabilities",
    "SlowClientError",
    "SpeculationDiscarded",
    "SpeculationStarted",
    "SpeechDetection",
    "SpeechHandle",
    "SpeechIgnored",
    "SpeechStarted",
    "SpeechStopped",
    "SpeechToText",
    "StreamError",
    "TextToSpeech",
    "ToolCalled",
    "Turn",
    "TurnContinued",
    "TurnDecided",
    "TurnMeasured",
    "TurnScored",
    "UnsupportedLanguageError",
    "UserChanged",
    "UtteranceCut",
    "VoiceSession",
    "YieldMeasured",
    "__version__",
    "aserve",
    "asgi",
    "load_local",
    "serve",
]

_MODULES = {
    "duologue.agent": (
        "Agent",
        "CallInfo",
        "EndCall",
        "Progress",
        "Turn",
    ),
    "duologue.conversation.config": (
        "BargeIn",
        "ConversationConfig",
        "Endpointing",
        "SpeechDetection",
    ),
    "duologue.conversation.events": (
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
    ),
    "duologue.conversation.history": ("Message",),
    "duologue.engine": (
        "Engine",
        "EngineConfig",
    ),
    "duologue.errors": (
        "AgentError",
        "AuthenticationError",
        "ConfigError",
        "DeadlineError",
        "DuologueError",
        "HookError",
        "InputError",
        "InvalidAudioError",
        "InvalidMessageError",
        "InvalidRecordingError",
        "InvalidStateError",
        "NotInstalledError",
        "OverloadedError",
        "ProviderError",
        "ProviderUnavailableError",
        "QuotaExceededError",
        "RateLimitedError",
        "SessionAlreadyActiveError",
        "SessionError",
        "SessionNotActiveError",
        "SlowClientError",
        "StreamError",
        "UnsupportedLanguageError",
    ),
    "duologue.server.auth.options": ("Security",),
    "duologue.server.policy": ("CallPolicy",),
    "duologue.server.run": (
        "aserve",
        "asgi",
        "serve",
    ),
    "duologue.session": (
        "AudioSink",
        "BudgetExceeded",
        "ErrorRaised",
        "FunctionCallRequested",
        "HandedOver",
        "Metered",
        "Responder",
        "SessionConfig",
        "SinkCapabilities",
        "SpeechHandle",
        "ToolCalled",
        "TurnMeasured",
        "VoiceSession",
        "YieldMeasured",
    ),
    "duologue.settings.local": ("load_local",),
    "duologue.stt": ("SpeechToText",),
    "duologue.telemetry": ("CostTable", "Price"),
    "duologue.tts": ("TextToSpeech",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duologue' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
