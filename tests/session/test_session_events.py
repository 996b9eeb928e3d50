"""A reader of events has a bounded queue: what may be dropped is dropped and counted, the rest never is."""

import asyncio
from typing import Any

import pytest

from duologue.conversation import events
from duologue.conversation.state import CallState
from duologue.errors import ConfigError, StreamError
from duologue.session.event_bus import EventBus
from duologue.session.events import ErrorRaised, Subscription
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


def partial(n: int) -> events.PartialTranscript:
    return events.PartialTranscript(n, 0.0, 1, f"word {n}")


def final(n: int) -> events.TurnDecided:
    return events.TurnDecided(n, 0.0, n, f"turn {n}", 0, n, 0.3, 0.9, "words")


def error(n: int) -> ErrorRaised:
    return ErrorRaised(n, 0.0, "timeout", "late", "", True, None, 0)


async def test_events_come_in_order_and_end_with_the_subscription() -> None:
    events = Subscription(8)
    for e in (partial(1), final(2)):
        events.put(e)
    events.close()
    events.put(partial(3))
    assert [e.pos async for e in events] == [1, 2]
    assert events.dropped == 0


async def test_a_reader_waits_for_the_next() -> None:
    events = Subscription(8)
    reading = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    assert not reading.done()
    events.put(final(1))
    assert (await reading).pos == 1


async def test_a_full_queue_drops_the_oldest_that_may_be_dropped() -> None:
    events = Subscription(4)
    for e in (final(1), partial(2), error(3), partial(4), final(5), partial(6)):
        events.put(e)
    assert [e.pos for e in events.drain()] == [1, 3, 5, 6]
    assert events.dropped == 2


async def test_what_may_be_dropped_never_pushes_out_what_may_not() -> None:
    events = Subscription(2)
    for e in (final(1), error(2), partial(3), partial(4)):
        events.put(e)
    assert [e.pos for e in events.drain()] == [1, 2]
    assert (events.dropped, events.closed) == (2, False)
    events.put(partial(5))
    assert [e.pos for e in events.drain()] == [5]


async def test_a_reader_that_is_too_far_behind_is_cut_off_after_what_it_has() -> None:
    events = Subscription(2)
    for n in range(4):
        events.put(final(n))
    assert events.closed
    assert [(await anext(events)).pos for _ in range(2)] == [0, 1]
    with pytest.raises(StreamError, match="fell 2 behind"):
        await anext(events)
    with pytest.raises(StreamError):
        events.drain()


async def test_a_waiting_reader_is_told_of_the_end() -> None:
    events = Subscription(2)
    reading = asyncio.create_task(anext(events, None))
    await asyncio.sleep(0)
    events.close()
    assert await reading is None


async def test_draining_takes_what_is_there() -> None:
    events = Subscription(4)
    assert events.drain() == []
    events.put(partial(1))
    assert [e.pos for e in events.drain()] == [1]
    assert events.drain() == []


async def test_leaving_the_block_ends_the_subscription() -> None:
    async with Subscription(4) as events:
        events.put(partial(1))
    assert events.closed


def test_a_queue_holds_something() -> None:
    with pytest.raises(ConfigError, match="max_queue"):
        Subscription(0)


# --- of a session ---


async def test_each_reader_has_a_queue_of_its_own() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        slow, fast = call.session.events(max_queue=12), call.session.events()
        await call.say("I would like a table for four people please.")
        await call.say("And one for five.")
    told = fast.drain()
    few = slow.drain()
    assert told[-1] == few[-1] == call.events[-1]
    assert slow.dropped == len(told) - len(few) > 0
    kept = [e for e in told if isinstance(e, events.TurnDecided | events.AgentHeard)]
    assert len(kept) == 4
    assert [e for e in few if isinstance(e, events.TurnDecided | events.AgentHeard)] == kept


async def test_a_slow_reader_is_cut_off_and_the_call_is_not() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        slow = call.session.events(max_queue=2)
        await call.say("Hello.")
        await call.say("And again.")
        assert slow.closed
        assert len(call.turns) == 2


async def test_the_end_tells_what_was_heard_last_and_then_ends_the_stream() -> None:
    async with VirtualCall(ScriptedAgent("This is a thing. And this is another thing.")) as call:
        await call.speak("Hello.")
        await call.silence(2.5)
        assert call.session.state == "speaking"
        reader = call.session.events()
        await call.session.hang_up("hung_up")
        told = [event async for event in reader]
        ended = next(e for e in told if isinstance(e, events.CallChanged))
        heard = next(e for e in told if isinstance(e, events.AgentHeard))
        assert (ended.state, ended.reason) == (CallState.ENDED, "hung_up")
        assert (heard.text, heard.interrupted) == ("This is a thing.", True)
        assert call.turns[0].heard_text == "This is a thing."


async def test_after_the_end_there_is_nothing_to_read() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        pass
    assert [event async for event in call.session.events()] == []


async def test_readers_that_left_are_forgotten() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        for _ in range(100):
            async with call.session.events():
                pass
        assert len(call.session._publisher.bus._subscriptions) <= 2


def test_a_cancellation_passes_through_a_watcher() -> None:
    def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    nobody: Any = None
    bus = EventBus(nobody)
    bus.watch(cancelled, cancelled)
    with pytest.raises(asyncio.CancelledError):
        bus.tell(final(1))
    with pytest.raises(asyncio.CancelledError):
        bus.end("closed")
