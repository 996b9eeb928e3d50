"""The console in a real browser, against a real server whose sessions are fakes."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from console_page import address, at, backend, browser, chromium, notice, opened, page, talk, text, until
from fake_backend import FakeBackend
from playwright.async_api import Browser, Page

from duologue.conversation import events
from duologue.conversation.state import AgentState, CallState, UserState
from duologue.session import Metered
from duologue.session.events import TurnMeasured

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FRAME = 480


def tone_share(samples: tuple[int, ...]) -> float:
    """How much of the power of `samples`, at 16 kHz, is the tone of 440 Hz."""
    cosine = sum(sample * math.cos(math.tau * 440 * n / 16_000) for n, sample in enumerate(samples))
    sine = sum(sample * math.sin(math.tau * 440 * n / 16_000) for n, sample in enumerate(samples))
    power = sum(sample * sample for sample in samples)
    return 2 * (cosine**2 + sine**2) / len(samples) / max(power, 1)


async def test_the_microphone_reaches_the_session_without_a_loss(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    acks = await until(
        page,
        "duologue.log.filter(({type}) => type === 'ack').length > 4 && duologue.log.filter(({type}) => type === 'ack')",
    )
    assert {(ack["gaps"], ack["duplicates"]) for ack in acks} == {(0, 0)}
    heard = struct.unpack(f"<{len(session.heard) // 2}h", session.heard)[4800:12_800]
    # The tone is there, and little else. It is judged in stretches of 25 ms, because the browser's fake microphone may
    # skip a moment on a busy machine, and the tone goes on with another phase.
    pure = [tone_share(heard[start : start + 400]) > 0.98 for start in range(0, 8000, 400)]
    assert sum(pure) >= 16
    await page.click("#talk")
    await until(page, "duologue.phase === 'idle'")
    assert session.reason == "client_end"
    assert await page.evaluate("duologue.notice") is None


async def test_the_voice_is_played_and_its_position_told(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    for number in range(25):
        session.sink.send(bytes(2 * FRAME), number * FRAME, 1)
    await session.called("mark_playback", 25 * FRAME)
    marks = [call[1] for call in session.calls if call[0] == "mark_playback"]
    assert marks == sorted(marks)
    assert len(marks) >= 3
    assert await page.evaluate("duologue.audio.length") == 25


async def test_a_pause_holds_the_voice_and_a_flush_drops_it(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    for number in range(100):
        session.sink.send(bytes(2 * FRAME), number * FRAME, 1)
    await until(page, "duologue.marks.length > 1")
    session.sink.pause(1)
    await until(page, "duologue.log.some(({type}) => type === 'pause')")
    sounding = int(await page.evaluate("duologue.marks.at(-1)"))
    session.sink.flush(1)
    session.sink.send(bytes(2 * FRAME), 100 * FRAME, 1)
    session.sink.send(bytes(2 * FRAME), 101 * FRAME, 2)
    await session.called("mark_playback", 102 * FRAME)
    before = [call[1] for call in session.calls if call[0] == "mark_playback" and call[1] <= 100 * FRAME]
    assert max(before) - sounding < 0.4 * 24_000


async def test_the_words_of_both_sides(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.tell(
        events.CallChanged(**at(0), state=CallState.LIVE, reason="start"),
        events.UserChanged(**at(0), before=UserState.SILENT, state=UserState.SPEAKING, reason="vad"),
        events.SpeechStarted(**at(0), turn=1, start=0, reason="vad"),
        events.PartialTranscript(**at(0), turn=1, text="A table"),
    )
    await until(page, "document.querySelector('.partial')?.textContent === 'A table'")
    assert await text(page, "#status") == "Hearing you"

    decided: dict[str, Any] = {"start": 0, "end": 0, "silence": 0.2, "probability": 0.9, "reason": "words"}
    session.tell(
        events.UserChanged(**at(0), before=UserState.SPEAKING, state=UserState.SILENT, reason="vad"),
        events.TurnDecided(**at(0), turn=1, text="A table for two.", **decided),
        events.AgentChanged(**at(0), before=AgentState.IDLE, state=AgentState.THINKING, reason="turn_decided"),
        events.AgentSaid(**at(0), generation=1, text="For two."),
        events.AgentSaid(**at(0), generation=1, text="At what time?"),
        TurnMeasured(
            **at(0),
            turn=1,
            generation=1,
            processing=0.03,
            voice_to_voice=0.4,
            speculation="hit",
            stages={"words": 0.2, "decided": 0.3, "first_audio": 0.4},
        ),
    )
    await until(page, "document.querySelector('.latency')")
    assert await text(page, "#status") == "Thinking"
    assert await text(page, ".entry.user p") == "A table for two."
    assert await text(page, ".entry.agent p") == "For two. At what time?"
    assert await text(page, ".latency summary") == "400 ms30 ms processing, prepared"
    assert await page.evaluate("[...document.querySelectorAll('.waterfall i')].map(step => step.className)") == [
        "transcript",
        "input_lag",
        "playout",
    ]
    assert await text(page, "#vitals") == "400 ms median of 1 turn"
    rows = "[...document.querySelectorAll('.stages dt')].map(dt => dt.textContent + dt.nextSibling.textContent)"
    assert await page.evaluate(rows) == ["Transcript200 ms", "Input lag100 ms", "Playout100 ms"]

    session.tell(
        events.Interrupted(**at(1), generation=1, reason="words"),
        events.AgentHeard(
            **at(1),
            generation=1,
            turn=1,
            text="For two.",
            said="For two. At what time?",
            interrupted=True,
            estimated=False,
        ),
    )
    await until(page, "document.querySelector('.unheard')?.textContent === ' At what time?'")
    decisions = await text(page, "#decisions ol")
    assert "The agent is interruptedWhat you said over it was a turn of its own." in decisions


async def test_what_the_detectors_think_as_it_changes(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    await session.called("meter", 0.1)
    opinion: dict[str, Any] = {"speech": 0.75, "echo_ratio": 0.1, "end_of_turn": None, "silence": None}
    session.tell(Metered(**at(1), **opinion))
    await until(page, "document.querySelector('.speech dd').textContent === '0.75'")
    assert await text(page, ".end dd") == "–"
    session.tell(Metered(**at(1), **{**opinion, "end_of_turn": 0.5, "silence": 0.25, "echo_ratio": 0.9}))
    await until(page, "document.querySelector('.end dd').textContent === '0.50 after 0.3 s'")
    assert await text(page, ".speech dd") == "0.75 own voice"
    assert await page.get_attribute(".end dd", "aria-valuenow") == "0.5"
    # The microphone's tone has a peak of 8000.
    await until(page, "document.querySelector('.level dd').textContent === '−12 dB'")
    assert await page.evaluate("[duologue.meters, duologue.log.some(({type}) => type === 'meter')]") == [2, False]


async def test_each_decision_is_explained(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    spoke: dict[str, Any] = {"before": AgentState.SPEAKING, "state": AgentState.DUCKED, "reason": "onset"}
    session.tell(
        events.TurnScored(
            **at(1), turn=1, text="A", words=0.4, sound=0.8, probability=0.7, silence=0.3, reason="unmarked"
        ),
        events.SpeculationStarted(**at(1), turn=1, generation=1, text="A table", reason="unmarked"),
        events.SpeculationDiscarded(**at(1.5), turn=1, generation=1, reason="went_on"),
        events.TurnDecided(**at(2), turn=1, text="A", start=0, end=0, silence=0.96, probability=0.3, reason="timeout"),
        events.AgentChanged(**at(3), **spoke),
        events.AgentChanged(**at(3.1), before=AgentState.DUCKED, state=AgentState.PAUSED, reason="speech"),
        events.Backchannel(**at(4), generation=2, text="Mhm.", reason="backchannel"),
        events.AgentChanged(**at(4), before=AgentState.PAUSED, state=AgentState.SPEAKING, reason="backchannel"),
        events.FalseInterruption(**at(5), generation=2, reason="too_short"),
        events.AudioGap(**at(6), start=0, end=8000, reason="missing"),
        events.Interrupted(**at(7), generation=2, reason="duration"),
    )
    item = "({children: [time, title, why]}) => [time.textContent, title.textContent, why.textContent]"
    await until(page, "document.querySelectorAll('#decisions li').length === 11")
    assert (await page.evaluate(f"[...document.querySelectorAll('#decisions li')].map({item})"))[::-1] == [
        [
            "0:01.00",
            "End of turn scored 0.70",
            "The words end without a mark (0.40), the sound says 0.80, after 300 ms of silence.",
        ],
        ["0:01.00", "An answer is prepared", "Before the turn is decided, for “A table”"],
        ["0:01.50", "The prepared answer is dropped", "You went on speaking."],
        [
            "0:01.50",
            "Turn 1 is decided",
            "It had been silent for so long that doubt no longer counted: 0.30 after 960 ms of silence.",
        ],
        ["0:03.00", "The agent speaks softly", "You may be starting to speak."],
        ["0:03.10", "The agent pauses", "You speak; what you say decides whether it goes on."],
        ["0:04.00", "You are listening", "“Mhm.” only says so, and the agent goes on."],
        ["0:04.00", "The agent resumes", "It only said that you listen."],
        ["0:05.00", "A false interruption", "The agent keeps the floor: the sound was too short."],
        ["0:06.00", "Sound is missing", "500 ms were missing; they count as silence."],
        ["0:07.00", "The agent is interrupted", "You spoke over it, and your words did not come in time."],
    ]


async def test_typing_needs_no_microphone(page: Page, backend: FakeBackend) -> None:
    await page.fill("#text", "Hello there")
    await page.press("#text", "Enter")
    session = await backend.session()
    await session.called("send_text", "Hello there")
    assert await page.evaluate("duologue.microphoneRate") is None
    assert await page.input_value("#text") == ""


async def test_the_keyboard_is_enough(page: Page, backend: FakeBackend) -> None:
    await page.focus("#talk")
    await page.keyboard.press("Enter")
    session = await backend.session()
    await until(page, "duologue.phase === 'live'")
    await page.keyboard.press("Tab")
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await session.called("send_text", "typed")


@pytest.fixture(scope="module")
async def shut(anyio_backend: str) -> AsyncIterator[Browser]:
    """A browser that lets no page use the microphone, and knows the server by another name than localhost."""
    names = "--host-resolver-rules=MAP console.test 127.0.0.1"
    async with browser("--use-fake-device-for-media-stream", "--deny-permission-prompts", names) as shut:
        yield shut


async def test_a_microphone_that_is_blocked(shut: Browser, address: str) -> None:
    async with opened(shut, f"http://{address}/") as page:
        await page.click("#talk")
        assert "The microphone is blocked" in await notice(page)


async def test_a_page_that_is_not_on_localhost(shut: Browser, address: str) -> None:
    async with opened(shut, f"http://console.test:{address.split(':')[1]}/") as page:
        assert "HTTPS or on localhost" in await notice(page), "it says so at once"
        await page.click("#notice-close")
        await page.click("#talk")
        assert "HTTPS or on localhost" in await notice(page)


async def test_no_microphone(address: str, backend: FakeBackend) -> None:
    async with (
        browser("--use-fake-ui-for-media-stream") as chromium,
        opened(chromium, f"http://{address}/") as page,
    ):
        await page.click("#talk")
        assert "There is no microphone" in await notice(page)
        await page.fill("#text", "I can type")
        await page.press("#text", "Enter")
        session = await backend.session()
        await session.called("send_text", "I can type")


# The worklets, in audio time.

PLAYBACK = """async () => {
  const context = new OfflineAudioContext(1, 24000, 24000);
  await context.audioWorklet.addModule("/console/playback-worklet.js");
  const node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
  node.connect(context.destination);
  const marks = [];
  node.port.onmessage = ({ data }) => marks.push(data.position);
  const frame = (generation, position, value) =>
    node.port.postMessage({ type: "frame", generation, position, samples: new Float32Array(480).fill(value) });
  // A message is there at the latest when a render quantum after it has been made.
  const at = (quantum, act) => context.suspend(quantum * 128 / 24000).then(async () => {
    act();
    await new Promise((done) => setTimeout(done, 100));
    context.resume();
  });
  for (let n = 0; n < 20; n++) frame(1, 480 * n, 0.5);
  await new Promise((done) => setTimeout(done, 100));
  at(10, () => node.port.postMessage({ type: "pause" }));
  at(20, () => node.port.postMessage({ type: "resume" }));
  at(40, () => { node.port.postMessage({ type: "flush", generation: 1 }); frame(1, 9600, 0.9); frame(2, 9600, 0.25); });
  const samples = (await context.startRendering()).getChannelData(0);
  await new Promise((done) => setTimeout(done, 100));
  return { samples: [...samples], marks };
}"""


async def test_playback_stops_at_once_and_goes_on_where_it_was(page: Page) -> None:
    result = await page.evaluate(PLAYBACK)
    samples = result["samples"]
    pause, resume, flush = 10 * 128, 20 * 128, 40 * 128
    assert samples[200:pause] == [0.5] * (pause - 200)
    assert not any(samples[pause + 64 : resume])
    assert samples[resume + 64 : flush] == [0.5] * (flush - resume - 64)
    assert max(abs(a - b) for a, b in zip(samples[1:], samples, strict=False) if a > 0.25 or b > 0.25) < 0.3
    assert samples[flush + 64 : flush + 64 + 480] == [0.25] * 480
    assert not any(samples[flush + 64 + 480 :])
    assert result["marks"][-1] == 9600 + 480


CAPTURE = """async ([rate, hertz]) => {
  const context = new OfflineAudioContext(1, rate, rate);
  await context.audioWorklet.addModule("/console/capture-worklet.js");
  const node = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
  const frames = [];
  node.port.onmessage = ({ data }) => frames.push(data.message);
  const source = new OscillatorNode(context, { frequency: hertz });
  source.connect(node).connect(context.destination);
  source.start();
  await context.startRendering();
  await new Promise((done) => setTimeout(done, 100));
  return frames.map((frame) => ({
    position: Number(new DataView(frame).getBigUint64(0, true)),
    samples: [...new Int16Array(frame, 12)],
  }));
}"""


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
async def test_capture_keeps_what_16_khz_can_hold_and_nothing_else(page: Page, rate: int) -> None:
    def level(frames: list[dict[str, Any]]) -> float:
        samples = [sample for frame in frames[5:45] for sample in frame["samples"]]
        return 10 * math.log10(sum(sample * sample for sample in samples) / len(samples) / (32_768**2 / 2) + 1e-12)

    kept = await page.evaluate(CAPTURE, [rate, 1000])
    assert [frame["position"] for frame in kept] == [320 * n for n in range(len(kept))]
    assert len(kept) >= 49
    assert level(kept) == pytest.approx(0, abs=0.1)
    if rate > 16_000:
        assert level(await page.evaluate(CAPTURE, [rate, 9000])) < -55
