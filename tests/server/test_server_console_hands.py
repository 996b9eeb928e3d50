"""The hands at the console: the keyboard alone, the button that is held, devices, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from console_page import address, at, backend, chromium, page, talk, text, until
from fake_backend import FakeBackend
from playwright.async_api import Page

from duologue.conversation import events as told

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FOCUSED = "document.activeElement.id"


async def test_all_of_it_with_the_keyboard(page: Page, backend: FakeBackend) -> None:
    await page.keyboard.press("t")
    session = await backend.session()
    await until(page, "duologue.phase === 'live'")
    await page.keyboard.press("/")
    await page.keyboard.type("dts/")
    assert await page.input_value("#text") == "dts/", "shortcuts rest while something is typed"
    await page.keyboard.press("Enter")
    await session.called("send_text", "dts/")
    await page.keyboard.press("Escape")
    await session.called("interrupt")

    await page.focus("main")
    for key, panel in (("d", "decisions"), ("s", "settings")):
        await page.keyboard.press(key)
        assert await page.is_visible(f"#{panel}")
        assert await page.evaluate(FOCUSED) == f"{panel}-title"
        assert await page.get_attribute(f"#{panel}-toggle", "aria-expanded") == "true"
    assert not await page.is_visible("#decisions"), "one at a time"
    await page.keyboard.press("Escape")
    assert await page.evaluate(FOCUSED) == "settings-toggle"
    assert session.calls.count(("interrupt",)) == 1, "Escape closed the panel and did nothing else"

    await page.focus("main")
    await page.keyboard.press("t")
    await until(page, "duologue.phase === 'idle'")
    assert session.reason == "client_end"


async def test_the_order_of_the_keyboard_is_that_of_the_page(page: Page) -> None:
    await page.focus("#decisions-toggle")
    order = []
    for _ in range(6):
        order.append(await page.evaluate("document.activeElement.id || document.activeElement.localName"))
        outline = "getComputedStyle(document.activeElement.closest('label, form, *')).outlineStyle"
        assert await page.evaluate("document.activeElement.matches(':focus-visible')")
        assert order[-1] in ("input", "text") or await page.evaluate(outline) != "none"
        await page.keyboard.press("Tab")
    assert order == ["decisions-toggle", "settings-toggle", "main", "input", "talk", "text"]


async def test_shortcuts_can_be_turned_off(page: Page) -> None:
    await page.click("#settings-toggle")
    await page.uncheck("#shortcuts-on")
    await page.click("#settings .close")
    await page.reload()
    await page.focus("main")
    await page.keyboard.press("d")
    assert not await page.is_visible("#decisions")
    assert await page.evaluate("duologue.phase") == "idle"


async def test_hold_to_talk(page: Page, backend: FakeBackend) -> None:
    await page.focus("#turns input")
    await page.keyboard.press("ArrowRight")
    session = await talk(page, backend)
    assert session.start.turns == "manual"
    assert await text(page, "#talk .label") == "Hold to talk"
    await until(page, "document.querySelector('.level dd').textContent.includes('dB')")
    assert not session.heard, "nothing leaves the page before the button is down"

    await page.focus("main")
    await page.keyboard.down(" ")
    await session.called("begin_turn")
    await session.called("process_audio", 640)
    await page.keyboard.up(" ")
    await session.called("end_turn")
    assert session.calls[-1] == ("end_turn",), "the sound of the turn is there before its end"

    await page.hover("#talk")
    await page.mouse.down()
    await until(page, "document.querySelector('#talk.held')")
    await page.mouse.up()
    await page.focus("#talk")
    await page.keyboard.down("Enter")
    await until(page, "document.querySelector('#talk.held')")
    await page.keyboard.up("Enter")
    await session.called("end_turn")
    await page.click("#end")
    await until(page, "duologue.phase === 'idle'")
    assert session.reason == "client_end"
    turns = [call[0] for call in session.calls if call[0] in ("begin_turn", "end_turn")]
    assert turns[:3] == ["begin_turn", "end_turn", "begin_turn"]


async def test_a_typed_conversation_can_be_spoken_in(page: Page, backend: FakeBackend) -> None:
    await page.fill("#text", "Hello there")
    await page.press("#text", "Enter")
    session = await backend.session()
    await session.called("send_text", "Hello there")
    assert not session.heard
    await page.click("#talk")
    await session.called("process_audio", 640)
    assert await text(page, "#talk .label") == "End"


async def test_another_microphone_and_another_loudspeaker(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    await page.click("#settings-toggle")
    for name in ("input", "output"):
        await until(page, f"document.querySelectorAll('#{name} option').length > 2")
        await page.select_option(f"#{name}", index=2)
    acks = "duologue.log.filter(({type}) => type === 'ack')"
    before = await page.evaluate(f"{acks}.length")
    await until(page, f"{acks}.length > {before} + 3")
    assert await page.evaluate("duologue.notice") is None
    assert {(ack["gaps"], ack["duplicates"]) for ack in await page.evaluate(acks)} == {(0, 0)}
    assert session.reason == ""
    await page.reload()
    assert await page.evaluate("JSON.parse(localStorage.duologue).input") != ""


async def test_the_transcript_as_a_file(page: Page, backend: FakeBackend, tmp_path: Path) -> None:
    session = await talk(page, backend)
    decided: dict[str, Any] = {"start": 0, "end": 0, "silence": 0.2, "probability": 0.9, "reason": "words"}
    session.tell(
        told.TurnDecided(**at(1), turn=1, text="A table for two.", **decided),
        told.AgentSaid(**at(1), generation=1, text="For two. When?"),
        told.Interrupted(**at(2), generation=1, reason="words"),
        told.AgentHeard(
            **at(2), generation=1, turn=1, text="For two.", said="For two. When?", interrupted=True, estimated=False
        ),
    )
    await until(page, "document.querySelector('.unheard')")
    await page.click("#settings-toggle")
    async with page.expect_download() as saving:
        await page.click("#save-text")
    saved = await saving.value
    await saved.save_as(tmp_path / "transcript.txt")
    assert saved.suggested_filename.endswith(".txt")
    lines = (tmp_path / "transcript.txt").read_text().splitlines()
    assert lines[2:] == ["You:   A table for two.", "Anna:  For two. [not heard: When?]"]
    async with page.expect_download() as saving:
        await page.click("#save-json")
    await (await saving.value).save_as(tmp_path / "transcript.json")
    saved_object = json.loads((tmp_path / "transcript.json").read_text())
    assert saved_object["entries"] == [
        {"who": "user", "text": "A table for two."},
        {"who": "agent", "name": "Anna", "text": "For two. When?", "heard": "For two."},
    ]
    assert [d["title"] for d in saved_object["decisions"]] == ["Turn 1 is decided", "The agent is interrupted"]
    assert saved_object["session"] == "fake"
