"""The line between console and server: lost, found again, refused, and under a policy."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from between import between
from console_page import (
    HURRIED,
    address,
    backend,
    chromium,
    converse,
    full,
    heard_through,
    listens,
    live,
    noticed,
    opened,
    page,
    says,
    talk,
    text,
    until,
)
from fake_backend import DEADLINE, FakeBackend, FakeSession, listening
from playwright.async_api import Browser, Page

from duologue.server.app import create_app
from duologue.server.auth.authenticator import Authenticator
from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import make_token
from duologue.server.store.files import FileStore
from duologue.server.store.memory import MemoryStore
from duologue.session.checkpoint import CallCheckpoint

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


async def test_a_page_enters_with_a_token(chromium: Browser, tmp_path: Path) -> None:
    backend = FakeBackend()
    add_key(tmp_path / "keys")
    token = make_token(KeyFile(tmp_path / "keys"))
    app = create_app(backend.build, authenticator=Authenticator(Security(keys=tmp_path / "keys"), MemoryStore()))
    async with listening(app) as (_, address), opened(chromium, f"http://{address}/?aec=0", lost=True) as page:
        await page.click("#talk")
        await noticed(page, "This server asks for a token")
        await page.click("#notice-action")
        await page.fill("#token", token)
        await page.press("#token", "Tab")
        await talk(page, backend)
        await page.goto("about:blank")
        await page.goto(f"http://{address}/?aec=0#token={token}")
        session = await talk(page, backend)
        assert session.request.query == {}
        assert token not in page.url


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


@pytest.mark.parametrize("begin", ["#talk", "#compose button"])
async def test_a_conversation_that_begins_while_the_server_is_gone(
    chromium: Browser, unused_port: int, begin: str
) -> None:
    backend = FakeBackend()
    address = f"127.0.0.1:{unused_port}"
    async with listening(create_app(backend.build), port=unused_port):
        opening = opened(chromium, f"http://{address}/?aec=0", lost=True)
        page = await opening.__aenter__()
        await page.fill("#text", "Hello")
    await page.click(begin)
    await noticed(page, "The conversation could not begin")
    assert "The server does not answer" in await text(page, "#notice-text")
    assert await page.evaluate("duologue.phase") == "idle"
    async with listening(create_app(backend.build), port=unused_port):
        await page.click("#notice-action")
        session = await backend.session()
        await until(page, "duologue.phase === 'live' && !duologue.notice")
        if begin != "#talk":
            await session.called("send_text", "Hello")
        await opening.__aexit__(None, None, None)


async def says_something(page: Page, session: FakeSession) -> None:
    session.sink.send(bytes(960), 0, 7)
    session.tell_words("Hello there.", generation=7)
    await until(page, "document.querySelector('.entry.agent')")


async def test_what_was_said_stays_and_a_line_says_that_the_agent_forgot(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    await says_something(page, session)
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


async def test_a_conversation_goes_on_where_its_line_broke(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build)) as (listener, address),
        opened(chromium, f"http://{address}/?aec=0&keep=1", lab=True) as page,
    ):
        session = await converse(page, backend)
        session.sink.send(bytes(960), 0, 1)
        session.tell_words("One", generation=1)
        await until(page, "duologue.audio.length")
        for connection in list(listener.server_state.connections):
            connection.transport.abort()
        await session.called("suspend")
        session.sink.send(bytes(960), 480, 1)
        session.tell_words("Two", generation=1)
        await until(page, "duologue.resumes === 1")
        await until(page, "document.querySelector('.entry.agent').textContent.includes('One Two')")
        assert await page.evaluate("duologue.audio.map(({ position }) => position)") == [0, 480]
        assert "lost for a moment. The conversation goes on." in await text(page, ".divider")
        assert "The connection was lost" not in await page.evaluate("duologue.notices")
        await heard_through(page)
        assert backend.opened.empty()
        await page.click("#talk")
        async with asyncio.timeout(DEADLINE):
            await session.closed.wait()
        assert session.reason == "client_end"


async def test_what_is_done_while_the_line_is_broken_is_sent_later(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/") as page,
    ):
        await page.fill("#text", "Hello")
        await page.press("#text", "Enter")
        session = await backend.session()
        await session.called("send_text", "Hello")
        proxy.passing.clear()
        proxy.close_streams(1012, "")
        await until(page, "document.querySelector('#status').textContent === 'Reconnecting'")
        for words in ("Are you", "there?"):
            await page.fill("#text", words)
            await page.press("#text", "Enter")
        proxy.passing.set()
        await session.called("send_text", "there?")
        assert [words for kind, *words in session.calls if kind == "send_text"] == [["Hello"], ["Are you"], ["there?"]]
        assert await page.evaluate("duologue.phase") == "live"


async def test_another_process_goes_on_with_the_conversation(
    chromium: Browser, unused_port: int, tmp_path: Path
) -> None:
    first, second = FakeBackend(), FakeBackend()
    address = f"127.0.0.1:{unused_port}"
    async with listening(create_app(first.build, store=FileStore(tmp_path)), port=unused_port):
        opening = opened(chromium, f"http://{address}/?aec=0", lost=True)
        page = await opening.__aenter__()
        session = await talk(page, first)
        await session.called("process_audio", 640)
        session.state = CallCheckpoint(turn=3)
    await noticed(page, "The connection was lost")
    assert "It said" not in await text(page, "#notice-text"), "the reason was the resume token"
    async with listening(create_app(second.build, store=FileStore(tmp_path)), port=unused_port):
        again = await second.session()
        await until(page, "duologue.resumes === 1 && !duologue.notice")
        assert again.state == CallCheckpoint(turn=3)
        assert "Another server goes on" in await text(page, ".divider")
        await again.called("process_audio", 640)
        await opening.__aexit__(None, None, None)


async def test_a_conversation_that_ended_while_its_line_was_broken_is_begun_anew(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build)) as (listener, address),
        opened(chromium, f"http://{address}/?aec=0") as page,
    ):
        session = await talk(page, backend)
        await says_something(page, session)
        backend.on_call = lambda call: session.finish("timeout") if call == ("suspend",) else None
        for connection in list(listener.server_state.connections):
            connection.transport.abort()
        again = await backend.session()
        await until(page, "duologue.phase === 'live' && document.querySelector('.divider')")
        assert "the agent does not remember the one before" in await text(page, ".divider")
        assert await page.evaluate("duologue.resumes") == 0
        await again.called("process_audio", 640)


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


async def test_a_page_whose_origin_is_refused_says_how_to_allow_it(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build)) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/", lost=True) as page,
    ):
        await page.click("#talk")
        await noticed(page, "The server refuses this page")
        await until(page, "duologue.phase === 'idle'")
        assert f"--allow-origin http://127.0.0.1:{proxy.port}" in await text(page, "#notice-text")
        assert await text(page, "#notice-action") == "Start again"
        assert backend.opened.empty()


async def test_a_page_whose_origin_is_allowed(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/") as page,
    ):
        await talk(page, backend)


ANSWERS = {
    "busy": (
        503,
        b'{"ready": false, "message": "The models are being loaded.", "hint": "Wait.", "retry_after_s": 30}',
        "The server is busy",
        "The models are being loaded. Wait. Next try in",
    ),
    "proxy": (502, b"<h1>Bad gateway</h1>", "The server cannot be reached", "with HTTP 502"),
    "other": (200, b"[1, 2]", "The server cannot be reached", "with HTTP 200"),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_what_answers_in_the_place_of_the_server_is_shown(chromium: Browser, kind: str) -> None:
    backend = FakeBackend()
    status, body, title, words = ANSWERS[kind]
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/", lost=True) as page,
    ):
        session = await talk(page, backend)
        proxy.answer = b"HTTP/1.1 %d Any\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
            status,
            len(body),
            body,
        )
        session.finish("shutdown")
        await noticed(page, title)
        assert words in await text(page, "#notice")
        proxy.answer = None
        await page.click("#notice-action")
        await backend.session()
        await until(page, "duologue.phase === 'live' && !duologue.notice")


async def test_the_reason_that_a_connection_is_closed_with_is_shown(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/") as page,
    ):
        await talk(page, backend)
        proxy.passing.clear()  # so that the page is not back before it is looked at
        proxy.close_streams(1012, "maintenance until noon")
        await noticed(page, "The connection was lost")
        assert "“maintenance until noon”" in await text(page, "#notice-text")
        proxy.passing.set()
        await until(page, "duologue.resumes === 1 && !duologue.notice")
        assert backend.opened.empty()


async def test_a_server_that_does_not_answer_is_not_said_to_listen(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/?aec=0", hurried=True) as page,
    ):
        session = await talk(page, backend)
        session.tell(live())
        await listens(page, session)
        proxy.passing.clear()
        await says(page, "No answer", "The server does not answer")
        proxy.passing.set()
        await listens(page, session)
        proxy.passing.clear()
        await says(page, "No answer", "The server does not answer")
        await noticed(page, "The connection was lost")
        proxy.passing.set()
        await until(page, "duologue.resumes === 1")
        await listens(page, session)


async def test_a_conversation_can_be_ended_where_no_answer_comes(chromium: Browser) -> None:
    backend = FakeBackend()
    async with (
        listening(create_app(backend.build, allowed_origins=["*"])) as (_, address),
        between(address) as proxy,
        opened(chromium, f"http://127.0.0.1:{proxy.port}/?aec=0") as page,
    ):
        await talk(page, backend)
        proxy.passing.clear()
        await page.click("#talk")
        await until(page, "duologue.phase === 'idle'")
        assert await page.evaluate("duologue.notice") is None
        proxy.passing.set()


async def test_a_device_that_is_offline_and_back(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    session.tell(live())
    await listens(page, session)
    await page.context.set_offline(True)
    await says(page, "No answer", "This device is offline")
    await page.context.set_offline(False)
    await until(page, "duologue.phase === 'live' && !duologue.notice")


async def test_a_conversation_outlives_the_sleep_of_its_page(chromium: Browser) -> None:
    backend = FakeBackend()
    async with listening(create_app(backend.build)) as (_, address):
        context = await chromium.new_context()
        page = await context.new_page()
        await page.add_init_script(HURRIED)
        await page.goto(f"http://{address}/")
        await page.fill("#text", "Hello there")
        await page.press("#text", "Enter")
        await backend.session()
        pongs = "duologue.log.filter(({type}) => type === 'pong').length"
        await until(page, f"{pongs} > 0")
        seen = await page.evaluate(f"slept = 3_600_000, {pongs}")
        await until(page, f"{pongs} > {seen} + 2")
        assert await page.evaluate("duologue.notices") == []
        await context.close()


async def test_a_page_that_was_left_and_is_shown_again_says_that_it_is_over(page: Page, backend: FakeBackend) -> None:
    session = await talk(page, backend)
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    async with asyncio.timeout(DEADLINE):
        await session.closed.wait()
    assert await page.evaluate("duologue.phase") == "idle"
    assert await text(page, "#status") == "Not connected"
    assert await text(page, "#notice-title") == "The conversation ended"
    await page.click("#notice-action")
    await backend.session()
    await until(page, "duologue.phase === 'live' && !duologue.notice")


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
