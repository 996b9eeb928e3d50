"""Several processes at one port: what they share, and how they begin and end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_backend import DEADLINE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from duologue.errors import ConfigError
from duologue.server.letters import MAX_LETTER, read_letter, write_letter
from duologue.server.report import total
from duologue.server.supervisor import Supervisor, share

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).with_name("many_workers.py")


class Served:
    """The program, its port, and what can be asked of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.pids: set[int] = set()

    async def line(self, stream: asyncio.StreamReader | None) -> str:
        assert stream is not None
        return (await stream.readline()).decode().strip()

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}")

    async def ops(self, until: Callable[[Any], bool]) -> Any:
        """What `/ops` shows, once it shows this."""
        while True:
            shown = (await self.get("/ops")).json()
            self.pids |= {worker["pid"] for worker in shown["workers"]}
            if until(shown):
                return shown
            await asyncio.sleep(0.02)

    async def metrics(self, until: Callable[[str], bool]) -> str:
        """The page for Prometheus, once it shows this."""
        while not until(page := (await self.get("/metrics")).text):
            await asyncio.sleep(0.02)
        return page

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[ClientConnection]:
        async with connect(f"ws://127.0.0.1:{self.port}/v1/stream", proxy=None, close_timeout=1) as socket:
            with suppress(ConnectionClosed):  # One that is refused may be closed by now.
                await socket.send('{"type": "start", "version": 1}')
            yield socket

    async def all_gone(self) -> None:
        """Wait until no worker that was ever seen is there any more."""
        while any(Path(f"/proc/{pid}").exists() for pid in self.pids):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def program(fails: str = "nothing") -> AsyncIterator[Served]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, fails, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    served = Served(child)
    try:
        async with asyncio.timeout(6 * DEADLINE):
            yield served
    finally:
        if child.returncode is None:
            child.kill()
        for pid in served.pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        await child.communicate()


@asynccontextmanager
async def two_workers() -> AsyncIterator[Served]:
    async with program() as served:
        served.port = int(await served.line(served.process.stdout))
        await served.ops(lambda shown: shown["sum"]["ready"] == 2)
        yield served


async def started(socket: ClientConnection) -> bool:
    """Whether a session began; False where it was refused for want of room."""
    first = json.loads(await socket.recv())
    if first["type"] == "started":
        return True
    assert first["code"] == "overloaded"
    await socket.wait_closed()
    assert socket.close_code == 1013
    return False


async def test_a_worker_that_hangs_keeps_no_call_from_the_others_and_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SILENT", "6")
    async with two_workers() as served, AsyncExitStack() as calls:
        stopped = min(served.pids)
        os.kill(stopped, signal.SIGSTOP)
        for _ in range(2):  # As many as the other has room for.
            socket = await calls.enter_async_context(served.conversation())
            assert await started(socket)
        assert (await served.get("/live")).status_code == 200
        assert (await served.get("/ready")).status_code in (200, 503)
        whole = await served.ops(
            lambda shown: stopped not in {worker["pid"] for worker in shown["workers"]} and len(shown["workers"]) == 2
        )
        assert whole["sum"]["sessions"] == 2  # Those of the other go on.
        assert not Path(f"/proc/{stopped}").exists()
        served.process.send_signal(signal.SIGHUP)
        assert await served.process.wait() == 0
        await served.all_gone()


async def test_limits_are_divided_the_sum_is_shown_the_dead_are_replaced_and_all_end() -> None:
    async with two_workers() as served, AsyncExitStack() as calls:
        assert (await served.get("/ready")).json() == {"ready": True}

        sockets = [await calls.enter_async_context(served.conversation()) for _ in range(4)]
        for socket in sockets:
            assert await started(socket)
        full = await served.ops(lambda shown: shown["sum"]["sessions"] == 4)
        assert [worker["connections"] for worker in full["workers"]] == [2, 2]
        assert len({worker["pid"] for worker in full["workers"]}) == 2
        assert full["sum"]["ready"] == 0
        assert full["sum"]["ticks"] == 6
        assert full["sum"]["worst_tick_late_s"] == 0.25
        assert (await served.get("/ready")).status_code == 503
        async with served.conversation() as fifth:
            assert not await started(fifth)
        refused = await served.ops(lambda shown: shown["sum"]["refused"] == 1)
        sums = ('voice_session_refused_total{reason="connections"} 1\n', "voice_connection_active 4\n")
        await served.metrics(lambda page: all(line in page for line in sums))

        victim = next(worker["pid"] for worker in refused["workers"] if worker["refused"])
        os.kill(victim, signal.SIGKILL)
        told = await served.line(served.process.stderr)
        assert f"(process {victim}) was ended by signal 9; another takes its place in" in told
        again = await served.ops(lambda shown: len(shown["workers"]) == 2 and shown["sum"]["ready"] == 1)
        assert victim not in {worker["pid"] for worker in again["workers"]}
        assert again["sum"]["sessions"] == 2
        # What the dead worker counted stays counted; its gauges go.
        page = await served.metrics(lambda page: "voice_connection_active 2\n" in page)
        assert sums[0] in page
        # One of the two is full still; the other gets whoever comes.
        for _ in range(2):
            assert await started(await calls.enter_async_context(served.conversation()))

        served.process.send_signal(signal.SIGTERM)
        assert await served.process.wait() == 0
        goodbyes = 0
        for socket in sockets:
            await socket.wait_closed()
            goodbyes += socket.close_code == 1001
        assert goodbyes == 2
        await served.all_gone()


async def test_any_worker_shows_the_calls_of_all() -> None:
    async with two_workers() as served:
        shown = await served.ops(lambda shown: len(shown["calls"]) == 2)
        assert {call["id"] for call in shown["calls"]} == {"call-0", "call-1"}
        assert {call["pid"] for call in shown["calls"]} == served.pids
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:  # one connection: one worker answers

            async def ask(call: str) -> httpx.Response:
                while True:  # a busy machine may take longer than the other worker is waited for
                    answer = await client.get(f"http://127.0.0.1:{served.port}/ops/calls/{call}")
                    if answer.status_code != 503:
                        return answer

            pages = [(await ask(call)).json() for call in ("call-0", "call-1")]
            missing = await ask("nobody")
        assert {page["pid"] for page in pages} == served.pids
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        # A page that is too long for the way between the workers comes with its last turns.
        turns = sorted(([turn["turn"] for turn in page["turns_of_call"]] for page in pages), key=len)
        assert 5 < len(turns[0]) < len(turns[1]) == 50
        assert turns[0] == [*range(50 - len(turns[0]), 50)]


async def test_workers_end_with_a_supervisor_that_is_killed() -> None:
    async with two_workers() as served:
        assert len(served.pids) == 2
        served.process.kill()
        await served.process.wait()
        await served.all_gone()


async def test_what_keeps_all_workers_from_working_is_told_once_and_ends_it() -> None:
    async with program("building") as served:
        _, errors = await served.process.communicate()
        assert served.process.returncode == 1
        assert errors.decode() == "not_installed: The package 'voices' is not installed.\n"


async def test_workers_that_die_at_once_are_replaced_ever_more_slowly_and_given_up() -> None:
    async with program("everything") as served:
        _, errors = await served.process.communicate()
    *deaths, last = errors.decode().splitlines()
    delays = [death.split()[-2] for death in deaths if "Worker 0" in death]
    assert delays == ["0.25", "0.5"]
    assert all("ended with status 3; another takes its place in" in death for death in deaths)
    assert last == "error: The workers cannot work."
    assert served.process.returncode == 1


def test_workers_are_not_forked_beside_threads() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(ConfigError, match="A thread runs already"):
            Supervisor(lambda index, link: 0, 2, on_ready=lambda: None)
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(("whole", "parts"), [(100, 3), (4, 4), (7, 2), (1000, 64)])
def test_shares_add_up_and_are_even(whole: int, parts: int) -> None:
    shares = [share(whole, parts, index) for index in range(parts)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("count", [0, 1, 65])
def test_a_count_of_workers_that_makes_no_sense(count: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} workers"):
        Supervisor(lambda index, link: 0, count, on_ready=lambda: None)


def test_the_reports_of_as_many_workers_as_there_may_be_fit_a_letter() -> None:
    numbers = random.Random(1)
    reports = [{f"counter_of_this_name_{n}": numbers.random() * 1e6 for n in range(60)} for _ in range(64)]
    letter = write_letter(reports)
    assert len(letter) < MAX_LETTER
    assert read_letter(letter) == reports


def test_the_total_adds_counters_and_keeps_the_worst() -> None:
    assert total(
        [
            {"pid": 1, "ready": True, "up_s": 5.0, "sessions": 2, "worst_tick_late_s": 0.5},
            {"pid": 2, "ready": False, "up_s": 9.0, "sessions": 3, "worst_tick_late_s": 0.1, "ticks": 7},
        ]
    ) == {"ready": 1, "up_s": 9.0, "sessions": 5, "worst_tick_late_s": 0.5, "ticks": 7}
