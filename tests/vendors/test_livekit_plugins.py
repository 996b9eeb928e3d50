"""Plugins of LiveKit that do what Deepgram's and Cartesia's do not: written here, on LiveKit's own base classes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    OverloadedError,
    ProviderError,
    ProviderUnavailableError,
    RateLimitedError,
)
from duologue.settings.providers import provider_factory
from duologue.stt import Final, Partial, livekit_stream
from duologue.stt.livekit import LiveKitSpeechToText
from duologue.testing.spoken import speak
from duologue.tts import AudioChunk
from duologue.tts.livekit import LiveKitVoice
from duologue.vad.livekit import LiveKitVad
from environment import environment

environment("livekit")

from livekit.agents import APIStatusError, stt, tts, vad  # noqa: E402  # found by the line above
from livekit.agents.types import NOT_GIVEN  # noqa: E402

pytestmark = pytest.mark.anyio

RATE = 16_000
SECRET = "sk-secret"
DEADLINE = 20.0
NEVER = 1000.0
"""Longer than a test may take."""


class Recognizer(stt.STT):  # type: ignore[misc]  # mypy does not see LiveKit
    """Says what the test has it say, and knows of no time unless it is told one."""

    def __init__(self, *, streaming: bool = True) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=streaming, interim_results=True))
        self.opened = asyncio.Event()
        self.flushed = asyncio.Event()
        self.answer: Any = "One."

    def stream(self, *, language: Any = NOT_GIVEN, conn_options: Any = None) -> Any:
        self.line = Line(stt=self, conn_options=conn_options)
        self.opened.set()
        return self.line

    async def _recognize_impl(self, buffer: Any, *, language: Any = NOT_GIVEN, conn_options: Any = None) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        return event("final_transcript", self.answer)


class Line(stt.RecognizeStream):  # type: ignore[misc]
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reads = asyncio.Event()
        self.reads.set()

    async def _run(self) -> None:
        reading = asyncio.create_task(self._read())
        try:
            await self.ends
        finally:
            reading.cancel()

    async def _read(self) -> None:
        await self.reads.wait()
        async for data in self._input_ch:
            if isinstance(data, self._FlushSentinel):
                self._stt.flushed.set()

    def say(self, kind: str, text: str = "", start: float = 0.0, end: float = 0.0) -> None:
        self._event_ch.send_nowait(event(kind, text, start, end))


def event(kind: str, text: str, start: float = 0.0, end: float = 0.0) -> Any:
    said = [stt.SpeechData("en", text, start, end)] if text else []
    return stt.SpeechEvent(type=stt.SpeechEventType(kind), alternatives=said)


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[Any, Recognizer, Any]]:
    """A stream, the plugin, and the events of the stream; a second of audio was pushed."""
    plugin = Recognizer()
    provider = LiveKitSpeechToText(plugin, **{"finalize_timeout": 10.0, "quiet_timeout": 10.0, **options})
    stream = provider.stream()
    stream.push(bytes(2 * RATE), 0)
    events = aiter(stream)
    async with asyncio.timeout(DEADLINE):
        yield stream, plugin, events
        await stream.aclose()
        await provider.aclose()


async def ask(stream: Any, plugin: Recognizer, position: int = RATE) -> None:
    stream.finalize(position)
    await plugin.flushed.wait()
    plugin.flushed.clear()


async def begin(plugin: Recognizer, events: Any) -> asyncio.Task[Any]:
    """Read the first event, in a task; returns when the plugin's stream is open."""
    first: asyncio.Task[Any] = asyncio.ensure_future(anext(events))
    await plugin.opened.wait()
    return first


async def test_a_final_that_came_before_the_request_is_enough() -> None:
    async with listening(quiet_timeout=0.01, connect_timeout=0.01) as (stream, plugin, events):
        first = await begin(plugin, events)
        plugin.line.say("start_of_speech")
        plugin.line.say("final_transcript", "One.", 0.1, 0.8)
        assert await first == Final("One.", RATE // 10, 8 * RATE // 10)
        await ask(stream, plugin)
        assert await anext(events) == Final("", 8 * RATE // 10, RATE)


async def test_a_final_after_the_request_answers_it_with_times_or_without() -> None:
    async with listening() as (stream, plugin, events):
        first = await begin(plugin, events)
        await ask(stream, plugin)
        plugin.line.say("final_transcript", "One.", 0.1, 0.8)
        assert await first == Final("One.", RATE // 10, RATE)
        stream.push(bytes(2 * RATE), RATE)
        await ask(stream, plugin, 2 * RATE)
        plugin.line.say("final_transcript", "Two.")
        assert await anext(events) == Final("Two.", RATE, 2 * RATE)


async def test_words_so_far_are_final_if_no_final_comes_and_are_not_given_twice() -> None:
    async with listening(finalize_timeout=0.01, connect_timeout=0.01) as (stream, plugin, events):
        first = await begin(plugin, events)
        plugin.line.say("interim_transcript", "One, two", 0.1, 0.8)
        assert await first == Partial("One, two", RATE // 10, 8 * RATE // 10)
        await ask(stream, plugin)
        assert await anext(events) == Final("One, two", 0, RATE)
        stream.push(bytes(2 * RATE), RATE)
        plugin.line.say("final_transcript", "One two.", 0.1, 0.9)  # it has been given
        plugin.line.say("interim_transcript", "Three", 1.1, 1.2)
        assert await anext(events) == Partial("Three", round(1.1 * RATE), round(1.2 * RATE))
        await ask(stream, plugin, 2 * RATE)
        assert await anext(events) == Final("Three", RATE, 2 * RATE)
        stream.push(bytes(2 * RATE), 2 * RATE)
        plugin.line.say("interim_transcript", "Three four", 1.1, 2.2)
        assert (await anext(events)).text == "four"
        plugin.line.say("final_transcript", "Three, four.", 1.1, 2.2)
        assert await anext(events) == Final("four.", 2 * RATE, round(2.2 * RATE))


async def test_silence_of_a_plugin_that_has_long_said_nothing_is_no_answer() -> None:
    quick = {"finalize_timeout": 0.01, "connect_timeout": 0.01, "stall_timeout": 0.01}
    async with listening(**quick) as (stream, plugin, events):
        first = await begin(plugin, events)
        await ask(stream, plugin)
        with pytest.raises(DeadlineError, match="said nothing"):
            await first


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, ProviderUnavailableError),
        (ValueError(SECRET), ProviderError),
        (OSError(SECRET), ProviderUnavailableError),
        (TimeoutError(SECRET), DeadlineError),
        (APIStatusError(SECRET, status_code=429, body=SECRET), RateLimitedError),
        (APIStatusError(SECRET, status_code=1011), ProviderUnavailableError),
        (APIStatusError(SECRET, status_code=-1, retryable=False), ProviderError),
    ],
)
async def test_the_end_of_a_stream_is_one_error_without_the_plugins_words(
    error: Exception | None, kind: type[DuologueError]
) -> None:
    async with listening() as (_, plugin, events):
        first = await begin(plugin, events)
        if error is None:
            plugin.line.ends.set_result(None)
        else:
            plugin.line.ends.set_exception(error)
        with pytest.raises(DuologueError) as caught:
            await first
        assert type(caught.value) is kind
        assert SECRET not in f"{caught.value} {caught.value.__cause__}"


async def test_a_plugin_that_does_not_take_its_audio_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livekit_stream, "MAX_FRAMES", 5)
    async with listening(connect_timeout=0.01) as (stream, plugin, events):
        first = await begin(plugin, events)
        plugin.line.reads.clear()
        for n in range(10):
            stream.push(bytes(2 * 512), RATE + 512 * n)
        with pytest.raises(OverloadedError):
            await first


# --- a recognizer of whole utterances ---


async def test_a_plugin_that_does_not_stream_transcribes_utterances() -> None:
    plugin = Recognizer(streaming=False)
    provider = LiveKitSpeechToText(plugin)
    assert not provider.capabilities.streaming
    assert not provider.capabilities.partials
    async with asyncio.timeout(DEADLINE):
        assert (await provider.transcribe(speak("One."))).text == "One."
        assert [each.text for each in await provider.transcribe_batch([speak("One.")] * 2)] == ["One.", "One."]
        stream = provider.stream()
        stream.push(speak("One."), 0)
        stream.finalize(RATE)
        assert await anext(aiter(stream)) == Final("One.", 0, RATE)
        await stream.aclose()
        plugin.answer = APIStatusError(SECRET, status_code=429)
        with pytest.raises(RateLimitedError):
            await provider.transcribe(speak("One."))
        plugin.answer = None
        provider.settings = provider.settings.model_copy(update={"connect_timeout": 0.01, "stall_timeout": 0.01})
        with pytest.raises(DeadlineError, match="gave no words"):
            await provider.transcribe(speak("One."))
        assert provider.usage.requests == 4
        await provider.aclose()


def test_an_object_of_a_plugin_takes_no_more_options() -> None:
    plugin = Recognizer(streaming=False)
    for options in ({"model": "large"}, {"language": "en"}):
        with pytest.raises(ConfigError, match="has been made"):
            LiveKitSpeechToText(plugin, **options)


# --- a voice that speaks whole texts ---


class Voice(tts.TTS):  # type: ignore[misc]
    def __init__(self, *, channels: int = 1, rate: int = 24_000) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=24_000, num_channels=channels)
        self.given = rate
        self.fails = False

    def synthesize(self, text: str, *, conn_options: Any = None) -> Any:
        return Utterance(tts=self, input_text=text, conn_options=conn_options)


class Utterance(tts.ChunkedStream):  # type: ignore[misc]
    async def _run(self, output_emitter: Any) -> None:
        voice = self._tts
        output_emitter.initialize(request_id="r", sample_rate=voice.given, num_channels=1, mime_type="audio/pcm")
        if not voice.fails:
            output_emitter.push(speak(self._input_text, voice.given))
        output_emitter.flush()


async def test_a_voice_that_does_not_stream_is_given_clauses() -> None:
    plugin = Voice()
    voice = LiveKitVoice(plugin)
    assert not voice.capabilities.streams_text
    assert not voice.capabilities.aligned
    async with asyncio.timeout(DEADLINE):
        items = [item async for item in voice.stream("One thing.")]
        assert all(isinstance(item, AudioChunk) for item in items)
        assert b"".join(item.pcm for item in items).startswith(speak("One thing.", 24_000))  # type: ignore[union-attr]
        assert (await voice.synthesize("One.")).text == "One."
        plugin.fails = True
        with pytest.raises(ProviderUnavailableError) as caught:
            await voice.synthesize("The secret.")
        assert "secret" not in f"{caught.value} {caught.value.__cause__}"
        await voice.aclose()


async def test_a_voice_whose_audio_is_not_what_it_declares_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 channels"):
        LiveKitVoice(Voice(channels=2))
    voice = LiveKitVoice(Voice(rate=16_000))
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ProviderError, match="24000 Hz"):
            await voice.synthesize("One.")
        await voice.aclose()


# --- a detector of speech ---


class Detector(vad.VAD):  # type: ignore[misc]
    def __init__(self, does: str) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.032))
        self.does = does

    def stream(self) -> Any:
        return Detection(self)


class Detection(vad.VADStream):  # type: ignore[misc]
    async def _main_task(self) -> None:
        if self._vad.does == "fail":
            raise ValueError(SECRET)
        if self._vad.does == "stall":
            await asyncio.Event().wait()


def test_a_detector_of_a_plugin_tells_speech_from_silence() -> None:
    detector = provider_factory("vad", "livekit:silero")()
    assert (detector.name, detector.window) == ("livekit:silero", 512)
    rows = np.array([detector.open(), detector.open()])
    rng = np.random.default_rng(0)
    quiet = (rng.standard_normal((30, 512)) * 3).astype(np.int16)
    time = np.arange(30 * 512) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12)) * (np.sin(2 * np.pi * 4 * time) > -0.5)
    loud = (np.asarray(voice) * 4000).astype(np.int16).reshape(30, 512)
    scores = np.array([detector.score(rows, np.stack(pair)) for pair in zip(loud, quiet, strict=True)])
    assert scores[5:, 0].max() > 3 * scores[5:, 1].max()
    detector.reset(rows[0])
    assert detector.score(rows, np.stack([quiet[0], quiet[0]])).shape == (2,)
    for row in rows.tolist():
        detector.close(row)


@pytest.mark.parametrize(("does", "kind"), [("fail", ProviderError), ("stall", DeadlineError), ("end", ProviderError)])
def test_a_detector_that_fails_or_stalls_is_an_error(does: str, kind: type[DuologueError]) -> None:
    detector = LiveKitVad(Detector(does), timeout=10.0)
    row = detector.open()
    detector._timeout = 0.05 if does == "stall" else 10.0
    with pytest.raises(kind) as caught:
        detector.score(np.array([row]), np.zeros((1, 512), np.int16))
    assert SECRET not in str(caught.value)
    detector.close(row)
    with pytest.raises(ConfigError, match="timeout"):
        LiveKitVad(Detector(does), timeout=0)
