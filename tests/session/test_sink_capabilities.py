"""Over sinks that can do everything and sinks that can do nothing the user hears the same, and history has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import SequenceMatcher
from typing import Any

import pytest

from duologue.clock import VirtualClock
from duologue.conversation import events
from duologue.errors import ConfigError
from duologue.session import AudioSink, SinkCapabilities
from duologue.testing.agents import ScriptedAgent
from duologue.testing.clients import PLAIN, ClientSink
from duologue.testing.fakes import FakeTextToSpeech
from duologue.testing.spoken import speak, understand
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice

pytestmark = pytest.mark.anyio

LONG = "The first thing is this one here, I think. The second thing is that one there, so far. The third is gone."
FULL = SinkCapabilities(reports_marks=True)
SILENT = SinkCapabilities(reports_marks=False)
MARKING = SinkCapabilities(can_pause=False, reports_marks=True, rate=8_000)
KINDS = {"full": FULL, "silent": SILENT, "marking": MARKING, "plain": PLAIN}
ALL = pytest.mark.parametrize("capabilities", KINDS.values(), ids=KINDS)


@asynccontextmanager
async def call_to(capabilities: SinkCapabilities, *answers: Any, **session: Any) -> AsyncIterator[VirtualCall]:
    clock = VirtualClock()
    client = ClientSink(clock, 8_000, capabilities)
    voice = StreamingVoice(rate=8_000)
    call = VirtualCall(ScriptedAgent(*answers), tts=voice, clock=clock, sink=client, **session)
    reporting = asyncio.create_task(client.report_to(call.session))
    try:
        async with call:
            yield call
    finally:
        reporting.cancel()


def client_of(call: VirtualCall) -> ClientSink:
    sink = call.session._output.sink._sink
    assert isinstance(sink, ClientSink)
    return sink


async def speaking(call: VirtualCall, seconds: float) -> None:
    """Have the agent speak for so long."""
    await call.speak("Hello.")
    while not call.session._output.playout.started:
        await call.silence(0.02)
    await call.silence(seconds)


@ALL
async def test_an_answer_is_heard(capabilities: SinkCapabilities) -> None:
    async with call_to(capabilities, LONG) as call:
        await call.say("Hello.")
        assert call.heard == [LONG]
        assert understand(client_of(call).heard(), 8_000) == LONG
        assert client_of(call).calls == []
        heard = call.one(events.AgentHeard)
        assert (heard.interrupted, heard.estimated) == (False, not capabilities.reports_marks)


@ALL
async def test_after_a_false_interruption_the_rest_is_heard_once(capabilities: SinkCapabilities) -> None:
    async with call_to(capabilities, LONG) as call:
        await speaking(call, 1.5)
        await call.speak("Uh-huh.")
        await call.settle()
        assert [e.state for e in call.of(events.AgentChanged)][2:] == ["ducked", "paused", "speaking", "idle"]
        assert call.heard == [LONG]
        assert call.one(events.AgentHeard).interrupted is False
        client = client_of(call)
        assert client.calls == (["pause", "resume"] if capabilities.can_pause else ["flush"])
        # What sounded softly before the pause is not read; a sink that cannot pause is sent one frame again.
        sounded = understand(client.heard(), 8_000)
        assert SequenceMatcher(None, LONG, sounded).ratio() > 0.97
        assert sounded.endswith("so far. The third is gone.")


@pytest.mark.parametrize("frames", range(10, 200, 13))
@pytest.mark.no_cover
async def test_what_was_heard_before_a_barge_in_is_the_same_for_all(frames: int) -> None:
    """Each client is interrupted at the same moment, while it is paused."""
    heard = []
    for capabilities in (FULL, SILENT, MARKING, PLAIN):
        async with call_to(capabilities, LONG, "Yes?") as call:
            await speaking(call, frames * 0.02)
            await call.play(speak("Wait, I have another question."))
            await call.settle()
            heard.append(call.of(events.AgentHeard)[0].text)
            assert "flush" in client_of(call).calls
            whole = heard[-1].split()
            sounded = understand(client_of(call).heard(), 8_000).split()
            assert LONG.split()[: len(whole)] == whole
            assert len(sounded[: sounded.index("Yes?")]) - len(whole) in (0, 1), "history has what sounded"
    # Marks come each 100 ms, and history never has more than they say.
    shortest, longest = sorted(heard, key=len)[0], sorted(heard, key=len)[-1]
    assert longest.startswith(shortest)
    assert len(longest.split()) - len(shortest.split()) <= 1
    assert heard[1] == heard[3], "both are timed by the clock"


async def test_a_sink_has_its_own_rate_and_frames() -> None:
    sizes: set[int] = set()

    class Sink(AudioSink):
        capabilities = SinkCapabilities(rate=8_000, frame=0.04)

        def send(self, pcm: bytes, position: int, generation: int) -> None:
            sizes.add(len(pcm))

        def flush(self, generation: int) -> None:
            """Nothing is kept."""

    async with VirtualCall(ScriptedAgent(LONG), tts=FakeTextToSpeech(rate=24_000), sink=Sink()) as call:
        assert call.session.output_rate == 8_000
        await call.say("Hello.")
        assert call.heard == [LONG]
    assert max(sizes) == 640
    assert sizes <= {320, 640}, "only the last of a reply is shorter"


@pytest.mark.parametrize("wrong", [{"rate": 7_000}, {"frame": 0.03}, {"frame": 0.5}])
def test_what_no_sink_can_do_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="must be"):
        SinkCapabilities(**wrong)


def test_a_sink_whose_capabilities_are_none_is_refused() -> None:
    sink = ClientSink(VirtualClock(), 8_000, "none")  # type: ignore[arg-type]  # a mistake
    with pytest.raises(ConfigError, match="expected SinkCapabilities"):
        VirtualCall(ScriptedAgent("Yes."), sink=sink)


@pytest.mark.parametrize(("can_pause", "missing"), [(True, "flush, pause, resume"), (False, "flush")])
def test_a_sink_without_its_methods_is_refused(can_pause: bool, missing: str) -> None:
    class Sink:
        capabilities = SinkCapabilities(can_pause=can_pause)

        def send(self, pcm: bytes, position: int, generation: int) -> None:
            raise AssertionError("a sink that is refused is not used")

    with pytest.raises(ConfigError, match=f"The sink Sink has no method {missing}[.]"):
        VirtualCall(ScriptedAgent("Yes."), sink=Sink())


def test_a_sink_need_not_pause() -> None:
    class Plain(AudioSink):
        capabilities = SinkCapabilities(can_pause=False)

        def __init__(self) -> None:
            self.calls: list[str] = []

        def send(self, pcm: bytes, position: int, generation: int) -> None:
            self.calls.append("send")

        def flush(self, generation: int) -> None:
            self.calls.append("flush")

    sink = Plain()
    sink.pause(1)
    sink.resume(1)
    assert sink.calls == []


def test_a_sink_that_would_have_to_be_awaited_is_refused() -> None:
    class Waiting(AudioSink):
        capabilities = SinkCapabilities(can_pause=False)

        async def send(self, pcm: bytes, position: int, generation: int) -> None:  # type: ignore[override]  # a mistake
            raise AssertionError("a sink that is refused is not used")

        def flush(self, generation: int) -> None:
            raise AssertionError("a sink that is refused is not used")

    with pytest.raises(ConfigError, match="The sink Waiting has send as async; a sink is called, and not awaited"):
        VirtualCall(ScriptedAgent("Yes."), sink=Waiting())
