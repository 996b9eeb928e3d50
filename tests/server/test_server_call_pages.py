"""A worker asks the others for the page of a call: what it waits for, and for how long."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from duologue.errors import DeadlineError, OverloadedError
from duologue.server.call_pages import MAX_ASKED, TIMEOUT_S, CallPages
from duologue.server.letters import MAX_LETTER, read_letter, write_shortened
from duologue.testing.virtual_time import run_in_virtual_time


class Live:
    def row(self) -> dict[str, Any]:
        return {"id": "c1"}

    def page(self) -> dict[str, Any]:
        return {"id": "c1", "turns_of_call": []}


class Workers:
    """So many others, which answer in order or not at all."""

    def __init__(self, *answers: dict[str, Any] | None, silent: int = 0) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self.pages = CallPages({}, lambda: len(answers) + silent, self._send)

    def _send(self, packed: bytes) -> None:
        ask = read_letter(packed)["ask"]
        self.asked.append(ask["call"])
        for page in self._answers:
            self.pages.take({"number": ask["number"], "page": page})

    def find(self, call: str = "c1") -> Any:
        return run_in_virtual_time(self.pages.find(call))


def test_the_first_page_is_taken_and_all_must_say_that_there_is_none() -> None:
    assert Workers(None, {"id": "c1"}, None).find() == {"id": "c1"}
    assert Workers(None, None).find() is None
    assert Workers({"id": "c1"}, silent=1).find() == {"id": "c1"}


def test_nobody_is_asked_for_what_cannot_be() -> None:
    workers = Workers(None)
    assert workers.find("c" * 1000) is None
    assert workers.asked == []


def test_workers_that_are_not_heard_from_may_hold_the_call() -> None:
    with pytest.raises(DeadlineError):
        Workers().find()


def test_a_worker_that_does_not_answer_is_waited_for_no_longer_than_a_second() -> None:
    async def find() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineError):
            await Workers(None, silent=1).pages.find("c1")
        return asyncio.get_running_loop().time() - began

    assert run_in_virtual_time(find()) == pytest.approx(TIMEOUT_S)


def test_so_many_pages_are_waited_for_at_once() -> None:
    async def find() -> None:
        workers = Workers(silent=1)
        waiting = [asyncio.create_task(workers.pages.find("c1")) for _ in range(MAX_ASKED)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await workers.pages.find("c1")
        await asyncio.wait(waiting)
        assert all(isinstance(task.exception(), DeadlineError) for task in waiting)
        with pytest.raises(DeadlineError):  # there is room again
            await workers.pages.find("c1")

    run_in_virtual_time(find())


def test_a_worker_answers_whether_it_holds_the_call_or_not() -> None:
    sent: list[Any] = []
    pages = CallPages({"c1": Live()}, lambda: 1, lambda packed: sent.append(read_letter(packed)["answer"]))
    for call in ("c1", "c2"):
        pages.answer({"number": 7, "pid": 42, "call": call})
    assert [(a["number"], a["pid"], a["page"] and a["page"]["id"]) for a in sent] == [(7, 42, "c1"), (7, 42, None)]
    pages.take({"number": 99, "page": None})  # nobody waits for it any more


@pytest.mark.parametrize(("keep", "kept"), [("first", 0), ("last", 99)])
def test_a_message_that_is_too_long_is_shortened(keep: Any, kept: int) -> None:
    noise = random.Random(1)
    rows = [{"row": n, "noise": noise.randbytes(2000).hex()} for n in range(100)]
    packed = write_shortened({"rows": rows}, rows, keep=keep)
    numbers = [row["row"] for row in read_letter(packed)["rows"]]
    assert len(packed) <= MAX_LETTER
    assert kept in numbers
    assert numbers == sorted(numbers)
    assert 10 < len(numbers) < 60
