"""Models have the face of a service, and the engine's workers behind it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from duologue.clock import VirtualClock
from duologue.engine import Engine, ModelSpeechToText, ModelTextToSpeech
from duologue.engine.faces import as_float
from duologue.engine.phrases import PhraseCache
from duologue.errors import InvalidAudioError, InvalidStateError, ProviderError, UnsupportedLanguageError
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.spoken import speak, understand
from duologue.tts import AudioChunk, Speech, TextSpan

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
        self.phrases = PhraseCache(0)

    @property
    def workers(self) -> Any:
        return self

    def submit(self, model: Any, item: Any, deadline: float | None, *, aloud: bool = False) -> asyncio.Future[Any]:
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
    transcript = await stt.transcribe(speak("Hello there."), language="en")
    assert (transcript.text, transcript.is_final) == ("Hello there.", True)
    assert transcript.audio_s == pytest.approx(len(speak("Hello there.")) / 32_000)


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
        stt.stream().push(bytes(5))


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


async def test_a_stream_shows_partials_and_ends_with_the_final(engine: Engine) -> None:
    sound = speak("One two three four five.")
    seen = []
    async with ModelSpeechToText(engine, FakeSttModel()).stream() as stream:
        stream.push(sound[:40_000])
        async for transcript in stream:
            seen.append((transcript.text, transcript.is_final))
            if len(seen) == 1:
                stream.push(sound[40_000:])
                stream.finish()
    assert seen == [("One two three four f", False), ("One two three four five.", True)]


async def test_partials_never_come_before_work_that_is_waited_for() -> None:
    desk = Desk()
    stream = ModelSpeechToText(desk, FakeSttModel()).stream(partial_every=0.5)
    stream.push(bytes(32_000))
    reading = asyncio.ensure_future(anext(aiter(stream)))
    (await desk.next()).set_result("So far")
    assert (await reading).text == "So far"
    assert desk.deadlines[0] is not None
    assert desk.deadlines[0] > asyncio.get_running_loop().time()


async def test_a_slow_machine_shows_fewer_partials_and_no_backlog() -> None:
    desk = Desk()
    stream = ModelSpeechToText(desk, FakeSttModel()).stream(partial_every=0.5)
    transcripts = aiter(stream)
    stream.push(bytes(16_000))
    reading = asyncio.ensure_future(anext(transcripts))
    first = await desk.next()
    for _ in range(5):
        stream.push(bytes(16_000))
    assert len(desk.jobs) == 1
    first.set_result("a")
    assert (await reading).audio_s == pytest.approx(0.5)
    reading = asyncio.ensure_future(anext(transcripts))
    (await desk.next()).set_result("b")
    assert (await reading).audio_s == pytest.approx(3.0)


async def test_an_utterance_has_an_end(engine: Engine) -> None:
    stream = ModelSpeechToText(engine, FakeSttModel()).stream()
    stream.push(bytes(30 * 32_000))
    with pytest.raises(InvalidAudioError, match="at most 30 s"):
        stream.push(bytes(2))
    stream.finish()
    with pytest.raises(InvalidStateError, match="finished"):
        stream.push(bytes(2))


async def test_a_stream_that_is_dropped_has_no_final(engine: Engine) -> None:
    model = FakeSttModel()
    stream = ModelSpeechToText(engine, model).stream()
    stream.push(speak("Never mind."))
    await stream.aclose()
    assert [transcript async for transcript in stream] == []
    assert model.batches == []


async def test_text_is_spoken_whole_or_clause_by_clause(engine: Engine) -> None:
    model = FakeTtsModel()
    tts = ModelTextToSpeech(engine, model)
    text = "Well, let me have a look at it, if I may. It is on the second page. There."
    whole = await tts.synthesize(text)
    assert (whole.text, whole.rate, understand(whole.pcm, whole.rate)) == (text, 24_000, text)

    pieces = [item.text async for item in tts.stream(in_pieces(text)) if isinstance(item, TextSpan)]
    assert pieces == ["Well, let me have a look at it,", "if I may.", "It is on the second page.", "There."]
    assert model.asked == [text, *pieces]


async def test_a_clause_is_not_cut_again(engine: Engine) -> None:
    tts = ModelTextToSpeech(engine, FakeTtsModel())
    clause = "Well, let me have a look at it, if I may."
    span, chunk = [item async for item in tts.stream(clause)]
    assert isinstance(span, TextSpan)
    assert isinstance(chunk, AudioChunk)
    assert (span.text, span.start, span.end) == (clause, 0.0, len(chunk.pcm) / 48_000)


async def test_later_clauses_are_wanted_when_the_earlier_have_sounded() -> None:
    desk = Desk()
    text = in_pieces("This is one. This is two. This is three.")
    stream = ModelTextToSpeech(desk, FakeTtsModel()).stream(text, deadline=100.0)
    for start, seconds in ((0.0, 2), (2.0, 1), (3.0, 1)):
        reading = asyncio.ensure_future(anext(stream))
        (await desk.next()).set_result(Speech("said", bytes(48_000 * seconds), 24_000))
        assert await reading == TextSpan("said", start, start + seconds)
        assert await anext(stream) == AudioChunk(bytes(48_000 * seconds))
    assert desk.deadlines == [100.0, 102.0, 103.0]


async def in_pieces(text: str) -> AsyncIterator[str]:
    for word in text.split(" "):
        yield word + " "


async def test_text_without_a_sound_has_none(engine: Engine) -> None:
    tts = ModelTextToSpeech(engine, FakeTtsModel())
    assert (await tts.synthesize("...")).pcm == b""
    assert [piece async for piece in tts.stream("  ")] == []


async def test_what_the_model_raises_reaches_the_caller(engine: Engine) -> None:
    stt = ModelSpeechToText(engine, FakeSttModel(faults=[ValueError("broken")]))
    with pytest.raises(ProviderError, match="fake-stt-model failed: ValueError"):
        await stt.transcribe(speak("Hello."))
    assert (await stt.transcribe(speak("Hello."))).text == "Hello."
