"""An agent's answer is read with deadlines on its progress and within bounds."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from duologue.agent import EndCall, FunctionCall, Progress
from duologue.agent.reader import AnswerLimits, AnswerReader
from duologue.agent.reasoning import Shown
from duologue.errors import AgentError, DeadlineError
from duologue.testing.virtual_time import run_in_virtual_time

pytestmark = pytest.mark.anyio

SHORT = AnswerLimits(first_text_timeout=0.05, stall_timeout=0.05, text_timeout=5.0)


async def read(pieces: AsyncIterator[Any], limits: AnswerLimits = SHORT) -> tuple[str, str | None]:
    """The text, and why the call is to end."""
    reader, text = AnswerReader(pieces, limits), ""
    while isinstance(shown := await reader.next(), Shown):
        text = ("" if shown.forget else text) + shown.text
    return text, shown.reason if isinstance(shown, EndCall) else None


async def test_a_function_call_is_handed_on_in_its_place() -> None:
    call = FunctionCall("look", '{"at": 1}', "call_1")
    reader = AnswerReader(of("One. ", call, "Two."), SHORT)
    shown = [await reader.next() for _ in range(4)]
    assert [item.text if isinstance(item, Shown) else item for item in shown] == ["One. ", call, "Two.", None]


async def of(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("pieces", "text", "reason"),
    [
        (["Hello", " ", "there."], "Hello there.", None),
        (["", Progress(), "Hello.", ""], "Hello.", None),
        (["Bye.", EndCall("done"), "more"], "Bye.", "done"),
        ([EndCall()], "", "agent_done"),
        ([], "", None),
        (["<think>plan</thi", "nk>Hello <thi"], "Hello <thi", None),
        (["plan. ", "</think>", "Hello."], "Hello.", None),
        (["Hi \ud83d", "\ude00 there \ud83d"], "Hi 😀 there �", None),
        (["Hi \x00there.\x07"], "Hi there.", None),
    ],
)
async def test_an_answer_is_read(pieces: list[Any], text: str, reason: str | None) -> None:
    assert await read(of(*pieces)) == (text, reason)


def test_progress_restarts_the_deadline() -> None:
    async def agent() -> AsyncIterator[str]:
        for _ in range(10):
            await asyncio.sleep(0.02)
            yield Progress()
        yield "Done."
        for _ in range(10):
            await asyncio.sleep(0.02)
            yield Progress()
        yield " Really."

    assert run_in_virtual_time(read(agent())) == ("Done. Really.", None)


def test_reasoning_is_progress() -> None:
    async def agent() -> AsyncIterator[str]:
        yield "<think>"
        for _ in range(10):
            await asyncio.sleep(0.02)
            yield "plan "
        yield "</think>Done."

    assert run_in_virtual_time(read(agent())) == ("Done.", None)


@pytest.mark.parametrize("blank", ["", " ", "\n", "...", "🙂", "</think>"])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("pause", [0.01, 0.0, None])
async def test_what_holds_no_word_is_no_progress(blank: str, begun: bool, pause: float | None) -> None:
    async def agent() -> AsyncIterator[str]:
        if begun:
            yield "Sure."
        while True:
            yield blank
            if pause is not None:
                await asyncio.sleep(pause)

    with pytest.raises(DeadlineError, match="go on" if begun else "begin") as caught:
        await read(agent())
    assert "Progress()" in caught.value.next_step


@pytest.mark.parametrize("piece", ["", "\n", Progress(), "a"])
async def test_an_agent_that_never_waits_leaves_the_loop_to_others(piece: str) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def agent() -> AsyncIterator[str]:
        while True:
            yield piece

    other = asyncio.create_task(others())
    with pytest.raises((DeadlineError, AgentError)):
        await read(agent(), AnswerLimits(0.1, 0.1, 0.1))
    other.cancel()
    assert turns >= 5


async def test_work_without_a_word_is_bounded_whatever_progress_there_is() -> None:
    async def agent() -> AsyncIterator[str]:
        yield "Let me see."
        while True:
            await asyncio.sleep(0.01)
            yield Progress()

    with pytest.raises(DeadlineError, match=r"at work for 0.1 s without a word") as caught:
        await read(agent(), AnswerLimits(text_timeout=0.1))
    assert "text_timeout" in caught.value.next_step


async def test_only_the_time_counts_in_which_the_agent_is_waited_for() -> None:
    async def agent() -> AsyncIterator[str]:
        for word in ("One.", "Two.", "Three."):
            yield word
            await asyncio.sleep(0.01)

    reader, words = AnswerReader(agent(), SHORT), []
    while isinstance(shown := await reader.next(), Shown):
        words.append(shown.text)
        await asyncio.sleep(0.1)  # it is being spoken
    assert words == ["One.", "Two.", "Three."]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (["x" * 101], "yielded 101 characters at once; the limit is 100"),
        (["x" * 90] * 4, "longer than 300 characters"),
        ([" " * 90] * 4 + ["x" * 90] * 4, "longer than 300 characters"),
        ([b"bytes"], "yielded bytes; expected str, EndCall, Progress or FunctionCall"),
        ([FunctionCall("f", "x" * 101)], "yielded a FunctionCall of 102 characters; the limit is 100"),
        ([FunctionCall("f", {})], "whose parts are not all str"),  # type: ignore[arg-type]  # an agent's mistake
        ([None], "yielded NoneType"),
        ([5], "yielded int"),
    ],
)
async def test_what_an_agent_must_not_yield(pieces: list[Any], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        await read(of(*pieces), AnswerLimits(max_piece_chars=100, max_answer_chars=300))


async def test_reasoning_does_not_count_as_answer() -> None:
    pieces = ["<think>", *["plan " * 20] * 50, "</think>Done."]
    assert await read(of(*pieces), AnswerLimits(max_piece_chars=100, max_answer_chars=300)) == ("Done.", None)
