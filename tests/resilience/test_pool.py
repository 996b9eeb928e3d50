"""Pools in virtual time: parallel dialing, fair waiting, checks before a lease, age, and the limits that must hold."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from duologue.errors import ConfigError, DeadlineError, ProviderUnavailableError
from duologue.resilience import ConnectionLimit, ProviderPool
from duologue.testing.virtual_time import run_in_virtual_time


class Socket:
    def __init__(self) -> None:
        self.is_alive = True
        self.is_closed = False
        self.died_at: float | None = None
        self.users = 0

    async def aclose(self) -> None:
        self.is_closed = True


class Provider:
    """Dials sockets with a handshake, and counts what is open."""

    def __init__(self, handshake: float = 0.5, kind: type[Socket] = Socket) -> None:
        self.kind = kind
        self.sockets: list[Socket] = []
        self.handshake = handshake
        self.dialing = self.most_dialing = 0
        self.failures: list[Exception] = []

    async def dial(self) -> Socket:
        self.dialing += 1
        self.most_dialing = max(self.most_dialing, self.dialing)
        try:
            await asyncio.sleep(self.handshake)
            if self.failures:
                raise self.failures.pop()
        finally:
            self.dialing -= 1
        self.sockets.append(self.kind())
        return self.sockets[-1]

    @property
    def open(self) -> int:
        return sum(not socket.is_closed for socket in self.sockets)

    def pool(self, **options: Any) -> ProviderPool[Socket]:
        return ProviderPool(self.dial, **{"is_alive": lambda s: s.is_alive, **options})


def now() -> float:
    return asyncio.get_running_loop().time()


async def use(pool: ProviderPool[Socket], seconds: float) -> float:
    async with pool.lease() as socket:
        assert socket.is_alive
        assert not socket.is_closed
        socket.users += 1
        assert socket.users == 1
        began = now()
        await asyncio.sleep(seconds)
        socket.users -= 1
    return began


def test_eight_leases_are_dialed_at_the_same_time() -> None:
    async def main() -> None:
        provider = Provider(0.5)
        pool = provider.pool(size=8)
        began = await asyncio.gather(*(use(pool, 1.0) for _ in range(8)))
        assert max(began) < 0.7
        await pool.aclose()
        assert provider.open == 0

    run_in_virtual_time(main())


def test_limits_hold_under_two_hundred_sessions_with_sockets_that_die() -> None:
    async def main() -> None:
        provider, chance = Provider(0.2), random.Random(1)
        pool = provider.pool(size=10, max_dials=3, lease_timeout=60.0)

        async def session() -> None:
            for _ in range(5):
                await asyncio.sleep(chance.random())
                try:
                    async with pool.lease() as socket:
                        assert socket.died_at in (None, now())  # not before it was leased
                        assert pool.total <= 10
                        assert provider.open <= 10
                        await asyncio.sleep(chance.random() / 5)
                        if chance.random() < 0.1:
                            raise ConnectionResetError
                except ConnectionResetError:
                    pass
                for other in provider.sockets:
                    if other.is_alive and chance.random() < 0.01:
                        other.is_alive, other.died_at = False, now()

        await asyncio.gather(*(session() for _ in range(200)))
        assert provider.most_dialing <= 3
        assert pool.counters.leased == 1000
        assert pool.leased == 0
        await pool.aclose()
        assert provider.open == 0

    run_in_virtual_time(main())


def test_a_dead_socket_is_never_leased() -> None:
    async def main() -> None:
        provider = Provider(0.1)
        pool = provider.pool()
        await asyncio.gather(*(use(pool, 0.1) for _ in range(3)))
        for socket in provider.sockets[:3]:
            socket.is_alive = False
        await use(pool, 0.1)
        assert pool.counters.dead >= 1
        assert len(provider.sockets) == 4

    run_in_virtual_time(main())


def test_a_check_that_hangs_means_dead() -> None:
    async def main() -> None:
        provider = Provider(0.1)
        hangs: Callable[[Socket], Any] = lambda _: asyncio.get_running_loop().create_future()  # noqa: E731
        pool = provider.pool(is_alive=hangs, check_timeout=0.2)
        await use(pool, 0.0)
        began = now()
        await use(pool, 0.0)
        assert now() - began == pytest.approx(0.3)  # the check, then a dial

    run_in_virtual_time(main())


def test_users_are_served_in_the_order_of_their_coming_and_leave_after_their_time() -> None:
    async def main() -> None:
        provider, order = Provider(0.1), list[int]()
        pool = provider.pool(size=1, lease_timeout=2.5)

        async def user(number: int) -> None:
            async with pool.lease():
                order.append(number)
                await asyncio.sleep(1.0)

        tasks = [asyncio.create_task(user(i)) for i in range(4)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 2, 3]
        assert isinstance(done[1], asyncio.CancelledError)
        with pytest.raises(DeadlineError, match="in use"):
            async with pool.lease():
                await pool.acquire(0.5)
        assert pool.waiting == 0

    run_in_virtual_time(main())


def test_idle_sockets_grow_old_and_a_few_are_kept_ready() -> None:
    async def main() -> None:
        provider = Provider(0.1)
        pool = provider.pool(min_idle=2, idle_ttl=10.0)
        await pool.warm()
        assert pool.idle == 2
        await asyncio.gather(*(use(pool, 0.1) for _ in range(6)))
        assert provider.open == 6
        await asyncio.sleep(25.0)
        assert provider.open == pool.idle == 2
        assert pool.counters.expired >= 6
        await pool.aclose()
        with pytest.raises(ProviderUnavailableError, match="closed"):
            await pool.acquire()

    run_in_virtual_time(main())


def test_each_dial_that_fails_fails_one_user() -> None:
    async def main() -> None:
        provider = Provider(0.1)
        provider.failures = [ConnectionRefusedError()]
        pool = provider.pool(min_idle=1)
        done = await asyncio.gather(*(use(pool, 0.1) for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(error, BaseException) for error in done) == 1
        assert pool.counters.dial_failures == 1

    run_in_virtual_time(main())


class SlowToClose(Socket):
    async def aclose(self) -> None:
        await asyncio.sleep(0.3)
        self.is_closed = True


def test_a_connection_takes_its_place_until_it_is_closed() -> None:
    async def main() -> None:
        provider = Provider(0.1, SlowToClose)
        pool = provider.pool(size=1)
        lease = await pool.acquire()
        lease.release(is_broken=True)
        began = now()
        lease = await pool.acquire()
        assert now() - began == pytest.approx(0.4)  # the close, then a dial
        lease.connection.is_closed = True
        lease.release(is_closed=True)
        assert pool.closing == 0
        await pool.aclose()

    run_in_virtual_time(main())


def test_pools_with_one_limit_never_exceed_it_under_two_hundred_sessions() -> None:
    async def main() -> None:
        providers = [Provider(0.2, SlowToClose) for _ in range(3)]
        limit, chance = ConnectionLimit(10), random.Random(2)
        pools = [provider.pool(size=10, limit=limit, lease_timeout=600.0, idle_ttl=2.0) for provider in providers]
        most = 0

        async def session(pool: ProviderPool[Socket]) -> None:
            nonlocal most
            for _ in range(3):
                await asyncio.sleep(chance.random())
                async with pool.lease():
                    most = max(most, sum(provider.open for provider in providers))
                    await asyncio.sleep(chance.random() / 5)

        await asyncio.gather(*(session(pools[i % 3]) for i in range(200)))
        assert most == 10
        assert sum(pool.counters.leased for pool in pools) == 600
        for pool in pools:
            await pool.aclose()
        assert sum(provider.open for provider in providers) == 0

    run_in_virtual_time(main())


def test_an_idle_connection_makes_room_for_another_pool_and_who_waits_longest_is_first() -> None:
    async def main() -> None:
        first, second = Provider(0.1), Provider(0.1)
        limit = ConnectionLimit(1)
        kept = first.pool(min_idle=1, size=1, limit=limit)
        other = second.pool(size=1, limit=limit)
        await kept.warm()
        lease = await other.acquire()
        assert (first.open, second.open, kept.idle) == (0, 1, 0)
        waiting = [asyncio.create_task(pool.acquire()) for pool in (kept, other)]
        await asyncio.sleep(1.0)
        lease.release(is_broken=True)
        lease = await waiting[0]
        assert (first.open, second.open) == (1, 0)
        lease.release(is_broken=True)
        (await waiting[1]).release(is_broken=True)
        await asyncio.sleep(1.0)
        assert (first.open, second.open, kept.idle) == (1, 0, 1)  # kept ready again, now that nobody waits
        await kept.aclose()
        await other.aclose()

    run_in_virtual_time(main())


def test_what_nobody_waits_for_is_not_dialed_on() -> None:
    async def main() -> None:
        provider = Provider(1.0)
        pool = provider.pool()
        with pytest.raises(DeadlineError, match="could not be connected to"):
            await pool.acquire(0.5)
        assert provider.dialing == 1
        pool.trim()
        await asyncio.sleep(0.01)
        assert (provider.dialing, pool.total) == (0, 0)
        await use(pool, 0.0)
        pool.trim()
        await asyncio.sleep(0.01)
        assert provider.open == 0
        await pool.aclose()

    run_in_virtual_time(main())


@pytest.mark.parametrize("options", [{"size": 0}, {"max_dials": 0}, {"min_idle": 11}, {"idle_ttl": 0.0}])
def test_a_pool_refuses_limits_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Provider().pool(**options)
