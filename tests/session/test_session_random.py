"""Whatever happens in a call, at whatever moment: nothing is lost in silence, invented, cut short, or asked twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from duologue.agent import EndCall, Reply, Turn
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.events import Event
from duologue.errors import InvalidStateError, ProviderUnavailableError, SessionNotActiveError
from duologue.session import ErrorRaised, SessionConfig, SpeechHandle, VoiceSession
from duologue.testing.fakes import FOREVER, FakeTextToSpeech, pause
from duologue.testing.sinks import Recorder
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.tts import Speech

CHARACTER, TAIL = 0.06, 0.12
APOLOGY = "Sorry."
NOISE = (np.random.default_rng(1).uniform(-0.6, 0.6, 64_000) * 32767).astype("<i2").tobytes()

USER = ["A table for two.", "Yes.", "Mm-hmm.", "Okay, yeah, right.", "Wait, stop.", "I would like"]
ANSWERS = [
    ["Your table is booked. Shall I send you a note?"],
    ["One. ", "Two. ", "Three."],
    [60, "Your order is placed."],
    ["say", "It is free on Monday."],
    ["Let me see. ", "say", "It is free."],
    ["say"],
    [ValueError("broken")],
    ["It is quite simple. ", ValueError("broken")],
    ["Let me think. ", FOREVER],
    [],
    ["Goodbye.", EndCall()],
    [EndCall()],
    ["say", EndCall()],
]


async def turns_of_the_loop(count: int) -> None:
    """Take as long as `count` turns of the loop: 20 ms of the call for each few, and no time while the call waits."""
    for _ in range(count):
        await asyncio.sleep(0)


class Voice(FakeTextToSpeech):
    """Takes a while for each text."""

    async def synthesize(self, text: str, **options: Any) -> Speech:
        await turns_of_the_loop(20)
        return await super().synthesize(text, **options)


class Agent:
    """Answers turn after turn as drawn."""

    speculative = False

    def __init__(self, answers: list[list[Any]]) -> None:
        self.answers = answers
        self.asked: list[int] = []
        self.handles: list[SpeechHandle] = []
        self.session: VoiceSession

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        steps = self.answers[len(self.asked) % len(self.answers)]
        self.asked.append(turn.id)
        for step in steps:
            if step == "say":
                handle = await self.session.say(f"Note {len(self.asked)}.")
                self.handles.append(handle)
                await handle.wait_for_playout()
            elif isinstance(step, Exception):
                raise step
            elif isinstance(step, float):
                await pause(step)
            elif isinstance(step, int):
                await turns_of_the_loop(step)
            else:
                yield step


class Sink(Recorder):
    """Counts what was sent of each reply."""

    def __init__(self, call: VirtualCall) -> None:
        super().__init__(call.sink.rate, call.clock)
        self.sent: Counter[int] = Counter()

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        super().send(pcm, position, generation)
        self.sent[generation] += len(pcm) // 2


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


waits = st.booleans()
steps = st.one_of(
    step("speak", st.sampled_from(USER), waits),
    step("speak", st.sampled_from(USER), waits),
    step("noise", st.sampled_from([0.05, 0.15, 0.5, 1.2, 3.0]), waits),
    step("silence", st.sampled_from([0.1, 0.4, 0.8, 2.0, 5.0]), waits),
    step("silence", st.sampled_from([0.8, 2.0]), st.just(True)),
    step("type", st.sampled_from(["4", "8", "Hello.", "Are you open?"])),
    step("say", st.booleans()),
    step("interrupt"),
    step("clear"),
)
ends = st.sampled_from(["close", "close", "hang_up", "settle"])


async def perform(call: VirtualCall, handles: list[SpeechHandle], name: str, *a: Any) -> None:
    session = call.session
    match name:
        case "speak":
            await call.play(speak(a[0]), waits=a[1])
        case "noise":
            await call.play(NOISE[: round(a[0] * 16_000) * 2], waits=a[1])
        case "silence":
            await call.silence(a[0], waits=a[1])
        case "type":
            session.send_text(a[0])
        case "say":
            handles.append(await session.say(f"Text {len(handles)}.", interruptible=a[0]))
        case "interrupt":
            session.interrupt()
        case "clear":
            session.clear_buffers()


async def play(
    answers: list[list[Any]], plot: list[tuple[Any, ...]], end: str, greeting: str, faults: list[Any]
) -> None:
    agent = Agent(answers)
    handles: list[SpeechHandle] = []
    rules = ConversationConfig(greeting=greeting, apology=APOLOGY)
    config = SessionConfig(rules=rules, first_text_timeout=0.05, stall_timeout=0.05, max_retries=0)
    call = VirtualCall(agent, config=config, tts=Voice(faults=faults))
    sink = call.session._output.sink._sink = Sink(call)
    agent.session = call.session
    async with call:
        try:
            for name, *arguments in plot:
                await perform(call, handles, name, *arguments)
            if end != "hang_up":
                await call.settle()
        except (SessionNotActiveError, InvalidStateError):
            pass  # the call has ended, or too much waits already: refused with an error, so not lost
        if end == "close":
            await call.session.close("closed")
        elif end == "hang_up":
            await call.session.hang_up("client_gone")
        settled = call.session.settled
    check(call.events, agent, handles, sink, settled=settled)


def gives_up(e: Event) -> bool:
    """Whether the application gave up what is open, or the caller was asked to say it again."""
    requested = isinstance(e, events.Interrupted) and e.reason in ("request", "end")
    return requested or (isinstance(e, events.SayEnded) and e.text == APOLOGY)


def check(seen: list[Event], agent: Agent, handles: list[SpeechHandle], sink: Sink, *, settled: bool) -> None:
    ended = next(e for e in seen if isinstance(e, events.CallChanged) and e.state == "ended")
    says = [e for e in seen if isinstance(e, events.SayEnded)]
    # What was to be said was heard, or an event says why not.
    every = [*handles, *agent.handles]
    assert all(handle._over.is_set() for handle in every)
    keys = Counter(e.say for e in says if e.say)
    assert all(count == 1 for count in keys.values())
    assert len(keys) >= len(handles)
    assert all(e.reason for e in says)
    assert all(said.interrupted or said.heard == said.text for said in says)
    # Nothing is in the history that was not heard.
    for e in seen:
        if isinstance(e, events.AgentHeard):
            assert len(e.text) * CHARACTER - TAIL <= sink.sent[e.generation] / sink.rate + 0.1 * e.text.count(".")
    # No call ends by itself while speech is owed.
    cut = [e for e in seen if isinstance(e, events.Interrupted) and e.reason == "end"]
    if ended.reason in ("agent_done", "idle_timeout", "timeout") or (ended.reason == "closed" and settled):
        assert cut == []
        assert [e for e in says if e.reason == "end"] == []
    # Every decided turn is answered, continued, given up on request, or apologized for.
    if settled or ended.reason == "agent_done":
        waiting: set[int] = set()
        for e in seen:
            if isinstance(e, events.TurnDecided):
                waiting.add(e.turn)
            elif isinstance(e, events.TurnContinued | events.AgentHeard):
                waiting.discard(e.turn)
            elif gives_up(e) or (ended.reason == "agent_done" and getattr(e, "reason", "") == "empty"):
                waiting.clear()
        assert waiting == set()
    # A failure in mid-answer is not silent.
    for i, e in enumerate(seen):
        if isinstance(e, ErrorRaised) and e.turn and ended.reason != "client_gone":
            after = seen[i:]
            over = next(
                (o for o in after if isinstance(o, events.AgentHeard | events.TurnContinued) and o.turn == e.turn), None
            )
            if isinstance(over, events.AgentHeard) and not over.interrupted:
                assert any(isinstance(said, events.SayEnded) and said.text == APOLOGY for said in after)
    # The agent is asked once for each decision.
    asked = Counter(agent.asked)
    decided = Counter(e.turn for e in seen if isinstance(e, events.TurnDecided))
    assert all(asked[turn] <= decided[turn] for turn in asked)
    continued = Counter(e.turn for e in seen if isinstance(e, events.TurnContinued))
    assert all(decided[turn] <= 1 + continued[turn] for turn in decided)
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for e in seen:
        if isinstance(e, events.TurnContinued):
            reasons[e.turn] = e.reason
        elif isinstance(e, events.TurnDecided):
            again = texts.get(e.turn) == e.text
            assert not again or reasons[e.turn] in ("agent_error", "provider_unavailable", "timeout")
            texts[e.turn] = e.text


@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    phases=[Phase.generate],  # the same examples each time; to shrink one takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4),
    plot=st.lists(steps, min_size=4, max_size=14),
    end=ends,
    greeting=st.sampled_from(["", "Welcome. This call is recorded."]),
    faults=st.lists(st.sampled_from([0.0, 0.0, 0.0, ProviderUnavailableError("down")]), max_size=6),
)
@pytest.mark.no_cover
def test_whatever_happens_in_a_call(
    answers: list[list[Any]], plot: list[tuple[Any, ...]], end: str, greeting: str, faults: list[Any]
) -> None:
    asyncio.run(play(answers, plot, end, greeting, faults))
