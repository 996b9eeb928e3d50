"""A store in Redis, for the processes of several machines."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from duologue.errors import ConfigError, DeadlineError, NotInstalledError, ProviderUnavailableError

try:
    import redis.asyncio as redis
    from redis.exceptions import RedisError
    from redis.exceptions import TimeoutError as RedisTimeout
except ImportError:
    raise NotInstalledError(
        "The package redis is not installed.", hint="Run `pip install 'duologue[redis]'`."
    ) from None

__all__ = ["RedisStore"]

OPERATION_TIMEOUT: Final = 2.0
"""Seconds for one operation, connecting included."""

MAX_CONNECTIONS: Final = 32
"""Operations at once; more wait for `OPERATION_TIMEOUT` at most."""

T = TypeVar("T")


class RedisStore:
    """Keeps values under `prefix` in the Redis at `url`, such as `redis://host:6379/0` or `rediss://...`.

    Redis itself bounds what is kept: each value has a time to live. Raises ConfigError for a URL that is none.
    """

    def __init__(self, url: str, *, prefix: str = "duologue:", timeout: float = OPERATION_TIMEOUT) -> None:
        self._prefix = prefix
        try:
            # One that blocks: where many clients come back at once, their operations wait for each other.
            pool = redis.BlockingConnectionPool.from_url(
                url,
                timeout=timeout,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                max_connections=MAX_CONNECTIONS,
                health_check_interval=30,
            )
            self._client: Any = redis.Redis.from_pool(pool)
        except ValueError:
            # The address may hold a password, and is not repeated.
            raise ConfigError(
                "The address of Redis cannot be used.", hint="It looks like redis://host:6379/0."
            ) from None

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a value."""
        await self._call(self._client.set(self._prefix + key, value, px=max(1, round(ttl * 1000))))

    async def take(self, key: str) -> bytes | None:
        """Remove and return a value."""
        return await self._call(self._client.getdel(self._prefix + key))

    async def has(self, key: str) -> bool:
        """Whether there is a value."""
        return bool(await self._call(self._client.exists(self._prefix + key)))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, operation: Awaitable[T]) -> T:
        try:
            return await operation
        except RedisTimeout:
            raise DeadlineError("Redis did not answer in time.", provider="redis") from None
        except (RedisError, OSError) as error:
            raise ProviderUnavailableError(
                f"Redis cannot be used: {type(error).__name__}.", provider="redis", hint="Check that it runs."
            ) from None
