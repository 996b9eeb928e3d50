"""Text goes from the agent to the voice in order, is bounded, and is never lost with a stream that ends early."""

from __future__ import annotations

import asyncio

import pytest

from duologue.agent import FunctionCall
from duologue.session.text_queue import MAX_UNSPOKEN, OWED, Piece, TextFeed, TextQueue

pytestmark = pytest.mark.anyio


async def turns_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def passes() -> None:
    """A gate that is open."""


def owes(feed: TextFeed) -> bool:
    return feed.owes_audio


def feed_of(queue: TextQueue, first: Piece, *, committed: bool = True) -> TextFeed:
    return TextFeed(queue, first, lambda: committed, passes)


async def test_the_writer_waits_for_room() -> None:
    queue = TextQueue(2)
    for text in "ab":
        await queue.put(Piece(text))
    writing = asyncio.create_task(queue.put(Piece("c")))
    await turns_of_the_loop()
    assert not writing.done()
    queue.pop()
    await writing
    assert await queue.peek() == Piece("b")


async def test_what_is_put_ahead_takes_no_room() -> None:
    queue = TextQueue(1)
    queue.put_ahead(Piece("first", say=1))
    await queue.put(Piece("a"))
    queue.pop()
    assert await queue.peek() == Piece("a")
    writing = asyncio.create_task(queue.put(Piece("b")))
    await turns_of_the_loop()
    assert not writing.done()
    queue.pop()
    await writing


async def test_what_the_agent_wrote_is_forgotten_and_what_was_said_is_not() -> None:
    queue = TextQueue(9)
    call = FunctionCall("look")
    for item in (Piece("a"), Piece("say", say=1), call, Piece("b")):
        await queue.put(item)
    queue.forget_written()
    assert await queue.peek() == Piece("say", say=1)
    queue.pop()
    assert await queue.peek() == call
    queue.pop()
    assert queue.is_empty


async def test_a_feed_hands_out_what_is_written_and_ends_before_what_belongs_elsewhere() -> None:
    queue = TextQueue(9)
    for item in (Piece("One "), Piece("two."), Piece("Said.", say=1), None):
        await queue.put(item)
    feed = feed_of(queue, Piece("One "))
    assert [text async for text in feed] == ["One ", "two."]
    assert feed.ended
    assert await queue.peek() == Piece("Said.", say=1)


async def test_a_function_call_ends_a_stream() -> None:
    queue = TextQueue(9)
    for item in (Piece("One "), FunctionCall("look"), Piece("two.")):
        await queue.put(item)
    assert [text async for text in feed_of(queue, Piece("One "))] == ["One "]


async def test_a_feed_can_be_read_again_from_its_beginning() -> None:
    queue = TextQueue(9)
    for text in ("One ", "two ", "three."):
        await queue.put(Piece(text))
    await queue.put(None)
    feed = feed_of(queue, Piece("One "))
    earlier = aiter(feed)
    assert [await anext(earlier), await anext(earlier)] == ["One ", "two "]
    assert [text async for text in feed] == ["One ", "two ", "three."]
    with pytest.raises(StopAsyncIteration):
        await anext(earlier)


async def test_a_reading_that_was_left_waiting_takes_nothing() -> None:
    queue = TextQueue(9)
    feed = feed_of(queue, Piece("One "))
    left = asyncio.ensure_future(anext(aiter(feed)))
    await turns_of_the_loop()
    feed.close()
    with pytest.raises(StopAsyncIteration):
        await left
    await queue.put(Piece("One "))
    assert await queue.peek() == Piece("One ")


@pytest.mark.parametrize(
    ("pieces", "handed"),
    [
        (["That is a good question. I will look."], ["That is a good question."]),
        (["That is ", "a good ", "question. I ", "will look."], ["That is ", "a good ", "question."]),
        (["Is", " it", " so", "?", " Well"], ["Is", " it", " so", "?", " Well"]),
    ],
)
async def test_before_the_turn_is_decided_no_more_than_the_first_clause_is_handed_out(
    pieces: list[str], handed: list[str]
) -> None:
    queue = TextQueue(9)
    committed = asyncio.Event()
    for text in pieces:
        await queue.put(Piece(text))
    await queue.put(None)
    feed = TextFeed(queue, Piece(""), committed.is_set, committed.wait)
    given: list[str] = []

    async def read() -> None:
        async for text in feed:
            given.append(text)  # noqa: PERF401  # it is looked at meanwhile

    reading = asyncio.create_task(read())
    await turns_of_the_loop()
    assert given == handed
    committed.set()
    await reading
    assert "".join(given) == "".join(pieces)


async def test_a_voice_that_does_not_speak_is_given_only_so_much() -> None:
    queue = TextQueue(9)
    feed = feed_of(queue, Piece(""))
    reading = aiter(feed)
    text = "word " * (MAX_UNSPOKEN // 5)
    await queue.put(Piece(text))
    await queue.put(Piece("more"))
    assert await anext(reading) == text
    waiting = asyncio.ensure_future(anext(reading))
    await turns_of_the_loop()
    assert not waiting.done()
    assert owes(feed)
    feed.spoke()
    assert await waiting == "more"


async def test_a_voice_owes_audio_unless_it_waits_for_text() -> None:
    queue = TextQueue(9)
    feed = feed_of(queue, Piece(""))
    changes: list[bool] = []
    feed.on_change = lambda: changes.append(feed.owes_audio)
    reading = aiter(feed)
    assert owes(feed), "it has not asked for text"
    waiting = asyncio.ensure_future(anext(reading))
    await turns_of_the_loop()
    assert not owes(feed)
    await queue.put(Piece("Hi "))
    await waiting
    assert owes(feed)
    waiting = asyncio.ensure_future(anext(reading))
    await turns_of_the_loop()
    await queue.put(Piece("x" * (OWED + 1)))
    await waiting
    waiting = asyncio.ensure_future(anext(reading))
    await turns_of_the_loop()
    assert owes(feed), "it has been given much"
    feed.spoke()
    assert not owes(feed)
    await queue.put(None)
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert owes(feed), "it has to end"
    assert changes == [False, True, False, True, True, True]


async def test_a_reading_of_a_feed_is_its_own_iterator() -> None:
    queue = TextQueue(2)
    queue.put_nowait(Piece("a"))
    queue.put_nowait(None)
    reading = aiter(feed_of(queue, Piece("a")))
    assert [text async for text in reading] == ["a"]
