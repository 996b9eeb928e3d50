"""The store that an option names."""

from __future__ import annotations

from duologue.errors import ConfigError
from duologue.server.store import StateStore
from duologue.server.store.files import FileStore
from duologue.server.store.memory import MemoryStore

__all__ = ["open_store"]


def open_store(source: str | None) -> StateStore:
    """The store at `source`: None for this process's memory, `redis://...` for Redis, and a path for a folder.

    Raises ConfigError if it cannot be meant, and NotInstalledError if Redis is not installed.
    """
    if source is None:
        return MemoryStore()
    if source.startswith(("redis://", "rediss://", "unix://")):
        from duologue.server.store.redis import RedisStore

        return RedisStore(source)
    if "://" in source or not source.strip():
        raise ConfigError("There is no such kind of store.", hint="Give a folder, or redis://host:6379/0.")
    return FileStore(source)
