from __future__ import annotations

import asyncio

import pytest

from duologue.errors import SlowClientError
from duologue.server.outbox import Outbox
from duologue.wire.messages import Ended, Meter, Pong, dump

pytestmark = pytest.mark.anyio


def pong(number: int) -> str:
    return dump(Pong(id=number))


class Client:
    """Reads so many, and then no more."""

    def __init__(self, patience: int = 1000) -> None:
        self.got: list[str | bytes] = []
        self._patience = patience

    async def send(self, item: str | bytes) -> None:
        if len(self.got) >= self._patience:
            await asyncio.Event().wait()
        self.got.append(item)


async def test_messages_overtake_audio_and_the_last_one_is_last() -> None:
    outbox = Outbox(progress_timeout=5)
    client = Client()
    outbox.put_audio(b"one", 1)
    outbox.put_audio(b"two", 1)
    outbox.put(Pong(id=1))
    outbox.close(Ended(reason="over"))
    outbox.put(Pong(id=2))
    outbox.put_audio(b"late", 1)
    await outbox.run(client.send)
    assert client.got == [pong(1), b"one", b"two", dump(Ended(reason="over"))]


async def test_what_comes_while_it_runs_is_sent() -> None:
    outbox = Outbox(progress_timeout=5)
    client = Client()
    running = asyncio.create_task(outbox.run(client.send))
    for number in range(3):
        outbox.put(Pong(id=number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    outbox.close(Ended(reason="over"))
    await running
    assert client.got[:3] == [pong(0), pong(1), pong(2)]


async def test_dropped_audio_is_not_sent() -> None:
    outbox = Outbox(progress_timeout=5)
    client = Client()
    for generation in (1, 2, 3):
        outbox.put_audio(b"%d" % generation, generation)
    outbox.drop_audio(2)
    outbox.close(Ended(reason="over"))
    await outbox.run(client.send)
    assert client.got[:-1] == [b"3"]


async def test_a_meter_is_left_out_where_the_client_is_behind() -> None:
    outbox = Outbox(progress_timeout=5)
    client = Client()
    meter = Meter(at_s=1.0, speech=0.5, explained=0.0, end_of_turn=None, silence_s=None)
    outbox.put(meter)
    for number in range(8):
        outbox.put(Pong(id=number))
    outbox.put(meter)
    outbox.close(Ended(reason="over"))
    await outbox.run(client.send)
    assert client.got == [dump(meter), *(pong(number) for number in range(8)), dump(Ended(reason="over"))]


async def test_too_much_audio_is_a_slow_client() -> None:
    outbox = Outbox(progress_timeout=5, max_frames=2)
    for _ in range(3):
        outbox.put_audio(b"frame", 1)
    with pytest.raises(SlowClientError, match="2 frames of audio are waiting"):
        await outbox.run(Client().send)
    assert len(outbox) <= 2


async def test_too_many_messages_are_a_slow_client() -> None:
    outbox = Outbox(progress_timeout=5, max_messages=2)
    for number in range(3):
        outbox.put(Pong(id=number))
    with pytest.raises(SlowClientError, match="2 messages are waiting"):
        await outbox.run(Client().send)


async def test_no_progress_is_a_slow_client() -> None:
    outbox = Outbox(progress_timeout=0.01)
    client = Client(patience=1)
    outbox.put(Pong(id=1))
    outbox.put(Pong(id=2))
    with pytest.raises(SlowClientError, match=r"read nothing for 0\.01 s"):
        await outbox.run(client.send)
    assert client.got == [pong(1)]


async def test_a_client_stuck_at_the_very_end_is_slow_too() -> None:
    outbox = Outbox(progress_timeout=0.01)
    outbox.close(Ended(reason="over"))
    with pytest.raises(SlowClientError):
        await outbox.run(Client(patience=0).send)


async def test_silence_is_not_a_lack_of_progress() -> None:
    outbox = Outbox(progress_timeout=0.001)
    client = Client()
    running = asyncio.create_task(outbox.run(client.send))
    await asyncio.wait([running], timeout=0.01)
    outbox.close(Ended(reason="over"))
    await running
    assert client.got == [dump(Ended(reason="over"))]


async def test_a_failing_connection_ends_it() -> None:
    async def send(_: str | bytes) -> None:
        raise ConnectionError("gone")

    outbox = Outbox(progress_timeout=5)
    outbox.put(Pong(id=1))
    with pytest.raises(ConnectionError):
        await outbox.run(send)
