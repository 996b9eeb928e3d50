"""The application's functions run beside the event loop, a few at a time, with a deadline."""

import asyncio
import contextvars
import logging
import threading

import pytest

from duologue.errors import DeadlineError, OverloadedError
from duologue.server.application_code import ApplicationCode

pytestmark = pytest.mark.anyio


async def test_results_and_errors_come_back() -> None:
    code = ApplicationCode()

    def fails() -> None:
        raise ValueError("no")

    async def later(n: int) -> int:
        return n

    assert await code.call(lambda a, b: a + b, 1, 2, what="sum") == 3
    assert await code.call(later, 4, what="later") == 4
    with pytest.raises(ValueError, match="no"):
        await code.call(fails, what="fails")
    with pytest.raises(RuntimeError, match="SystemExit"):
        await code.call(lambda: exec("raise SystemExit(2)"), what="exits")
    code.close()


async def test_threads_are_used_again_and_see_the_context() -> None:
    code = ApplicationCode()
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    names = [await code.call(lambda: (threading.current_thread().name, variable.get()), what="name") for _ in range(5)]
    assert {value for _, value in names} == {7}
    assert len({name for name, _ in names}) == 1
    code.close()


async def test_one_that_blocks_is_shown_and_given_up_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    code = ApplicationCode(max_threads=2, timeout=0.2, warn_after=0.05)

    def blocks_for_ever() -> str:
        release.wait()
        return "late"

    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(DeadlineError, match=r"The factory f\(\) took longer than 0.2"),
    ):
        await code.call(blocks_for_ever, what="The factory f()")
    assert "The factory f() has not returned after 0.05 s. It is here:" in caplog.text
    assert "in blocks_for_ever\n    release.wait()" in caplog.text
    assert code.stuck == 1
    assert await code.call(lambda: "other", what="other") == "other"

    with pytest.raises(DeadlineError):
        await code.call(blocks_for_ever, what="The factory f()")
    with pytest.raises(OverloadedError, match="2 functions of the application have not returned"):
        await code.call(lambda: "other", what="other")

    release.set()
    async with asyncio.timeout(10):
        while code.stuck:
            await asyncio.sleep(0)
    assert await code.call(lambda: "again", what="again") == "again"
    code.close()


async def test_a_coroutine_has_the_same_deadline() -> None:
    code = ApplicationCode(timeout=0.05)

    async def hangs() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlineError, match=r"hangs\(\) took longer than 0.05 s"):
        await code.call(hangs, what="hangs()")


async def test_many_at_once_share_the_threads() -> None:
    code = ApplicationCode(max_threads=3)
    seen = await asyncio.gather(*(code.call(threading.get_ident, what="id") for _ in range(50)))
    assert 1 <= len(set(seen)) <= 3
    code.close()
