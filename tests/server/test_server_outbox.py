from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from duologue.errors import SlowClientError
from duologue.server.outbox import Outbox
from duologue.wire.messages import Ended, Meter, Pong, dump

pytestmark = pytest.mark.anyio

OVER = Ended(reason="over")


def pong(number: int) -> str:
    return dump(Pong(id=number))


class Client:
    """Takes so many messages, and no more until it is told to go on."""

    def __init__(self, patience: int = 1000, **limits: float) -> None:
        self.got: list[str | bytes] = []
        self.slow: asyncio.Future[SlowClientError] = asyncio.get_running_loop().create_future()
        self._patience = patience
        make: Callable[..., Outbox] = Outbox
        self.outbox = make(self._send, self.slow.set_result, **{"progress_timeout": 5, **limits})
        if patience == 0:
            self.outbox.block()

    def _send(self, item: str | bytes) -> None:
        self.got.append(item)
        if len(self.got) == self._patience:
            self.outbox.block()

    def go_on(self, patience: int) -> None:
        self._patience = len(self.got) + patience
        self.outbox.unblock()


async def test_messages_overtake_audio_and_the_last_one_is_last() -> None:
    client = Client()
    outbox = client.outbox
    outbox.put_audio(b"one", 1)
    outbox.put_audio(b"two", 1)
    outbox.put(Pong(id=1))
    outbox.close(OVER)
    outbox.put(Pong(id=2))
    outbox.put_audio(b"late", 1)
    assert client.got == []
    outbox.open()
    assert client.got == [pong(1), b"one", b"two", dump(OVER)]
    assert outbox.emptied.is_set()


async def test_what_comes_is_sent_at_once() -> None:
    client = Client()
    client.outbox.open()
    client.outbox.put(Pong(id=1))
    assert client.got == [pong(1)]
    client.outbox.put_audio(b"one", 1)
    assert client.got[1:] == [b"one"]
    client.outbox.close(OVER)
    assert client.got[2:] == [dump(OVER)]


async def test_what_a_client_does_not_take_waits_and_keeps_its_order() -> None:
    client = Client(patience=1)
    outbox = client.outbox
    outbox.open()
    for number in (1, 2, 3):
        outbox.put_audio(b"%d" % number, 1)
    outbox.put(Pong(id=1))
    assert client.got == [b"1"]
    assert len(outbox) == 3
    client.go_on(2)
    assert client.got == [b"1", pong(1), b"2"]
    outbox.put_audio(b"4", 1)
    client.go_on(100)
    outbox.put_audio(b"5", 1)
    assert client.got[3:] == [b"3", b"4", b"5"]


async def test_dropped_audio_is_not_sent() -> None:
    client = Client()
    for generation in (1, 2, 3):
        client.outbox.put_audio(b"%d" % generation, generation)
    client.outbox.drop_audio(2)
    client.outbox.open()
    assert client.got == [b"3"]


async def test_a_meter_is_left_out_where_the_client_is_behind() -> None:
    client = Client()
    meter = Meter(at_s=1.0, speech=0.5, echo_ratio=0.0, end_of_turn=None, silence_s=None)
    client.outbox.put(meter)
    for number in range(8):
        client.outbox.put(Pong(id=number))
    client.outbox.put(meter)
    client.outbox.open()
    assert client.got == [dump(meter), *(pong(number) for number in range(8))]
    client.outbox.put(meter)
    assert client.got[-1] == dump(meter)


async def test_too_much_audio_is_a_slow_client() -> None:
    client = Client(max_frames=2)
    for _ in range(3):
        client.outbox.put_audio(b"frame", 1)
    assert "2 frames of audio are waiting" in str(client.slow.result())
    assert len(client.outbox) == 2
    client.outbox.put(Pong(id=1))
    assert len(client.outbox) == 2


async def test_too_many_messages_are_a_slow_client() -> None:
    client = Client(max_messages=2)
    for number in range(3):
        client.outbox.put(Pong(id=number))
    assert "2 messages are waiting" in str(client.slow.result())
    assert len(client.outbox) == 2


async def test_a_slow_client_that_wakes_up_is_told_the_end() -> None:
    client = Client(patience=1, max_messages=1)
    client.outbox.open()
    for number in range(3):
        client.outbox.put(Pong(id=number))
    client.outbox.close(OVER)
    assert client.slow.done()
    assert not client.outbox.emptied.is_set()
    client.go_on(100)
    assert client.got == [pong(0), pong(1), dump(OVER)]
    assert client.outbox.emptied.is_set()


async def test_no_progress_is_a_slow_client() -> None:
    client = Client(patience=1, progress_timeout=0.01)
    client.outbox.open()
    client.outbox.put(Pong(id=1))
    client.outbox.put(Pong(id=2))
    assert "read nothing for 0.01 s" in str(await client.slow)
    assert client.got == [pong(1)]


async def test_a_client_stuck_at_the_very_end_is_slow_too() -> None:
    client = Client(patience=0, progress_timeout=0.01)
    client.outbox.open()
    client.outbox.close(OVER)
    await client.slow
    assert not client.outbox.emptied.is_set()


async def test_silence_is_not_a_lack_of_progress() -> None:
    client = Client(patience=1, progress_timeout=0.001)
    client.outbox.open()
    client.outbox.put(Pong(id=1))
    client.go_on(100)
    await asyncio.wait([client.slow], timeout=0.01)
    assert not client.slow.done()
    client.outbox.close(OVER)
    assert client.got == [pong(1), dump(OVER)]


async def test_for_a_client_that_is_gone_nothing_waits() -> None:
    client = Client(patience=0, progress_timeout=0.001)
    outbox = client.outbox
    outbox.open()
    outbox.put(Pong(id=1))
    outbox.put_audio(b"one", 1)
    outbox.discard()
    outbox.put(Pong(id=2))
    outbox.close(OVER)
    assert len(outbox) == 0
    assert outbox.emptied.is_set()
    await asyncio.wait([client.slow], timeout=0.01)
    assert not client.slow.done()
    assert client.got == []
