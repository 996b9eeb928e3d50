"""Who answers, and with which tools: the agent's name, and its tool calls in the waterfall of their turn."""

from __future__ import annotations

from typing import Any

import pytest
from console_page import address, at, backend, chromium, page, talk, text, until
from fake_backend import FakeBackend, FakeSession
from playwright.async_api import Page

from duologue.conversation import events
from duologue.session import SessionConfig
from duologue.session.events import ToolCalled, TurnMeasured

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

STAGES = {"words": 0.2, "decided": 0.3, "first_text": 0.9, "first_audio": 1.0}

ROWS = """[...document.querySelectorAll('.entry:last-child .stages dt')].map(
  (dt) => [dt.textContent, dt.nextSibling.querySelector('.at').textContent])"""


def called(name: str, started: float, finished: float, generation: int = 1, **changes: Any) -> ToolCalled:
    tool: dict[str, Any] = {"turn": 1, "generation": generation, "name": name, "outcome": "done"} | changes
    return ToolCalled(**at(1), started=started, finished=finished, **tool)


def measured(generation: int = 1) -> TurnMeasured:
    return TurnMeasured(
        **at(1),
        turn=1,
        generation=generation,
        processing=0.7,
        voice_to_voice=1.0,
        speculation="none",
        stages=STAGES,
    )


async def test_tools_stand_among_the_stages_of_their_turn(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.tell(
        called("find_table", 0.35, 0.75),
        called("check_weather", 0.4, 0.5, outcome="failed"),
        called("of_another_reply", 0.4, 0.5, generation=9),
    )
    session.tell_words("There is one.", 1)
    session.tell(measured())
    await until(page, "document.querySelector('.latency')")
    assert await page.evaluate(ROWS) == [
        ["Transcript", "200 ms"],
        ["Input lag", "100 ms"],
        ["check_weather", "failed, +100 ms"],
        ["find_table", "+400 ms"],
        ["Agent", "600 ms"],
        ["Playout", "100 ms"],
    ]
    assert await text(page, ".latency .detail") == "700 ms processing, 2 tools"
    edges = """(name) => {
      const bar = document.querySelector(name).getBoundingClientRect();
      const track = document.querySelector(name).parentElement.getBoundingClientRect();
      return [bar.left - track.left, bar.right - track.left].map((edge) => edge / track.width);
    }"""
    assert await page.evaluate(edges, ".tool:not(dt, .wrong)") == pytest.approx([0.35, 0.75], abs=0.01)
    assert await page.evaluate(edges, "i.tool.wrong") == pytest.approx([0.4, 0.5], abs=0.01)
    decisions = await text(page, "#decisions ol")
    assert "The agent called find_tableIt took 400 ms." in decisions
    assert "The agent called check_weatherIt failed after 100 ms." in decisions


async def test_a_tool_that_ends_after_the_answer_sounds_is_added(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.tell_words("One moment.", 1)
    session.tell(measured())
    await until(page, "document.querySelector('.latency')")
    await page.click(".latency summary")
    session.tell(called("book_table", 0.5, 2.0))
    await until(page, "document.querySelector('.latency .detail').textContent === '700 ms processing, 1 tool'")
    assert not await page.evaluate("document.querySelector('.latency').open"), "it stays as it was left"
    assert (await page.evaluate(ROWS))[-1] == ["book_table", "+1500 ms"]
    session.tell_words("It is done.", 2)
    session.tell(measured(generation=2))
    await until(page, "document.querySelectorAll('.latency').length === 2")
    assert await page.evaluate("[...document.querySelectorAll('.latency')].map(({open}) => open)") == [False, True]


async def test_what_is_kept_of_tools_is_bounded(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.tell(*(called("look", 0.4, 0.5, generation=generation) for generation in range(1, 20)))
    session.tell(*(called("look", 0.4, 0.5, generation=20) for _ in range(40)))
    session.tell(measured(generation=1), measured(generation=20))
    await until(page, "document.querySelectorAll('.latency').length === 2")
    rows = "[...document.querySelectorAll('.latency')].map((turn) => turn.querySelectorAll('dt.tool').length)"
    assert await page.evaluate(rows) == [0, 32]


async def test_the_agent_has_its_name(page: Page, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await talk(page, backend)
    first.tell_words("Hello.", 1)
    await until(page, "document.querySelector('.entry.agent .who')?.textContent === 'Anna'")
    assert await text(page, "#state-name") == "Anna"
    monkeypatch.setattr(FakeSession, "config", SessionConfig())
    first.finish("shutdown")
    second = await backend.session()
    second.tell_words("Hello.", 1)
    await until(page, "[...document.querySelectorAll('.who')].map((who) => who.textContent).join() === 'Anna,Agent'")


async def test_a_gap_that_goes_on_is_one_decision(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    gap = events.AudioGap
    session.tell(
        *(gap(**at(n), start=3200 * n, end=3200 * (n + 1), reason="missing") for n in range(10)),
        gap(**at(11), start=32_000, end=35_200, reason="dropped"),
        gap(**at(12), start=64_000, end=67_200, reason="dropped"),
    )
    await until(page, "document.querySelectorAll('#decisions li').length === 3")
    why = "[...document.querySelectorAll('#decisions li p')].map(({textContent}) => textContent)"
    await until(page, f"{why}.at(-1).startsWith('2000 ms')")
    assert await page.evaluate(why) == [
        "200 ms were dropped; they count as silence.",
        "200 ms were dropped; they count as silence.",
        "2000 ms were missing; they count as silence.",
    ]
