"""What becomes of calls that can be resumed when the store of their states fails, fills up, or loses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest

from duologue.errors import ProviderUnavailableError
from duologue.server.resume import desk as desks
from duologue.server.resume.desk import ResumeDesk
from duologue.server.resume.state import SavedCall
from duologue.server.store.memory import MemoryStore
from duologue.session.checkpoint import CallCheckpoint
from duologue.wire.fields import VERSION
from duologue.wire.messages import Start
from serving import DEADLINE

pytestmark = pytest.mark.anyio


class SharedStore:
    """A store that two processes share, and that fails on demand."""

    def __init__(self) -> None:
        self.kept = MemoryStore()
        self.is_down = self.is_full = False
        self.puts = 0

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        self.puts += 1
        self._check()
        if self.is_full:
            raise ProviderUnavailableError("The disk is full.")
        await self.kept.put(key, value, ttl)

    async def take(self, key: str) -> bytes | None:
        self._check()
        return await self.kept.take(key)

    async def has(self, key: str) -> bool:
        self._check()
        await asyncio.sleep(0)
        return await self.kept.has(key)

    async def aclose(self) -> None:
        """Lose everything, as a Redis that restarts without a file."""
        await self.kept.aclose()

    def _check(self) -> None:
        if self.is_down:
            raise ProviderUnavailableError("It is down.")


class Call:
    """A call whose client is gone, unless it is not `parked`."""

    def __init__(self, *, parked: bool = True, state: Callable[[], Any] = lambda: {"turn": 3}) -> None:
        self.is_parked = parked
        self.saved = state
        self.is_taken = False

    def taken(self) -> None:
        self.is_taken = True


@asynccontextmanager
async def writing(desk: ResumeDesk) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.keep())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not is_so():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WRITE_EVERY", "WATCH_EVERY", "LOOK_EVERY"):
        monkeypatch.setattr(desks, name, 0.002)
    monkeypatch.setattr(desks, "RETRY_AFTER", 0.01)


async def test_calls_outlive_a_store_that_loses_their_states(caplog: pytest.LogCaptureFixture) -> None:
    store = SharedStore()
    desk, other = ResumeDesk(store), ResumeDesk(store)
    calls = [Call(parked=bool(number % 2)) for number in range(20)]
    tokens = [desk.issue(call) for call in calls]
    async with writing(desk):
        await until(lambda: len(store.kept) == 21)  # and the sign of the process
        await store.aclose()
        await until(lambda: len(store.kept) == 21)
        assert not any(call.is_taken for call in calls)
        assert caplog.text.count("The store has lost the states of calls") == 1
        # That a state was taken is known all the same.
        assert await other.claim(tokens[1]) is not None
        await until(lambda: calls[1].is_taken)
        assert [call for call in calls if call.is_taken] == [calls[1]]
        assert desk.given_up == 1
    assert len(store.kept) == 20, "19 calls, and one that is being taken over"


async def test_a_client_comes_back_to_a_call_whose_state_was_lost() -> None:
    store = SharedStore()
    desk = ResumeDesk(store)
    call = Call(parked=False)
    token = desk.issue(call)
    assert await desk.save(call)
    await store.aclose()
    assert await desk.claim(token) is call


async def test_a_client_comes_back_to_a_call_while_the_store_fails() -> None:
    class Failing(SharedStore):
        async def has(self, key: str) -> bool:
            raise ProviderUnavailableError("It is down.")

    desk = ResumeDesk(Failing())
    call = Call(parked=False)
    token = desk.issue(call)
    assert await desk.save(call)
    await desk._store.aclose()
    assert await desk.claim(token) is call


async def test_losses_are_noticed_once_although_many_calls_notice_them() -> None:
    store = SharedStore()
    desk = ResumeDesk(store)
    calls = [Call() for _ in range(8)]
    for call in calls:
        desk.issue(call)
        assert await desk.save(call)
    for _ in range(3):
        await store.aclose()
        await asyncio.gather(*(desk.save(call) for call in calls))
    assert not any(call.is_taken for call in calls)


@pytest.mark.parametrize("fault", [TypeError, RecursionError])
async def test_a_call_whose_state_cannot_be_told_harms_no_other(fault: type[Exception]) -> None:
    def fail() -> Any:
        raise fault

    desk = ResumeDesk(SharedStore())
    bad, good = Call(state=fail), Call()
    desk.issue(bad)
    token = desk.issue(good)
    async with writing(desk):
        await until(lambda: desk.writes_failed > 1)
        assert not await desk.save(bad)
        assert await desk.save(good)
    assert await ResumeDesk(desk._store).claim(token) == {"turn": 3, "places": [desks._key(token)]}


async def test_a_store_that_is_down_is_told_once_and_not_pestered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore()
    desk = ResumeDesk(store)
    for _ in range(10):
        desk.issue(Call())
    store.is_down = True
    async with writing(desk):
        await until(lambda: desk.writes_failed >= 30)
        monkeypatch.setattr(desks, "RETRY_AFTER", 60.0)
        await asyncio.sleep(0.01)
        before = store.puts
        await asyncio.sleep(0.02)
        assert store.puts == before
        monkeypatch.setattr(desks, "RETRY_AFTER", 0.0)
        store.is_down = False
        await until(lambda: len(store.kept) == 11)
    assert caplog.text.count("cannot be stored") == 1
    assert caplog.text.count("stored again") == 1


async def test_a_full_store_takes_no_call_from_whoever_takes_it_over() -> None:
    store = SharedStore()
    desk, other = ResumeDesk(store), ResumeDesk(store)
    call = Call()
    token = desk.issue(call)
    assert await desk.save(call)
    store.is_full = True
    found = await other.claim(token)
    assert isinstance(found, dict)
    assert found["turn"] == 3


async def test_the_sign_of_a_process_is_kept_up_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedStore()
    desk = ResumeDesk(store)
    call = Call(parked=False)
    desk.issue(call)
    async with writing(desk):
        await until(lambda: len(store.kept) == 2)
        monkeypatch.setattr(desks, "SIGN_EVERY", 0.005)
        before = store.puts
        await until(lambda: store.puts > before + 2)
        assert len(store.kept) == 2
        await desk.end(call)
        await until(lambda: len(store.kept) == 0)
        desk.issue(call)
        await until(lambda: len(store.kept) == 2)
    assert len(store.kept) == 1


async def test_claims_that_are_no_json_are_left_out() -> None:
    class Session:
        def checkpoint(self) -> CallCheckpoint:
            return CallCheckpoint()

    claims: Any = {"sub": "ada", "since": date(2026, 1, 1), "none": None, 7: "seven"}
    saved = SavedCall(Start(version=VERSION), "call-1", claims=claims)
    session: Any = Session()
    assert saved.as_json(session, 0)["claims"] == {"sub": "ada", "none": None}
