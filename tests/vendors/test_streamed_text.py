"""Voices that take text while it is written, and say when its words sound: one suite, one row each."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from time import perf_counter
from typing import Any

import pytest
from provider_table import VOICES, Voice
from test_voices import served

from duologue.conversation import events
from duologue.errors import ProviderError
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import understand, word_timings
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech
from duologue.tts.websocket.words import WordTimer
from duologue.tts.websocket.writer import CLAUSE_PAUSE, SENTENCE_PAUSE

pytestmark = pytest.mark.anyio

LONG = "The first thing is this one here, I think. The second thing is that one there, so far. The third is gone."
LATENCY = 0.02
"""Seconds before the first audio of the stand-in."""

streaming = pytest.mark.parametrize("row", [row for row in VOICES if row.streams_text], ids=str)
aligned = pytest.mark.parametrize("row", [row for row in VOICES if row.is_aligned], ids=str)


def tokens(text: str) -> list[str]:
    """Pieces as a language model gives them: words with the space before them."""
    return re.findall(r"\s?\S+", text)


async def written(pieces: Iterable[str], then: asyncio.Event | None = None, rest: str = "") -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
    if then is not None:
        await then.wait()
        yield rest


async def collect(voice: TextToSpeech, text: Any) -> list[SpeechItem]:
    return [item async for item in voice.stream(text)]


def spans(items: Iterable[SpeechItem]) -> list[TextSpan]:
    return [item for item in items if isinstance(item, TextSpan)]


def said(voice: TextToSpeech, items: Iterable[SpeechItem]) -> str:
    return understand(b"".join(item.pcm for item in items if isinstance(item, AudioChunk)), voice.rate)


@streaming
async def test_the_table_says_what_the_voice_declares(row: Voice) -> None:
    async with served(row) as (_, voice):
        assert (voice.capabilities.streams_text, voice.capabilities.aligned) == (True, row.is_aligned)


# --- words ---


@aligned
@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100])
async def test_each_word_has_its_place_in_the_audio(row: Voice, rate: int) -> None:
    async with served(row, rate=rate) as (_, voice):
        items = await collect(voice, written(tokens(LONG)))
        words = [word for span in spans(items) for word in span.words]
        expected = word_timings(LONG)
        assert [word.text for word in words] == LONG.split()
        for word, exact in zip(words, expected, strict=True):
            assert (word.start, word.end) == pytest.approx((exact.start, exact.end), abs=0.01)
        speech = await voice.synthesize(LONG)
        assert speech.timings == "exact"
        assert understand(speech.pcm, rate) == LONG


@aligned
@pytest.mark.parametrize("seconds", [0.4, 1.5, 2.5, 4.0])
async def test_history_has_the_words_that_sounded_before_an_interruption(row: Voice, seconds: float) -> None:
    async with served(row) as (_, voice), VirtualCall(ScriptedAgent(tokens(LONG)), tts=voice) as call:
        await call.speak("Hello.")
        while not call.session._output.playout.started:
            await call.silence(0.02)
        await call.silence(seconds)
        call.session.interrupt()
        heard = call.one(events.AgentHeard)
        assert heard.interrupted
        sounded = call.sounded
        assert LONG.startswith(heard.text)
        assert heard.text
        # A word that was cut off sounds in part, and is not heard.
        cut = sounded.removeprefix(heard.text).split()
        assert sounded.startswith(heard.text)
        assert len(cut) <= 1
        assert cut != [LONG.split()[len(heard.text.split())]]
        await call.settle()
        assert call.heard == [heard.text]


def spoken(*words: str) -> list[tuple[str, float, float]]:
    """Words as a service reports them, one a second."""
    return [(f"{word} ", float(n), n + 0.9) for n, word in enumerate(words)]


@pytest.mark.parametrize(
    ("text", "reported", "times"),
    [
        ("It is here.", ["It", "is", "here."], [(0, 0.9), (1, 1.9), (2, 2.9)]),
        ("It is HERE!", ["it", "is", "here"], [(0, 0.9), (1, 1.9), (2, 2.9)]),
        ("Well — yes.", ["Well", "yes."], [(0, 0.9), (1, 1), (1, 1.9)]),
        ("Pay $5 now.", ["Pay", "five", "dollars", "now."], [(0, 0.9), (1, 3), (3, 3.9)]),
        ("It's nice.", ["It", "'s", "nice."], [(0, 1.9), (2, 2.9)]),
        ("So ab cd e.", ["So", "x", "e."], [(0, 0.9), (1, 1.5), (1.5, 2), (2, 2.9)]),
        ("One two.", ["One", "two.", "three"], [(0, 0.9), (1, 1.9)]),
    ],
)
def test_words_that_were_spoken_otherwise_share_their_time(
    text: str, reported: list[str], times: list[tuple[float, float]]
) -> None:
    found = WordTimer(deque(text.split())).push(spoken(*reported))
    assert [word.text for word in found] == text.split()
    assert [(round(word.start, 6), round(word.end, 6)) for word in found] == times


# --- text while it is written ---


@streaming
async def test_the_first_clause_is_spoken_while_the_rest_is_written(row: Voice) -> None:
    more = asyncio.Event()
    async with served(row) as (_, voice):
        async with aclosing(voice.stream(written(tokens("Well, let me see now. It"), more, " is free."))) as items:
            first: list[SpeechItem] = []
            while said(voice, first) != "Well, let me see now.":
                first.append(await anext(items))
            more.set()
            rest = [item async for item in items]
        assert said(voice, [*first, *rest]) == "Well, let me see now. It is free."


@streaming
async def test_the_first_audio_comes_within_50_ms_of_the_first_clause(row: Voice) -> None:
    async with served(row) as (server, voice):
        server.latency = LATENCY
        await voice.warm()
        delays = []
        for _ in range(5):
            complete = 0.0

            async def text() -> AsyncIterator[str]:
                nonlocal complete
                for token in tokens("That is a good question."):
                    yield token
                complete = perf_counter()
                await asyncio.sleep(0.2)
                yield " It is free."

            async with aclosing(voice.stream(text())) as items:
                while not isinstance(await anext(items), AudioChunk):
                    pass
                delays.append(perf_counter() - complete)
        # The least of them: others may have waited for a machine that was busy.
        assert min(delays) <= LATENCY + 0.05


@streaming
@pytest.mark.parametrize("text", ["That is a good question.", "Sure, I can do that,"])
async def test_a_clause_is_spoken_when_the_writer_pauses_after_it(row: Voice, text: str) -> None:
    more = asyncio.Event()
    async with served(row) as (_, voice), aclosing(voice.stream(written(tokens(text), more, " And this."))) as items:
        first = [await anext(items)]
        more.set()
        assert said(voice, [*first, *[item async for item in items]]) == f"{text} And this."
    assert SENTENCE_PAUSE <= 0.05 < CLAUSE_PAUSE


@pytest.mark.parametrize("turns", range(5))
@streaming
async def test_a_text_may_end_just_as_its_writer_seems_to_pause(
    row: Voice, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.tts.websocket.writer.SENTENCE_PAUSE", 0.0)

    async def ends_late() -> AsyncIterator[str]:
        yield "The first is here. "
        yield "The last is there."
        for _ in range(turns):  # of the event loop
            await asyncio.sleep(0)

    async with served(row) as (_, voice), asyncio.timeout(5):
        assert said(voice, await collect(voice, ends_late())) == "The first is here. The last is there."


@streaming
async def test_a_number_is_not_cut_where_the_writer_pauses(row: Voice) -> None:
    async def text() -> AsyncIterator[str]:
        yield "It costs about"
        yield " $5,"
        await asyncio.sleep(1.5 * CLAUSE_PAUSE)
        yield "000 in all."

    async with served(row) as (_, voice):
        assert said(voice, await collect(voice, text())) == "It costs about $5,000 in all."


@streaming
async def test_an_error_of_the_writer_is_raised_as_it_is(row: Voice) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "One moment. "
        raise KeyError("the agent's own")

    async with served(row) as (_, voice):
        with pytest.raises(KeyError):
            await collect(voice, broken())
        assert said(voice, await collect(voice, LONG)) == LONG


@streaming
async def test_a_stream_whose_text_never_comes_gives_its_place_back(row: Voice) -> None:
    async with served(row, max_connections=1) as (server, voice):
        for _ in range(7):
            assert await collect(voice, written([" "])) == []
        assert said(voice, await collect(voice, LONG)) == LONG
        assert server.connections == 1


@streaming
async def test_warm_opens_one_connection_that_the_first_stream_uses(row: Voice) -> None:
    async with served(row) as (server, voice):
        await voice.warm()
        await voice.warm()
        await collect(voice, LONG)
        assert server.connections == 1


@streaming
async def test_a_redirect_does_not_take_the_key_elsewhere(row: Voice) -> None:
    async with served(row) as (other, _), served(row) as (server, voice):
        server.redirect = other.url
        with pytest.raises(ProviderError, match="302"):
            await voice.warm()
        assert other.connections == 0
