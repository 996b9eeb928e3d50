"""The hands at the console: the keyboard alone, the button that is held, devices, files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from console_page import STATUS, address, at, backend, chromium, listens, live, page, talk, text, until
from fake_backend import DEADLINE, FakeBackend
from playwright.async_api import Page

from duologue.conversation import events
from duologue.conversation.state import AgentState, UserState

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
    assert session.request.turns == "manual"
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


MUTES = {"key": lambda page: page.keyboard.press("m"), "button": lambda page: page.click("#mute")}


@pytest.mark.parametrize("how", MUTES)
async def test_who_is_muted_sends_silence_without_a_gap(page: Page, backend: FakeBackend, how: str) -> None:
    session = await talk(page, backend)
    session.tell(live())
    await listens(page, session)
    await MUTES[how](page)
    await until(page, f"{STATUS} === 'Muted' && document.querySelector('.level dd').textContent === 'muted'")
    assert await text(page, "#mute .label") == "Unmute"
    assert not await page.evaluate("[...lab.tracks].some(({enabled}) => enabled)")
    # What was on its way when it was muted may still come.
    heard = len(session.heard)
    async with asyncio.timeout(DEADLINE):
        while len(session.heard) < heard + 32_000:
            await asyncio.sleep(0.01)
    assert not any(session.heard[heard + 6400 :])

    session.tell(events.SpeechStarted(**at(1), turn=1, start=0, reason="vad"))
    session.tell(events.UserChanged(**at(1), before=UserState.SILENT, state=UserState.SPEAKING, reason="vad"))
    session.tell(events.AgentChanged(**at(1), before=AgentState.IDLE, state=AgentState.SPEAKING, reason="reply"))
    await until(page, f"{STATUS} === 'Speaking'")
    session.tell(events.AgentChanged(**at(2), before=AgentState.SPEAKING, state=AgentState.IDLE, reason="reply"))
    session.tell(events.UserChanged(**at(2), before=UserState.SPEAKING, state=UserState.SILENT, reason="vad"))
    await until(page, f"{STATUS} === 'Muted'")

    await MUTES[how](page)
    await listens(page, session)
    acks = await page.evaluate("duologue.log.filter(({type}) => type === 'ack')")
    assert {(ack["gaps"], ack["duplicates"]) for ack in acks} == {(0, 0)}


async def test_muted_is_muted_through_another_device_and_another_session(page: Page, backend: FakeBackend) -> None:
    first = await talk(page, backend)
    await page.keyboard.press("m")
    await page.keyboard.press("s")
    await page.select_option("#input", index=1)
    await until(page, "lab.live().length === 1 && lab.tracks.length === 2 && !lab.live()[0].enabled")
    first.finish("shutdown")
    second = await backend.session()
    second.tell(live())
    await until(page, f"{STATUS} === 'Muted'")
    await second.called("process_audio", 640)
    assert not any(second.heard)
    await page.click("#mute")
    await listens(page, second)


async def test_there_is_nothing_to_mute_where_nothing_is_sent(page: Page, backend: FakeBackend) -> None:
    assert not await page.is_visible("#mute")
    await page.fill("#text", "Hello there")
    await page.press("#text", "Enter")
    session = await backend.session()
    session.tell(live())
    await until(page, f"{STATUS} === 'Ready'")
    assert not await page.is_visible("#mute")
    await page.focus("main")
    await page.keyboard.press("m")
    assert await text(page, "#status") == "Ready"
    await page.click("#talk")
    await until(page, f"{STATUS} === 'Listening'")
    assert await page.is_visible("#mute")


async def test_while_the_button_is_up_nobody_listens(page: Page, backend: FakeBackend) -> None:
    await page.focus("#turns input")
    await page.keyboard.press("ArrowRight")
    session = await talk(page, backend)
    session.tell(live())
    await until(page, f"{STATUS} === 'Ready'")
    assert not await page.is_visible("#mute")
    await page.focus("main")
    await page.keyboard.down(" ")
    await until(page, f"{STATUS} === 'Listening'")
    await page.keyboard.up(" ")
    await until(page, f"{STATUS} === 'Ready'")


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
        events.TurnDecided(**at(1), turn=1, text="A table for two.", **decided),
        events.AgentSaid(**at(1), generation=1, text="For two. When?"),
        events.Interrupted(**at(2), generation=1, reason="words"),
        events.AgentHeard(
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
