"""The line between console and server: lost, found again, refused, and under a policy."""

from __future__ import annotations

import asyncio
import re

import pytest
from console_page import address, backend, chromium, full, noticed, opened, page, talk, text, until
from fake_backend import DEADLINE, FakeBackend, listening
from playwright.async_api import Browser, Page

from duologue.server.app import create_app

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_a_server_that_goes_can_be_found_again(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    backend.refuses = full()
    session.finish("shutdown")
    await noticed(page, "The server is gone")
    await noticed(page, "The server is busy")
    assert await page.is_visible("#notice")
    backend.refuses = None
    await page.click("#notice-action")
    await backend.session()
    await until(page, "duologue.phase === 'live'")
    assert not await page.is_visible("#notice")


async def test_the_server_starts_anew_and_the_page_comes_back(chromium: Browser, unused_port: int) -> None:
    backend = FakeBackend()
    address = f"127.0.0.1:{unused_port}"
    async with listening(create_app(backend.build), port=unused_port):
        opening = opened(chromium, f"http://{address}/?aec=0", lost=True)
        page = await opening.__aenter__()
        first = await talk(page, backend)
        await first.called("process_audio", 640)
        await page.fill("#text", "Remember me")
    await noticed(page, "The server is gone")
    await until(page, "document.querySelector('#status').textContent === 'Reconnecting'")
    await until(page, "document.querySelector('#notice-count').textContent.startsWith('Next try in ')")

    async with listening(create_app(backend.build), port=unused_port):
        second = await backend.session()
        await until(page, "duologue.phase === 'live'")
        assert not await page.is_visible("#notice")
        acks = await until(page, "(acks => acks.length > 2 && acks)(duologue.log.filter(m => m.type === 'ack'))")
        assert acks[-1]["gaps"] == 0, "the new session begins at position 0"
        await second.called("process_audio", 640)
        assert await page.input_value("#text") == "Remember me", "what was being typed is kept"
        await opening.__aexit__(None, None, None)


async def test_what_was_said_stays_and_a_line_says_that_the_agent_forgot(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.sink.send(bytes(960), 0, 7)
    session.tell_words("Hello there.", generation=7)
    await until(page, "document.querySelector('.entry.agent')")
    session.finish("shutdown")
    again = await backend.session()
    await until(page, "document.querySelector('.divider')")
    assert "the agent does not remember the one before" in await text(page, ".divider")
    again.tell_words("Hello again.", generation=1)
    await until(page, "document.querySelectorAll('.entry.agent').length === 2")
    assert "Hello there." in await text(page, "#transcript")
    # Generations and positions are those of the new session: nothing counts as stale.
    again.sink.send(bytes(960), 0, 1)
    await again.called("mark_playback", 480)


async def test_a_line_that_breaks_without_a_word(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build)) as (listener, address),
        opened(chromium, f"http://{address}/?aec=0") as page,
    ):
        first = await talk(page, backend)
        for connection in list(listener.server_state.connections):
            connection.transport.abort()
        await noticed(page, "The connection was lost")
        async with asyncio.timeout(DEADLINE):
            await first.closed.wait()
        await backend.session()
        await until(page, "duologue.phase === 'live'")


async def test_a_full_server_says_when_to_come_again(page: Page, backend: FakeBackend) -> None:
    backend.refuses = full()
    await page.click("#talk")
    await noticed(page, "The server is busy")
    assert await page.evaluate("duologue.phase") == "waiting"
    told = await text(page, "#notice")
    assert "This process carries 2 sessions, which is all it may." in told
    assert re.search(r"Next try in [23]\d s\.", told)
    backend.refuses = None
    await page.click("#notice-action")
    await backend.session()
    await until(page, "duologue.phase === 'live'")


async def test_waiting_can_be_given_up(page: Page, backend: FakeBackend) -> None:
    backend.refuses = full()
    await page.click("#talk")
    await noticed(page, "The server is busy")
    assert await text(page, "#talk .label") == "End"
    await page.click("#talk")
    await until(page, "duologue.phase === 'idle'")
    assert not await page.is_visible("#notice")
    backend.refuses = None
    await talk(page, backend)


FORBIDDEN = {
    "document.head.append(Object.assign(document.createElement('script'), { text: 'evil = 1' }))": "script-src-elem",
    "setTimeout('evil = 1')": "script-src",
    "document.body.setAttribute('onclick', 'evil = 1'), document.body.click()": "script-src-attr",
    "document.body.setAttribute('style', 'color: red')": "style-src-attr",
    "try { new WebSocket('ws://elsewhere.test/') } catch {}": "connect-src",
}


async def test_the_policy_holds(chromium: Browser, address: str) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"http://{address}/")
    for act, directive in FORBIDDEN.items():
        violated = f"""() => new Promise((done) => {{
          const told = ({{ violatedDirective }}) => done(violatedDirective);
          document.addEventListener("securitypolicyviolation", told, {{ once: true }});
          {act}
        }})"""
        assert await page.evaluate(violated) == directive
    assert await page.evaluate("window.evil") is None
    await context.close()
