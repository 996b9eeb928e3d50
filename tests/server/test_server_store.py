"""Stores keep a value until it is taken, once, or its time is up: in memory, in files, and in a real Redis."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from duologue.errors import ConfigError, DuologueError, OverloadedError, ProviderUnavailableError
from duologue.server.store import StateStore
from duologue.server.store.choose import open_store
from duologue.server.store.files import FileStore
from duologue.server.store.memory import MemoryStore
from duologue.server.store.redis import RedisStore

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "socket"
    command = [shutil.which("redis-server") or "redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""]
    process = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    yield f"unix://{path}"
    process.terminate()
    process.wait(20)


@pytest.fixture(params=["memory", "files", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateStore]:
    url = str(request.getfixturevalue("redis_url")) if request.param == "redis" else ""
    opened = open_store({"memory": None, "files": str(tmp_path), "redis": url}[request.param])
    yield opened
    await opened.aclose()


async def test_a_value_is_kept_and_taken_once(store: StateStore) -> None:
    await store.put("key", b"one", 60.0)
    await store.put("key", b"\x00two", 60.0)
    assert await store.has("key")
    takers = await asyncio.gather(*(store.take("key") for _ in range(20)))
    assert [value for value in takers if value is not None] == [b"\x00two"]
    assert not await store.has("key")
    assert await store.take("unknown") is None


async def test_many_operations_at_once_wait_for_each_other(store: StateStore) -> None:
    keys = [f"many-{number}" for number in range(200)]
    await asyncio.gather(*(store.put(key, key.encode(), 60.0) for key in keys))
    assert await asyncio.gather(*(store.take(key) for key in keys)) == [key.encode() for key in keys]


async def test_a_value_goes_when_its_time_is_up(store: StateStore) -> None:
    await store.put("short", b"value", 0.001)
    async with asyncio.timeout(30):
        while await store.has("short"):
            await asyncio.sleep(0.001)
    assert await store.take("short") is None


async def test_memory_is_bounded() -> None:
    now = [0.0]
    store = MemoryStore(max_entries=2, max_bytes=10, clock=lambda: now[0])
    await store.put("a", b"12345", 1.0)
    await store.put("b", b"12345", 5.0)
    for value in (b"", b"1"):
        with pytest.raises(OverloadedError):
            await store.put("c", value, 5.0)
    now[0] = 2.0
    await store.put("c", b"12345", 5.0)
    assert (len(store), await store.take("b"), await store.take("c")) == (2, b"12345", b"12345")


async def test_files_are_bounded_and_swept(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "new", max_entries=2)
    await store.put("a", b"1", 0.0)
    await store.put("b", b"1", 60.0)
    await store.put("c", b"1", 60.0)
    with pytest.raises(OverloadedError):
        await store.put("d", b"1", 60.0)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderUnavailableError):
        FileStore(tmp_path / "file" / "below")


async def test_files_that_others_left_are_swept(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.put("key", b"value", 60.0)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"\0" * 3)  # the machine lost its power before the file was on the disk
    assert (await store.has("key"), await store.take("key")) == (False, None)
    (tmp_path / "short.entry").write_bytes(b"")
    old = tmp_path / "old.1-1"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    gone = tmp_path / "gone.1-1"
    gone.symlink_to(tmp_path / "nowhere")  # looks like a file that another process has just renamed
    other = FileStore(tmp_path)
    await other.put("key", b"value", 60.0)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".1-1", ".entry"]
    assert await other.take("key") == b"value"


async def test_a_full_disk_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ProviderUnavailableError, match="No space left"):
        await store.put("key", b"value", 60.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", ["http://host", " ", "redis://[broken"])
def test_what_is_no_store_is_refused(source: str) -> None:
    with pytest.raises(ConfigError):
        open_store(source)


async def test_a_redis_that_is_not_there_is_an_error_that_tells_no_password(unused_port: int) -> None:
    store = RedisStore(f"redis://:hunter2@127.0.0.1:{unused_port}/0", timeout=5.0)
    with pytest.raises(DuologueError) as failed:
        await store.take("key")
    assert failed.value.retryable
    assert "hunter2" not in str(failed.value)
    await store.aclose()
