"""What keeps the page from hearing or from being heard: it says so, and takes the audio up again."""

from __future__ import annotations

import pytest
from console_page import (
    STATUS,
    address,
    at,
    backend,
    browser,
    chromium,
    converse,
    heard_through,
    listens,
    live,
    page,
    says,
    text,
    until,
)
from fake_backend import FakeBackend
from playwright.async_api import Page

from duologue.conversation import events
from duologue.conversation.state import AgentState

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FRAME = 480
CAPTURE, PLAYBACK = 0, 1
"""The page's contexts, in the order in which it makes them."""

RETURNS = {
    "click": "document.body.click()",
    "key": "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Shift', bubbles: true }))",
    "focus": "dispatchEvent(new Event('focus'))",
    "seen": "document.dispatchEvent(new Event('visibilitychange'))",
    "shown": "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }))",
    "thawed": "document.dispatchEvent(new Event('resume'))",
}


@pytest.mark.parametrize(("side", "back"), list(zip([CAPTURE, PLAYBACK] * 3, RETURNS, strict=True)))
async def test_audio_that_the_browser_suspends(page: Page, backend: FakeBackend, side: int, back: str) -> None:
    session = await converse(page, backend)
    await page.evaluate(f"lab.contexts[{side}].suspend()")
    await says(page, "No audio", "The audio is suspended")
    assert await text(page, ".level dd") == "–"
    await page.evaluate(RETURNS[back])
    await listens(page, session)
    assert await page.evaluate("lab.contexts.map(({state}) => state)") == ["running", "running"]
    await heard_through(page)


async def test_the_notice_itself_takes_the_audio_up(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("Promise.all(lab.contexts.map((context) => context.suspend()))")
    await says(page, "No audio", "The audio is suspended")
    await page.focus("#notice-action")
    await page.keyboard.press("Enter")
    await listens(page, session)
    assert await page.evaluate("document.activeElement.localName") == "main", "the keyboard stays in the page"


async def test_a_notice_that_was_dismissed_stays_away_while_the_status_tells(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate(f"lab.claim(lab.contexts[{CAPTURE}], 'state', 'interrupted')")
    await says(page, "No audio", "The audio is interrupted")
    await page.click("#notice-close")
    assert await page.evaluate("duologue.notice") is None
    assert await text(page, "#status") == "No audio"
    await page.evaluate(f"delete lab.contexts[{CAPTURE}].state")
    await page.evaluate("document.body.click()")
    await listens(page, session)


@pytest.mark.parametrize("side", [CAPTURE, PLAYBACK])
async def test_an_interruption_that_ends_by_itself(page: Page, backend: FakeBackend, side: int) -> None:
    session = await converse(page, backend)
    await page.evaluate(f"lab.claim(lab.contexts[{side}], 'state', 'interrupted')")
    await says(page, "No audio", "The audio is interrupted")
    await page.evaluate(
        f"delete lab.contexts[{side}].state; lab.contexts[{side}].dispatchEvent(new Event('statechange'))"
    )
    await listens(page, session)


@pytest.mark.parametrize(
    ("fails", "title"),
    [
        ("lab.contexts[0].close(), lab.contexts[1].close()", "The audio is suspended"),
        ("lab.claim(lab.contexts[0], 'currentTime', 1), lab.claim(lab.contexts[1], 'currentTime', 1)", "stuck"),
        ("lab.contexts.forEach((context) => context.dispatchEvent(new Event('error')))", "stuck"),
    ],
    ids=["closed", "still", "failed"],
)
async def test_audio_that_cannot_be_resumed_is_made_anew(
    page: Page, backend: FakeBackend, fails: str, title: str
) -> None:
    session = await converse(page, backend)
    for number in range(10):
        session.sink.send(bytes(2 * FRAME), number * FRAME, 1)
    await session.called("mark_playback", 10 * FRAME)
    await page.evaluate(fails)
    await says(page, "No audio", "The audio is stuck" if title == "stuck" else title)
    # Each side may take its own time to be found out.
    await until(page, f"document.body.click(), lab.contexts.length === 4 && {STATUS} === 'Listening'")
    await listens(page, session)
    await heard_through(page)
    session.sink.flush(1)
    session.sink.send(bytes(2 * FRAME), 10 * FRAME, 1)
    session.sink.send(bytes(2 * FRAME), 10 * FRAME, 2)
    await session.called("mark_playback", 11 * FRAME)
    assert await page.evaluate("lab.contexts.map(({state}) => state)") == ["closed", "closed", "running", "running"]


BEGINS_BY_ITSELF = """addEventListener("load", () => {
  document.querySelector("#text").value = "Hello";
  document.querySelector("#compose").requestSubmit();
})"""


async def test_a_browser_that_waits_for_a_click(address: str, backend: FakeBackend) -> None:
    """Without a microphone, whose use allows sound, and without a click before."""
    async with browser(gesture=True) as chromium:
        context = await chromium.new_context()
        page = await context.new_page()
        await page.add_init_script(BEGINS_BY_ITSELF)
        await page.goto(f"http://{address}/")
        session = await backend.session()
        session.tell(live())
        await says(page, "No audio", "The audio is suspended")
        await page.mouse.click(300, 200)
        await until(page, f"{STATUS} === 'Ready' && !duologue.notice")


async def test_what_the_agent_says_meanwhile_is_shown(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate(f"lab.contexts[{PLAYBACK}].suspend()")
    await says(page, "No audio", "The audio is suspended")
    session.tell(events.AgentChanged(**at(1), before=AgentState.IDLE, state=AgentState.SPEAKING, reason="reply"))
    session.tell_words("Nobody can hear this.", 1)
    await until(page, "document.querySelector('.entry.agent p')?.textContent === 'Nobody can hear this.'")
    assert await text(page, "#status") == "No audio"


QUEUE = """async () => {
  const { Loudspeaker } = await import("/console/loudspeaker.js");
  const speaker = new Loudspeaker({ preferred: "" }, { changed() {}, moved() {} });
  const samples = new Int16Array(480);
  for (let n = 0; n <= 4000; n++) speaker.play({ generation: 1, position: 480 * n, samples });
  return speaker.dropped / 480;
}"""


async def test_what_waits_to_be_played_is_bounded(page: Page) -> None:
    assert await page.evaluate(QUEUE) == 1000, "of 80 s that never sound, a minute waits"


# Loudspeakers.

NO_OUTPUT = "void (Native.prototype.setSinkId = () => Promise.reject(new DOMException('', 'NotFoundError')))"


async def choose_output(page: Page) -> tuple[str, str]:
    await page.keyboard.press("s")
    await until(page, "document.querySelectorAll('#output option').length > 2")
    chosen, name = await page.evaluate(
        "(({value, text}) => [value, text])(document.querySelector('#output').options[2])"
    )
    await page.select_option("#output", chosen)
    await until(page, f"lab.contexts[{PLAYBACK}].sinkId === '{chosen}'")
    return chosen, name


async def test_the_headphones_go_and_come_back(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    chosen, name = await choose_output(page)
    await page.evaluate(f"lab.unplug('{chosen}')")
    await until(page, "duologue.notice?.title === 'Another loudspeaker is in use'")
    assert f"“{name}” is gone" in await text(page, "#notice-text")
    assert await page.evaluate(f"lab.contexts[{PLAYBACK}].sinkId") == ""
    await until(page, "document.querySelector('#output').value === ''")
    await page.evaluate(f"lab.plug('{chosen}')")
    await until(page, f"lab.contexts[{PLAYBACK}].sinkId === '{chosen}' && !duologue.notice")
    await until(page, f"document.querySelector('#output').value === '{chosen}'")
    await listens(page, session)


async def test_headphones_that_go_where_no_other_can_be_chosen(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    chosen, _ = await choose_output(page)
    await page.evaluate(NO_OUTPUT)
    await page.evaluate(f"lab.unplug('{chosen}')")
    await until(page, "duologue.notice?.title === 'Another loudspeaker is in use'")
    await until(page, f"lab.contexts[2]?.state === 'running' && lab.contexts[{PLAYBACK}].state === 'closed'")
    session.sink.send(bytes(2 * FRAME), 0, 1)
    await session.called("mark_playback", FRAME)
    assert await page.evaluate("lab.contexts[2].sinkId") == ""


async def test_a_loudspeaker_that_cannot_be_chosen(page: Page, backend: FakeBackend) -> None:
    await converse(page, backend)
    await page.keyboard.press("s")
    await until(page, "document.querySelectorAll('#output option').length > 2")
    await page.evaluate(NO_OUTPUT)
    await page.select_option("#output", index=2)
    await until(page, "duologue.notice?.title === 'That loudspeaker cannot be used'")
    await until(page, "document.querySelector('#output').value === ''")
    assert await page.evaluate("JSON.parse(localStorage.duologue ?? '{}').output ?? ''") == ""
