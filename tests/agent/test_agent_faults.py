"""Which exceptions are an application's own, and what of them is logged."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from duologue.agent.faults import FaultLog, is_fault, origin
from duologue.errors import AgentError, ProviderUnavailableError

Faulty = Callable[[], Coroutine[Any, Any, None]]


async def exits() -> None:
    sys.exit(2)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def closes() -> None:
    raise GeneratorExit


async def cancels() -> None:
    raise asyncio.CancelledError


async def recurses() -> None:
    await recurses()


async def raises() -> None:
    raise BaseException("secret")


async def caught_from(faulty: Faulty) -> tuple[BaseException, bool]:
    try:
        await faulty()
    except BaseException as error:
        return error, is_fault(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("faulty", [exits, interrupts, closes, cancels, recurses, raises])
def test_what_code_raises_is_its_fault(faulty: Faulty) -> None:
    error, fault = asyncio.run(caught_from(faulty))
    assert fault
    assert f" in {faulty.__name__}" in origin(error)
    assert "secret" not in origin(error)


async def sleeps() -> None:
    await asyncio.sleep(3600)


def test_the_cancellation_of_the_task_is_no_fault() -> None:
    async def main() -> bool:
        task = asyncio.create_task(caught_from(sleeps))
        await asyncio.sleep(0)
        task.cancel()
        return (await task)[1]

    assert asyncio.run(main()) is False


def test_the_closing_of_what_waits_is_no_fault() -> None:
    seen: list[bool] = []

    async def waits() -> AsyncIterator[None]:
        try:
            yield
        except GeneratorExit as error:
            seen.append(is_fault(error))
            raise

    async def main() -> None:
        pieces = waits()
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator

    asyncio.run(main())
    assert seen == [False]


@pytest.fixture
def handler() -> Iterator[Callable[[int, Any], None]]:
    """Sets the handler of a signal, and sets it back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield signal.signal  # type: ignore[misc]  # as it is
    for number, previous in before.items():
        signal.signal(number, previous)


async def killed_by(number: int) -> bool:
    """Whether a signal that comes while the code computes is its fault."""

    async def computes() -> None:
        os.kill(os.getpid(), number)
        for _ in range(10_000_000):
            pass

    return (await caught_from(computes))[1]


def run_plainly(main: Coroutine[Any, Any, bool]) -> bool:
    """Without asyncio's Runner, which sets a handler of its own."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def test_control_c_is_no_fault(handler: Callable[[int, Any], None]) -> None:
    handler(signal.SIGINT, signal.default_int_handler)
    assert run_plainly(killed_by(signal.SIGINT)) is False


def test_an_interrupt_that_code_raises_is_its_fault_whoever_handles_the_signal(
    handler: Callable[[int, Any], None],
) -> None:
    handler(signal.SIGINT, signal.default_int_handler)

    async def main() -> bool:
        return (await caught_from(interrupts))[1]

    assert run_plainly(main()) is True


def test_what_a_handler_of_signals_raises_is_no_fault(handler: Callable[[int, Any], None]) -> None:
    handler(signal.SIGTERM, lambda *_: sys.exit(0))
    assert run_plainly(killed_by(signal.SIGTERM)) is False


def test_a_second_control_c_is_no_fault(handler: Callable[[int, Any], None]) -> None:
    seen: list[bool] = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)  # the first cancels the task, the second interrupts it
        seen.append(await killed_by(signal.SIGINT))

    handler(signal.SIGINT, signal.default_int_handler)
    with asyncio.Runner() as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())
    assert seen == [False]


def test_a_failure_leaves_a_line_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    error, _ = asyncio.run(caught_from(raises))
    failure = AgentError("The agent failed: BaseException.")
    failure.__cause__ = error
    with caplog.at_level(logging.WARNING):
        FaultLog(logging.getLogger("duologue.test")).write("Session 1, turn 2", failure)
    (line,) = caplog.messages
    assert line.startswith("Session 1, turn 2: agent_error: The agent failed: BaseException. (")
    assert f"{__file__}:" in line
    assert "in raises)" in line
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_words_of_an_error_that_the_application_raised_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        raise ProviderUnavailableError("The caller said secret.")
    with caplog.at_level(logging.WARNING):
        FaultLog(logging.getLogger("duologue.test")).write("Session 1, turn 2", caught.value)
    assert "provider_unavailable: ProviderUnavailableError was raised." in caplog.text
    assert "secret" not in caplog.text


def test_the_log_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog(logging.getLogger("duologue.test"))
    with caplog.at_level(logging.WARNING):
        for _ in range(100_000):
            log.write("Session 1, turn 2", AgentError("It failed."))
    assert 100 <= len(caplog.messages) < 1000
    log._lines = 1.0
    with caplog.at_level(logging.WARNING):
        log.write("Session 1, turn 3", AgentError("It failed."))
    assert "failures before this one were not logged]" in caplog.messages[-1]
