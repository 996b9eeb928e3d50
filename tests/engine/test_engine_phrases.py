"""Phrases are kept by voice, text and seed, within so many bytes."""

import pytest

from duologue.clock import VirtualClock
from duologue.engine import Engine, EngineConfig
from duologue.engine.phrases import OVERHEAD, PhraseCache
from duologue.testing.fakes import FakeTextToSpeech, FakeTtsModel, PeakVad, SentenceEnd
from duologue.tts import Speech, SpeechRequest
from duologue.tts.clauses import clauses_of

VOICE = object()


def speech(text: str, size: int = 1000) -> Speech:
    return Speech(text, bytes(size), 24_000)


def test_what_was_said_is_said_again() -> None:
    cache = PhraseCache(100_000)
    assert cache.get(VOICE, SpeechRequest("Hello.")) is None
    said = speech("Hello.")
    cache.put(VOICE, SpeechRequest("Hello."), said)
    assert cache.get(VOICE, SpeechRequest("Hello.")) is said
    assert (cache.counters.hits, cache.counters.misses) == (1, 1)


@pytest.mark.parametrize(
    ("voice", "request_"),
    [
        (object(), SpeechRequest("Hello.", 1)),
        (VOICE, SpeechRequest("hello.", 1)),
        (VOICE, SpeechRequest("Hello.", 2)),
        (VOICE, SpeechRequest("Hello.")),
    ],
)
def test_another_voice_text_or_seed_is_another_phrase(voice: object, request_: SpeechRequest) -> None:
    cache = PhraseCache(100_000)
    cache.put(VOICE, SpeechRequest("Hello.", 1), speech("Hello."))
    assert cache.get(voice, request_) is None


def test_a_voice_that_is_gone_gives_its_phrases_to_no_other() -> None:
    cache = PhraseCache(100_000)
    for _ in range(100):
        voice = FakeTtsModel()
        assert cache.get(voice, SpeechRequest("Hello.")) is None
        cache.put(voice, SpeechRequest("Hello."), speech("Hello."))
        del voice


def test_the_phrase_that_was_asked_for_longest_ago_goes_first() -> None:
    cache = PhraseCache(10 * (1000 + OVERHEAD + 4))
    for letter in "abcdefghij":
        cache.put(VOICE, SpeechRequest(letter), speech(letter))
    cache.get(VOICE, SpeechRequest("a"))
    cache.put(VOICE, SpeechRequest("k"), speech("k"))
    assert cache.get(VOICE, SpeechRequest("a")) is not None
    assert cache.get(VOICE, SpeechRequest("b")) is None
    assert (len(cache), cache.counters.evicted) == (10, 1)
    assert cache.bytes == 10 * (1000 + OVERHEAD + 4)


def test_the_same_phrase_is_kept_once_and_a_long_one_not_at_all() -> None:
    cache = PhraseCache(16_000)
    for _ in range(3):
        cache.put(VOICE, SpeechRequest("a"), speech("a"))
    cache.put(VOICE, SpeechRequest("b"), speech("b", 2000))
    assert (len(cache), cache.bytes) == (1, 1000 + OVERHEAD + 4)


def test_no_bytes_turn_it_off() -> None:
    cache = PhraseCache(0)
    cache.put(VOICE, SpeechRequest("a"), speech("a", 0))
    assert len(cache) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(("max_bytes", "runs"), [(1_000_000, 1), (0, 2)])
async def test_a_model_speaks_a_phrase_once(max_bytes: int, runs: int) -> None:
    model = FakeTtsModel()
    config = EngineConfig(cache_max_bytes=max_bytes)
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=config, clock=VirtualClock(), paced=False) as engine:
        tts = engine.tts(model)
        first, again = await tts.synthesize("For when?"), await tts.synthesize("For when?")
    assert first.pcm == again.pcm
    assert len(model.asked) == runs


@pytest.mark.anyio
async def test_phrases_are_spoken_ahead_clause_by_clause_as_a_reply_is() -> None:
    model = FakeTtsModel()
    text = "Hello, this is the table line. How many people shall I book for?"
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=VirtualClock(), paced=False) as engine:
        tts = engine.tts(model)
        await engine.warm(tts, [text])
        warmed = list(model.asked)
        assert "".join(warmed).replace(" ", "") == text.replace(" ", "")
        assert [await tts.synthesize(clause) for clause in clauses_of(text)]
    assert model.asked == warmed


@pytest.mark.anyio
async def test_nothing_is_spoken_ahead_by_a_service_or_without_a_cache() -> None:
    config = EngineConfig(cache_max_bytes=0)
    service, model = FakeTextToSpeech(), FakeTtsModel()
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=VirtualClock(), paced=False) as engine:
        await engine.warm(engine.tts(service), ["Hello."])
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=config, clock=VirtualClock(), paced=False) as engine:
        await engine.warm(engine.tts(model), ["Hello."])
    assert (service.asked, model.asked) == ([], [])
