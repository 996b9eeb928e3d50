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
    from duologue.conversation.history import Message
    from duologue.engine import Engine, EngineConfig
    from duologue.errors import DuologueError
    from duologue.server.auth.options import Security
    from duologue.server.policy import CallPolicy
    from duologue.server.run import aserve, asgi, serve
    from duologue.session import SessionConfig, VoiceSession
    from duologue.settings.local import load_local

__all__ = [
    "Agent",
    "BargeIn",
    "CallInfo",
    "CallPolicy",
    "ConversationConfig",
    "DuologueError",
    "EndCall",
    "Endpointing",
    "Engine",
    "EngineConfig",
    "Message",
    "Progress",
    "Security",
    "SessionConfig",
    "SpeechDetection",
    "Turn",
    "VoiceSession",
    "__version__",
    "aserve",
    "asgi",
    "load_local",
    "serve",
]

_HOMES = {
    "Agent": "duologue.agent",
    "BargeIn": "duologue.conversation.config",
    "CallInfo": "duologue.agent",
    "CallPolicy": "duologue.server.policy",
    "ConversationConfig": "duologue.conversation.config",
    "DuologueError": "duologue.errors",
    "EndCall": "duologue.agent",
    "Endpointing": "duologue.conversation.config",
    "Engine": "duologue.engine",
    "EngineConfig": "duologue.engine",
    "Message": "duologue.conversation.history",
    "Progress": "duologue.agent",
    "Security": "duologue.server.auth.options",
    "SessionConfig": "duologue.session",
    "SpeechDetection": "duologue.conversation.config",
    "Turn": "duologue.agent",
    "VoiceSession": "duologue.session",
    "aserve": "duologue.server.run",
    "asgi": "duologue.server.run",
    "load_local": "duologue.settings.local",
    "serve": "duologue.server.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duologue' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
