"""Models and services are recognizers alike: the engine's threads run a model, and a service's latency is measured."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar, cast

import numpy as np
import pytest

from duologue.clock import VirtualClock
from duologue.engine import Engine, ModelSpeechToText, recognizers
from duologue.engine.model_threads import ModelThreads
from duologue.engine.recognizers import as_float
from duologue.errors import ConfigError, InvalidAudioError, ProviderError, UnsupportedLanguageError
from duologue.stt import Final, Partial, SttCapabilities
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeStreamingSpeechToText

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=VirtualClock(), paced=False) as engine:
        yield engine


class Desk:
    """Takes work and keeps it, with its deadlines."""

    def __init__(self) -> None:
        self.deadlines: list[float | None] = []
        self.jobs: list[asyncio.Future[Any]] = []
        self.came = asyncio.Event()

    @property
    def model_threads(self) -> Any:
        return self

    def submit(self, model: Any, item: Any, deadline: float | None) -> asyncio.Future[Any]:
        self.deadlines.append(deadline)
        self.jobs.append(asyncio.get_running_loop().create_future())
        self.came.set()
        return self.jobs[-1]

    async def next(self) -> asyncio.Future[Any]:
        await self.came.wait()
        self.came.clear()
        return self.jobs[-1]


def test_samples_become_floats_of_full_scale_one() -> None:
    assert as_float(np.array([0, 16384, -32768], "<i2").tobytes()).tolist() == [0.0, 0.5, -1.0]
    with pytest.raises(InvalidAudioError, match="3 bytes"):
        as_float(b"abc")


async def test_an_utterance_is_understood(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel())
    await stt.warm()
    transcript = await stt.transcribe(speak("Hello there."), language="en")
    assert transcript.text == "Hello there."
    assert transcript.audio_s == pytest.approx(len(speak("Hello there.")) / 32_000)
    await stt.aclose()


async def test_several_utterances_keep_their_order(engine: Engine) -> None:
    model = FakeSttModel(max_batch=8)
    texts = [f"Number {i}." for i in range(12)]
    transcripts = await ModelSpeechToText(engine, model).transcribe_batch([speak(t) for t in texts])
    assert [t.text for t in transcripts] == texts
    assert sum(model.batches) == len(texts)


async def test_no_audio_has_no_words_and_asks_nobody(engine: Engine) -> None:
    model = FakeSttModel()
    assert (await ModelSpeechToText(engine, model).transcribe(b"")).text == ""
    assert model.batches == []


async def test_bytes_that_are_not_whole_samples_are_refused(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel())
    with pytest.raises(InvalidAudioError, match="5 bytes"):
        await stt.transcribe(bytes(5))
    with pytest.raises(InvalidAudioError, match="5 bytes"):
        stt.stream().push(bytes(5), 0)


async def test_a_language_that_the_model_does_not_know_is_refused(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel())
    with pytest.raises(UnsupportedLanguageError, match=r"'de' was asked for; .* knows en"):
        await stt.transcribe(speak("Hallo."), language="de")
    with pytest.raises(UnsupportedLanguageError):
        stt.stream(language="de")
    with pytest.raises(UnsupportedLanguageError):
        await stt.transcribe_batch([speak("Hallo.")], language="de")


async def test_a_region_is_no_other_language(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel())
    assert (await stt.transcribe(speak("Hello."), language="en-GB")).text == "Hello."
    stt.stream(language="EN_us")


async def test_a_stream_over_a_model_shows_partials_and_gives_finals(engine: Engine) -> None:
    sound = speak("One two three four five.")
    stream = ModelSpeechToText(engine, FakeSttModel()).stream()
    events = aiter(stream)
    stream.push(sound[:40_000], 0)
    assert await anext(events) == Partial("One two three four f", 0, 20_000)
    stream.push(sound[40_000:], 20_000)
    stream.finalize(len(sound) // 2)
    assert await anext(events) == Final("One two three four five.", 0, len(sound) // 2)
    await stream.aclose()


async def test_partials_never_come_before_work_that_is_waited_for() -> None:
    desk = Desk()
    stream = ModelSpeechToText(desk, FakeSttModel()).stream(partial_every=0.5)
    stream.push(bytes(32_000), 0)
    reading = asyncio.ensure_future(anext(aiter(stream)))
    (await desk.next()).set_result("So far")
    assert (await reading).text == "So far"  # type: ignore[union-attr]
    assert desk.deadlines[0] is not None
    assert desk.deadlines[0] > asyncio.get_running_loop().time()


async def test_a_slow_machine_shows_fewer_partials_and_no_backlog() -> None:
    desk = Desk()
    stream = ModelSpeechToText(desk, FakeSttModel()).stream(partial_every=0.5)
    events = aiter(stream)
    stream.push(bytes(16_000), 0)
    reading = asyncio.ensure_future(anext(events))
    first = await desk.next()
    for i in range(5):
        stream.push(bytes(16_000), 8_000 * (i + 1))
    assert len(desk.jobs) == 1
    first.set_result("a")
    assert await reading == Partial("a", 0, 8_000)
    reading = asyncio.ensure_future(anext(events))
    (await desk.next()).set_result("b")
    assert await reading == Partial("b", 0, 48_000)


async def test_a_stream_that_is_dropped_has_no_final(engine: Engine) -> None:
    model = FakeSttModel()
    stream = ModelSpeechToText(engine, model).stream()
    stream.push(speak("Never mind."), 0)
    await stream.aclose()
    assert [event async for event in stream] == []
    assert model.batches == []


async def test_what_the_model_raises_reaches_the_caller(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel(faults=[ValueError("broken")]))
    with pytest.raises(ProviderError, match="fake-stt-model failed: ValueError"):
        await stt.transcribe(speak("Hello."))
    assert (await stt.transcribe(speak("Hello."))).text == "Hello."


async def test_a_service_is_passed_on_and_its_latency_is_shared(engine: Engine) -> None:
    class Service(FakeSpeechToText):
        capabilities = SttCapabilities(typical_latency=0.4, partials=False)
        steps: ClassVar[list[str]] = []

        async def warm(self) -> None:
            self.steps.append("warm")

        async def aclose(self) -> None:
            self.steps.append("closed")

    first, second = engine.stt(Service("One.")), engine.stt(Service())
    await first.warm()
    assert (await first.transcribe(b"")).text == "One."
    assert [t.text for t in await first.transcribe_batch([b""], language="en")] == ["One."]
    await first.aclose()
    assert Service.steps == ["warm", "closed"]
    assert first.latency is second.latency is not None
    assert not first.may_show(100_000)
    await first.hold()


async def test_what_is_adapted_already_stays_as_it_is(engine: Engine) -> None:
    for provider in (engine.stt(FakeSttModel()), engine.stt(FakeSpeechToText())):
        assert engine.stt(provider) is provider


async def test_a_model_has_no_latency_of_its_own(engine: Engine) -> None:
    assert engine.stt(FakeSttModel()).latency is None
    streaming = engine.stt(FakeStreamingSpeechToText(typical_latency=0.2))
    assert streaming.capabilities.streaming
    assert streaming.latency is not None
    await streaming.stream().aclose()


@pytest.mark.parametrize(("is_busy", "is_idle"), [(False, True), (True, True), (False, False)])
async def test_a_model_defers_work_that_may_be_in_vain_while_threads_are_busy(
    engine: Engine, is_busy: bool, is_idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizers, "HOLD", 0.0)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(ModelThreads, "busy", is_busy)
    monkeypatch.setattr(ModelThreads, "idle", is_idle)
    stt = engine.stt(FakeSttModel())
    await stt.hold()
    assert waited == ([0.0] if is_busy else [])
    assert stt.may_show(8_000) is (is_idle and not is_busy)
    assert not stt.may_show(7_999), "less than the model needs"


async def test_a_service_is_never_deferred_and_shows_what_it_declares(engine: Engine) -> None:
    class Whole(FakeSpeechToText):
        capabilities = SttCapabilities(partials=False)

    await engine.stt(Whole()).hold()
    assert not engine.stt(Whole()).may_show(160_000)
    assert engine.stt(FakeSpeechToText()).may_show(1)


async def test_a_service_whose_capabilities_make_no_sense_is_refused(engine: Engine) -> None:
    class Vague(FakeSpeechToText):
        capabilities: Any = "streaming"

    class Mute:
        name = "mute"
        capabilities = SttCapabilities(streaming=True)

    with pytest.raises(ConfigError, match=r"capabilities is str, and must be SttCapabilities"):
        engine.stt(Vague())
    with pytest.raises(ConfigError, match=r"mute declares streaming=True, and has no stream\(\)"):
        engine.stt(cast(Any, Mute()))


async def test_a_service_is_not_asked_for_a_language_that_it_does_not_declare(engine: Engine) -> None:
    class English(FakeSpeechToText):
        capabilities = SttCapabilities(languages=frozenset({"en"}))

    service = English()
    stt = engine.stt(service)
    assert (await stt.transcribe(speak("Hello."), language="en-GB")).text == "Hello."
    with pytest.raises(UnsupportedLanguageError):
        await stt.transcribe(speak("Hallo."), language="de")
    assert len(service.asked) == 1
