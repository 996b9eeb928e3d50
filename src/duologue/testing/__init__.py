"""For tests of your own agents and providers: a scripted caller, fakes, faults, virtual time, assertions.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duologue.recording.replay import verify
    from duologue.testing.agents import ScriptedAgent
    from duologue.testing.assertions import said_in
    from duologue.testing.chaos import ProviderChaos
    from duologue.testing.clients import ClientSink
    from duologue.testing.fakes import (
        FOREVER,
        FakeSpeechToText,
        FakeSttModel,
        FakeTextToSpeech,
        FakeTtsModel,
        FakeTurnModel,
        SentenceEnd,
    )
    from duologue.testing.faults import Fault, FaultPlan, FaultySpeechToText, FaultyTextToSpeech
    from duologue.testing.faulty_model import FaultyModel
    from duologue.testing.openai_server import OpenAIServer, calls, says
    from duologue.testing.spoken import speak, understand
    from duologue.testing.timed_call import TimedCall
    from duologue.testing.virtual import VirtualCall
    from duologue.testing.virtual_time import VirtualTimeLoop, run_in_virtual_time
    from duologue.testing.voices import StreamingVoice

__all__ = [
    "FOREVER",
    "ClientSink",
    "FakeSpeechToText",
    "FakeSttModel",
    "FakeTextToSpeech",
    "FakeTtsModel",
    "FakeTurnModel",
    "Fault",
    "FaultPlan",
    "FaultyModel",
    "FaultySpeechToText",
    "FaultyTextToSpeech",
    "OpenAIServer",
    "ProviderChaos",
    "ScriptedAgent",
    "SentenceEnd",
    "StreamingVoice",
    "TimedCall",
    "VirtualCall",
    "VirtualTimeLoop",
    "calls",
    "run_in_virtual_time",
    "said_in",
    "says",
    "speak",
    "understand",
    "verify",
]

_MODULES = {
    "duologue.recording.replay": ("verify",),
    "duologue.testing.agents": ("ScriptedAgent",),
    "duologue.testing.assertions": ("said_in",),
    "duologue.testing.chaos": ("ProviderChaos",),
    "duologue.testing.clients": ("ClientSink",),
    "duologue.testing.fakes": (
        "FOREVER",
        "FakeSpeechToText",
        "FakeSttModel",
        "FakeTextToSpeech",
        "FakeTtsModel",
        "FakeTurnModel",
        "SentenceEnd",
    ),
    "duologue.testing.faults": ("Fault", "FaultPlan", "FaultySpeechToText", "FaultyTextToSpeech"),
    "duologue.testing.faulty_model": ("FaultyModel",),
    "duologue.testing.openai_server": ("OpenAIServer", "calls", "says"),
    "duologue.testing.spoken": ("speak", "understand"),
    "duologue.testing.timed_call": ("TimedCall",),
    "duologue.testing.virtual": ("VirtualCall",),
    "duologue.testing.virtual_time": ("VirtualTimeLoop", "run_in_virtual_time"),
    "duologue.testing.voices": ("StreamingVoice",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duologue.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
