"""Connections of recognizers in virtual time: the limit holds, streams wait their turn, and some are kept ready."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from duologue.errors import ConfigError, DeadlineError
from duologue.services import validated
from duologue.stt.service import SocketSettings
from duologue.stt.websocket import StreamPool
from duologue.testing.virtual_time import run_in_virtual_time


class Connection:
    """A connection that takes a while to close, as one with a closing handshake does."""

    def __init__(self, service: Service, url: str) -> None:
        self.url = url
        self.is_open = True
        self.on_close: Callable[[], object] | None = None
        self._service = service
        service.open += 1
        service.most = max(service.most, service.open)

    async def aclose(self) -> None:
        if self.is_open:
            self.is_open = False
            await asyncio.sleep(0.1)
            self._service.open -= 1
        told, self.on_close = self.on_close, None
        if told is not None:
            told()


class Service:
    """Dials, and counts what is open."""

    def __init__(self) -> None:
        self.open = self.most = self.dialed = 0

    async def dial(self, url: str) -> Any:
        self.dialed += 1
        await asyncio.sleep(0.2)
        return Connection(self, url)

    def pool(self, **options: Any) -> StreamPool:
        return StreamPool("service", validated(SocketSettings, "service", options), self.dial)


def test_the_limit_holds_under_two_hundred_sessions_in_three_languages() -> None:
    async def main() -> None:
        service, chance = Service(), random.Random(3)
        pool = service.pool(max_connections=20, warm_connections=4, connect_timeout=60.0)
        await pool.warm("wss://service/en")
        heard = []

        async def session(number: int) -> None:
            await asyncio.sleep(4 * chance.random())
            url = f"wss://service/{('en', 'de', 'fr')[number % 3]}"
            connection = await pool.connect(url)
            assert connection.url == url  # type: ignore[attr-defined]  # it is ours
            await asyncio.sleep(chance.random())
            await connection.aclose()
            heard.append(number)

        await asyncio.gather(*(session(number) for number in range(200)))
        assert len(heard) == 200
        assert service.most == 20
        await asyncio.sleep(5.0)
        await pool.aclose()
        assert service.open == 0

    run_in_virtual_time(main())


def test_a_call_finds_a_connection_that_is_ready() -> None:
    async def main() -> None:
        service = Service()
        pool = service.pool(warm_connections=1)
        await pool.warm("a")
        began = asyncio.get_running_loop().time()
        connection = await pool.connect("a")
        assert asyncio.get_running_loop().time() == began
        await asyncio.sleep(1.0)
        assert (service.open, service.dialed) == (2, 2)  # another one is ready for the next call
        await connection.aclose()
        await pool.aclose()
        assert service.open == 0

    run_in_virtual_time(main())


def test_nothing_is_dialed_ahead_unless_it_is_asked_for() -> None:
    async def main() -> None:
        service = Service()
        pool = service.pool()
        await pool.warm("a")
        assert service.dialed == 0
        connection = await pool.connect("a")
        await connection.aclose()
        await asyncio.sleep(1.0)
        assert (service.open, service.dialed) == (0, 1)
        await pool.aclose()

    run_in_virtual_time(main())


def test_who_leaves_while_it_is_dialed_leaves_nothing() -> None:
    async def main() -> None:
        service = Service()
        pool = service.pool(connect_timeout=0.1)
        with pytest.raises(DeadlineError):
            await pool.connect("a")
        await asyncio.sleep(1.0)
        assert service.open == 0
        task = asyncio.create_task(pool.connect("a"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1.0)
        assert service.open == 0
        await pool.aclose()

    run_in_virtual_time(main())


def test_pools_of_addresses_that_are_not_used_are_forgotten() -> None:
    async def main() -> None:
        service = Service()
        pool = service.pool()
        for number in range(50):
            await (await pool.connect(f"wss://service/{number}")).aclose()
        assert len(pool._pools) <= 16
        await pool.aclose()
        assert service.open == 0

    run_in_virtual_time(main())


def test_more_cannot_be_kept_ready_than_there_may_be() -> None:
    with pytest.raises(ConfigError, match="warm_connections must not exceed max_connections"):
        Service().pool(max_connections=2, warm_connections=3)
