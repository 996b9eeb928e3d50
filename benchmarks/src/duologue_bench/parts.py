"""What a benchmark holds a conversation with: the local models, or instant fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duologue.agent import Agent
from duologue.clock import VirtualClock
from duologue.engine import Engine
from duologue.stt import SpeechToText, SttModel
from duologue.tts import TextToSpeech, TtsModel

__all__ = ["Parts", "instant_parts", "local_parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Providers, and how an engine and an agent are made for each call."""

    engine: Callable[[VirtualClock], Engine]
    stt: SpeechToText | SttModel
    tts: TextToSpeech | TtsModel
    agent: Callable[[], Agent]


def local_parts() -> Parts:
    """The local models, Smart Turn among them where it is installed, and the booking agent."""
    from duologue.agent.booking import BookingAgent
    from duologue.settings.local import load_local

    models = load_local()
    return Parts(
        lambda clock: models.engine(clock=clock, paced=False),
        models.stt,
        models.tts,
        BookingAgent,
    )


def instant_parts() -> Parts:
    """The real detector; words, turn, agent and speech take no time. What is left is the runtime itself."""
    from duologue.testing.agents import ScriptedAgent
    from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
    from duologue.turn.silence import Silence
    from duologue.vad.silero import Silero

    vad = Silero()
    return Parts(
        lambda clock: Engine(vad=vad, words=Silence(), clock=clock, paced=False),
        FakeSpeechToText("A table for four, please."),
        FakeTextToSpeech(),
        lambda: ScriptedAgent("A table for four, at seven. What name is it under?"),
    )
