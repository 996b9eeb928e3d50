"""A voice that is a model is a service to sessions, and the engine's threads run it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from duologue.clock import VirtualClock
from duologue.engine import Engine, ModelTextToSpeech
from duologue.engine.phrases import PhraseCache
from duologue.errors import ConfigError
from duologue.resilience import resilient_stt, resilient_tts
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
    def model_threads(self) -> Any:
        return self

    def submit(self, model: Any, item: Any, deadline: float | None, *, is_speech: bool = False) -> asyncio.Future[Any]:
        self.deadlines.append(deadline)
        self.jobs.append(asyncio.get_running_loop().create_future())
        self.came.set()
        return self.jobs[-1]

    async def next(self) -> asyncio.Future[Any]:
        await self.came.wait()
        self.came.clear()
        return self.jobs[-1]


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


async def test_models_in_a_list_of_recognizers_run_on_the_engine(engine: Engine) -> None:
    recognizer = engine.stt(resilient_stt([FakeSttModel()]))
    assert engine.stt(recognizer) is recognizer
    assert (await recognizer.transcribe(speak("Hello."))).text == "Hello."


async def test_models_in_a_list_of_voices_run_on_the_engine(engine: Engine) -> None:
    model = FakeTtsModel()
    voice = engine.tts(resilient_tts([model]))
    assert (await voice.synthesize("Hello.")).pcm
    assert model.asked == ["Hello."]
    with pytest.raises(ConfigError, match="int is no voice: it has no name, rate, capabilities, stream"):
        engine.tts(1)  # type: ignore[arg-type]  # that is the error
