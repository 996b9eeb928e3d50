"""One scripted conversation, played over different stacks of providers, and what the session told of it.

Add a stack to `STACKS`: a function that returns the parts of a VirtualCall; with a responder it needs no agent. A part
with an attribute `clock` is given the clock of its call, so that its latency passes in virtual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any

from duologue.agent import EndCall, Reply, Turn
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.state import AgentState, SessionState
from duologue.realtime import RealtimeToolCall
from duologue.session import RealtimeResponder, SessionConfig, ToolCalled
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, FakeTextToSpeech
from duologue.testing.realtime import FakeRealtimeModel
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeStreamingSpeechToText
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice

LONG = "The first thing is this one here. The second thing is that one there. The third is gone."
GREETING = "Welcome to the line."
SETTINGS = SessionConfig(rules=ConversationConfig(greeting=GREETING))
NOISE = (b"\x40\x40" * 160 + b"\xc0\xbf" * 160) * 20
"""0.4 s of sound without words."""


async def look_up() -> str:
    return "5 May"


async def hang_up() -> EndCall:
    return EndCall("done")


TOOLS = {"look_up": look_up, "hang_up": hang_up}

STACKS: dict[str, Callable[[], dict[str, Any]]] = {
    "instant": lambda: {"stt": FakeSpeechToText()},
    "model": lambda: {"stt": FakeSttModel()},
    "streaming": lambda: {"stt": FakeStreamingSpeechToText(typical_latency=0.0)},
    "streaming without word times": lambda: {"stt": FakeStreamingSpeechToText(typical_latency=0.0, word_times=False)},
    "streaming after 0.3 s": lambda: {"stt": FakeStreamingSpeechToText(typical_latency=0.3, latency=0.3)},
    "streaming without finalize": lambda: {
        "stt": FakeStreamingSpeechToText(typical_latency=0.2, finalizes=False, partial_every=0.1)
    },
    "streaming voice": lambda: {"tts": voice()},
    "streaming voice, 8 kHz": lambda: {"tts": voice(rate=8_000, chunks=(0.05, 0.33), span_words=(3, 1))},
    "streaming voice, 22.05 kHz": lambda: {"tts": voice(rate=22_050, spans="late")},
    "streaming voice by clauses": lambda: {"tts": voice(streams_text=False)},
    "all streaming": lambda: {"stt": FakeStreamingSpeechToText(typical_latency=0.0), "tts": voice()},
    "all streaming after 0.3 s": lambda: {
        "stt": FakeStreamingSpeechToText(typical_latency=0.3, latency=0.3),
        "tts": voice(latency=0.3),
    },
    "speech to speech": lambda: {"responder": RealtimeResponder(model(), tools=TOOLS)},
    "speech to speech after 0.3 s": lambda: {
        "stt": FakeStreamingSpeechToText(typical_latency=0.3, latency=0.3),
        "responder": RealtimeResponder(model(latency=0.3), tools=TOOLS),
    },
}


def voice(**how: Any) -> StreamingVoice:
    """A voice with the pauses between sentences that the other voices have."""
    return StreamingVoice(tail=0.1, **how)


def model(**how: Any) -> FakeRealtimeModel:
    """A speech-to-speech model that answers as Host does."""
    return FakeRealtimeModel(answer=answer_to, **how)


def answer_to(text: str) -> Any:
    if text.endswith("Look it up."):
        return [RealtimeToolCall("", "1", "look_up", "{}"), "It is the fifth of May."]
    if text.endswith("Good bye then."):
        return [RealtimeToolCall("", "2", "hang_up", "{}"), "Good bye."]
    return LONG


TOLD: dict[type, tuple[str, ...]] = {
    events.CallChanged: ("state", "reason"),
    events.UserChanged: ("state", "reason"),
    events.AgentChanged: ("state", "reason"),
    events.SpeechStarted: ("turn", "reason"),
    events.SpeechStopped: ("turn", "reason"),
    events.SpeechIgnored: ("turn", "reason"),
    events.TurnDecided: ("turn", "text", "reason"),
    events.Interrupted: ("generation", "reason"),
    events.FalseInterruption: ("generation", "reason"),
    events.Backchannel: ("generation", "text"),
    events.AgentHeard: ("generation", "turn", "text", "said", "interrupted"),
    events.SayEnded: ("text", "heard", "reason"),
    ToolCalled: ("turn", "name", "outcome"),
}
"""The events that a stack must not change, and the fields of each that do not depend on time."""


class Host:
    """The agent of the conversation: talks at length, uses a tool, hangs up."""

    speculative = False

    def __init__(self) -> None:
        self.turns: list[str] = []

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        self.turns.append(turn.text)
        if turn.text == "Look it up.":
            with turn.tool("look_up"):
                await turn.committed()
            yield "It is the fifth of May."
        elif turn.text == "Good bye then.":
            with turn.tool("hang_up"):
                await turn.committed()
            yield "Good bye."
            yield EndCall("done")
        else:
            yield LONG


class StackCall(VirtualCall):
    """A call over one stack. Audio waits for evidence and speech, unless their latency passes in virtual time."""

    def __init__(self, parts: dict[str, Any]) -> None:
        super().__init__(Host(), config=SETTINGS, **{"tts": FakeTextToSpeech(exact=True), **parts})
        everything = (*parts.values(), getattr(parts.get("responder"), "model", None))
        timed = [part for part in everything if hasattr(part, "clock")]
        for part in timed:
            part.clock = self.clock
        self.waits = not timed


async def converse(parts: dict[str, Any]) -> StackCall:
    """Play the conversation over these parts; returns the call, which has ended by itself."""
    call = StackCall(parts)
    async with call:
        await settle(call)  # the greeting
        await say(call, "Tell me all about it.")
        await sounding(call, 0.8)
        await say(call, "uh huh")  # a backchannel
        await sounding(call, 0.3)
        await call.play(NOISE, waits=call.waits)  # a false interruption
        await settle(call)
        await say(call, "And once more, please.")
        await sounding(call, 1.0)
        await say(call, "Look it up.")  # a barge-in, and a tool
        await settle(call)
        await say(call, "Good bye then.")
        await settle(call)
    return call


async def say(call: StackCall, text: str) -> None:
    """Say it and go on at once."""
    await call.play(speak(text), waits=call.waits)


async def sounding(call: StackCall, seconds: float) -> None:
    """Listen until the agent has been speaking for so long."""
    for _ in range(500):
        if call.session._rules.agent.state is AgentState.SPEAKING:
            break
        await call.silence(0.02, waits=call.waits)
    await call.silence(seconds, waits=call.waits)


async def settle(call: StackCall) -> None:
    """Say nothing until nothing has been open for half a second, or the call is over."""
    quiet = 0
    for _ in range(1500):
        if quiet >= 25 or call.session.state is SessionState.ENDED:
            return
        await call.silence(0.02, waits=call.waits)
        quiet = quiet + 1 if call.session.settled else 0
    raise AssertionError("The call does not settle.")


def said(call: StackCall) -> dict[int, str]:
    """What each reply said, by generation: voices tell it in pieces of their own."""
    texts: dict[int, str] = {}
    for event in call.of(events.AgentSaid):
        texts[event.generation] = f"{texts.get(event.generation, '')} {event.text}".strip()
    return texts


def told(call: StackCall) -> list[tuple[Any, ...]]:
    """What the session told, without its times."""
    return [
        (type(event).__name__, *(getattr(event, name) for name in TOLD[type(event)]))
        for event in call.events
        if type(event) in TOLD
    ]


assert all({f.name for f in fields(kind)}.issuperset(names) for kind, names in TOLD.items())
