"""What keeps the page from hearing or from being heard: it says so, never claims to listen, and takes the sound up again."""

from __future__ import annotations

import pytest
from console_page import (
    MICROPHONE,
    STATUS,
    address,
    at,
    backend,
    browser,
    chromium,
    lab,
    listens,
    live,
    notice,
    opened,
    page,
    says,
    talk,
    text,
    until,
)
from fake_backend import FakeBackend, FakeSession
from playwright.async_api import Browser, Page

from duologue.conversation import events as told
from duologue.conversation.state import AgentState

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FRAME = 480
CAPTURE, PLAYBACK = 0, 1
"""The page's contexts, in the order in which it makes them."""

ACKS = "duologue.log.filter(({type}) => type === 'ack')"

RETURNS = {
    "click": "document.body.click()",
    "key": "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Shift', bubbles: true }))",
    "focus": "dispatchEvent(new Event('focus'))",
    "seen": "document.dispatchEvent(new Event('visibilitychange'))",
    "shown": "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }))",
    "thawed": "document.dispatchEvent(new Event('resume'))",
}


async def converse(page: Page, backend: FakeBackend) -> FakeSession:
    session = await talk(page, backend)
    session.tell(live())
    await listens(page, session)
    return session


async def heard_through(page: Page) -> None:
    """No sample of the microphone was lost or sent twice."""
    seen = await page.evaluate(f"{ACKS}.length")
    await until(page, f"{ACKS}.length > {seen} + 2")
    assert {(ack["gaps"], ack["duplicates"]) for ack in await page.evaluate(ACKS)} == {(0, 0)}


@pytest.mark.parametrize("side", [CAPTURE, PLAYBACK])
@pytest.mark.parametrize("back", RETURNS)
async def test_sound_that_the_browser_suspends(lab: Page, backend: FakeBackend, side: int, back: str) -> None:
    session = await converse(lab, backend)
    await lab.evaluate(f"lab.contexts[{side}].suspend()")
    await says(lab, "No sound", "The sound is suspended")
    assert await text(lab, ".level dd") == "–"
    await lab.evaluate(RETURNS[back])
    await listens(lab, session)
    assert await lab.evaluate("lab.contexts.map(({state}) => state)") == ["running", "running"]
    await heard_through(lab)


async def test_the_notice_itself_takes_the_sound_up(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("Promise.all(lab.contexts.map((context) => context.suspend()))")
    await says(lab, "No sound", "The sound is suspended")
    await lab.focus("#notice-action")
    await lab.keyboard.press("Enter")
    await listens(lab, session)
    assert await lab.evaluate("document.activeElement.localName") == "main", "the keyboard stays in the page"


async def test_a_notice_that_was_dismissed_stays_away_while_the_status_tells(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate(f"lab.claim(lab.contexts[{CAPTURE}], 'state', 'interrupted')")
    await says(lab, "No sound", "The sound is interrupted")
    await lab.click("#notice-close")
    assert await lab.evaluate("duologue.notice") is None
    assert await text(lab, "#status") == "No sound"
    await lab.evaluate(f"delete lab.contexts[{CAPTURE}].state")
    await lab.evaluate("document.body.click()")
    await listens(lab, session)


@pytest.mark.parametrize("side", [CAPTURE, PLAYBACK])
async def test_an_interruption_that_ends_by_itself(lab: Page, backend: FakeBackend, side: int) -> None:
    session = await converse(lab, backend)
    await lab.evaluate(f"lab.claim(lab.contexts[{side}], 'state', 'interrupted')")
    await says(lab, "No sound", "The sound is interrupted")
    await lab.evaluate(
        f"delete lab.contexts[{side}].state; lab.contexts[{side}].dispatchEvent(new Event('statechange'))"
    )
    await listens(lab, session)


@pytest.mark.parametrize(
    ("fails", "title"),
    [
        ("lab.contexts[0].close(), lab.contexts[1].close()", "The sound is suspended"),
        ("lab.claim(lab.contexts[0], 'currentTime', 1), lab.claim(lab.contexts[1], 'currentTime', 1)", "stuck"),
        ("lab.contexts.forEach((context) => context.dispatchEvent(new Event('error')))", "stuck"),
    ],
    ids=["closed", "still", "failed"],
)
async def test_sound_that_cannot_be_resumed_is_made_anew(
    lab: Page, backend: FakeBackend, fails: str, title: str
) -> None:
    session = await converse(lab, backend)
    for number in range(10):
        session.sink.send(bytes(2 * FRAME), number * FRAME, 1)
    await session.called("mark_playback", 10 * FRAME)
    await lab.evaluate(fails)
    await says(lab, "No sound", "The sound is stuck" if title == "stuck" else title)
    # Each side may take its own time to be found out.
    await until(lab, f"document.body.click(), lab.contexts.length === 4 && {STATUS} === 'Listening'")
    await listens(lab, session)
    await heard_through(lab)
    session.sink.flush(1)
    session.sink.send(bytes(2 * FRAME), 10 * FRAME, 1)
    session.sink.send(bytes(2 * FRAME), 10 * FRAME, 2)
    await session.called("mark_playback", 11 * FRAME)
    assert await lab.evaluate("lab.contexts.map(({state}) => state)") == ["closed", "closed", "running", "running"]


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
        await says(page, "No sound", "The sound is suspended")
        await page.mouse.click(300, 200)
        await until(page, f"{STATUS} === 'Ready' && !duologue.notice")


async def test_what_the_agent_says_meanwhile_is_shown_and_bounded(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate(f"lab.contexts[{PLAYBACK}].suspend()")
    await says(lab, "No sound", "The sound is suspended")
    session.tell(told.AgentChanged(**at(1), before=AgentState.IDLE, state=AgentState.SPEAKING, reason="reply"))
    session.tell_words("Nobody can hear this.", 1)
    await until(lab, "document.querySelector('.entry.agent p')?.textContent === 'Nobody can hear this.'")
    assert await text(lab, "#status") == "No sound"


# Microphones.


async def test_the_chosen_microphone_goes_and_comes_back(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.keyboard.press("s")
    chosen, name = await lab.evaluate("(({value, text}) => [value, text])(document.querySelector('#input').options[1])")
    await lab.select_option("#input", chosen)
    await until(lab, f"lab.live()[0]?.getSettings().deviceId === '{chosen}'")
    await lab.evaluate(f"lab.unplug('{chosen}')")
    await until(lab, "duologue.notice?.title === 'Another microphone is in use'")
    assert f"“{name}” is gone" in await text(lab, "#notice-text")
    assert await lab.evaluate("lab.live().length") == 1
    shown = "document.querySelector('#input').selectedOptions[0].text"
    await until(lab, f"{shown}.startsWith('System default (')")
    assert chosen not in await lab.evaluate("[...document.querySelector('#input').options].map(({value}) => value)")
    assert await text(lab, "#status") == "Listening"

    await lab.evaluate(f"lab.plug('{chosen}')")
    await until(lab, f"{shown} === '{name}' && lab.live()[0].getSettings().deviceId === '{chosen}'")
    assert await lab.evaluate("lab.live().length") == 1
    await listens(lab, session)
    await heard_through(lab)


async def test_a_microphone_in_its_place_can_be_kept(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.keyboard.press("s")
    chosen = await lab.evaluate("document.querySelector('#input').options[1].value")
    await lab.select_option("#input", chosen)
    await until(lab, f"lab.live()[0]?.getSettings().deviceId === '{chosen}'")
    await lab.evaluate(f"lab.unplug('{chosen}')")
    await until(lab, "duologue.notice?.title === 'Another microphone is in use'")
    await lab.click("#notice-action")
    await listens(lab, session)
    assert await lab.evaluate("JSON.parse(localStorage.duologue).input") == ""


async def test_a_microphone_that_was_chosen_in_another_visit_and_is_not_there(lab: Page, backend: FakeBackend) -> None:
    await lab.evaluate("localStorage.duologue = JSON.stringify({ input: 'x'.repeat(64), output: 'y'.repeat(64) })")
    await lab.reload()
    await talk(lab, backend)
    assert {"Another microphone is in use", "Another loudspeaker is in use"} <= set(
        await lab.evaluate("duologue.notices")
    )
    assert await lab.evaluate("lab.live().length") == 1


async def test_the_last_microphone_goes(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.lose('NotFoundError')")
    await says(lab, "Not listening", "The microphone is gone")
    assert await lab.evaluate("lab.live().length") == 0
    # Nothing is in use, and the list says so: whatever is chosen is another line.
    await lab.keyboard.press("s")
    assert await lab.evaluate("document.querySelector('#input').selectedOptions[0].text") == "None in use"
    await lab.select_option("#input", "")
    await until(lab, "duologue.notice?.title === 'There is no microphone'")
    await lab.evaluate("lab.fault = null")
    assert await lab.evaluate("document.querySelector('#input').value") == "none"
    await lab.select_option("#input", "")
    await listens(lab, session)
    assert await lab.evaluate("lab.live().length") == 1
    await heard_through(lab)


async def test_a_microphone_that_is_plugged_in_is_used_at_once(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.lose('NotFoundError')")
    await says(lab, "Not listening", "The microphone is gone")
    await lab.evaluate("lab.plug('')")
    await listens(lab, session)


async def test_a_track_that_ends_without_an_event(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.live().forEach((track) => track.stop())")
    await until(lab, "lab.live().length === 1 && lab.tracks.length === 2")
    await listens(lab, session)


async def test_the_permission_is_withdrawn_and_given_again(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.lose('NotAllowedError')")
    await says(lab, "Not listening", "The microphone is blocked")
    await lab.click("#notice-action")
    await until(lab, f"{STATUS} === 'Not listening'")
    await lab.evaluate("lab.fault = null")
    await lab.click("#notice-action")
    await listens(lab, session)


async def test_a_microphone_that_another_program_has(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.lose('NotReadableError')")
    await says(lab, "Not listening", "The microphone does not answer")
    await lab.evaluate("lab.fault = null")
    await lab.click("#notice-action")
    await listens(lab, session)


async def test_one_that_goes_again_and_again_is_given_up_until_something_changes(
    lab: Page, backend: FakeBackend
) -> None:
    await converse(lab, backend)
    await lab.evaluate(
        """() => { const ask = navigator.mediaDevices.getUserMedia;
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await ask(wanted);
          setTimeout(() => lab.lose(), 1);
          return stream;
        };
        lab.lose(); }"""
    )
    await until(lab, "lab.tracks.length === 6")
    await says(lab, "Not listening", "The microphone is gone")
    assert await lab.evaluate("lab.tracks.length") == 6


async def test_the_default_of_the_system_changes(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    await lab.evaluate("lab.changeDefault()")
    await until(lab, "duologue.notice?.title === 'Another microphone is in use'")
    assert "The system’s default has changed" in await text(lab, "#notice-text")
    await until(lab, "lab.live().length === 1")
    assert await lab.evaluate("lab.tracks.length") == 2, "and not for a change of no matter"
    await lab.click("#notice-close")
    await listens(lab, session)
    await heard_through(lab)


@pytest.mark.parametrize("end", ["mute", "ended"])
async def test_a_microphone_that_the_system_mutes(lab: Page, backend: FakeBackend, end: str) -> None:
    session = await converse(lab, backend)
    await lab.evaluate("lab.live()[0].dispatchEvent(new Event('mute'))")
    await says(lab, "Not listening", "The microphone is muted")
    await lab.evaluate("lab.lose()" if end == "ended" else "lab.live()[0].dispatchEvent(new Event('unmute'))")
    if end == "ended":
        await until(lab, "lab.live().length === 1")
    await listens(lab, session)


SILENT = """() => {
  const context = new Native();
  lab.gain = new GainNode(context, { gain: 0 });
  const end = new MediaStreamAudioDestinationNode(context);
  const source = new OscillatorNode(context);
  source.connect(lab.gain).connect(end);
  source.start();
  lab.source = end.stream;
}"""


async def test_a_microphone_that_sends_nothing_but_zeros(lab: Page, backend: FakeBackend) -> None:
    await lab.evaluate(SILENT)
    session = await talk(lab, backend)
    session.tell(live())
    await says(lab, "Not listening", "The microphone is silent")
    await lab.evaluate("lab.gain.gain.value = 0.5")
    await listens(lab, session)


async def test_nobody_is_warned_of_silence_that_was_asked_for(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    await lab.click("#mute")
    await until(lab, f"{STATUS} === 'Muted'")
    seconds = len(session.heard)
    await until(lab, f"{ACKS}.at(-1).position > {seconds // 2 + 3 * 16_000}")
    assert await lab.evaluate("duologue.notices") == []


async def test_a_microphone_that_comes_while_nothing_is_under_way(address: str) -> None:
    async with (
        browser(*MICROPHONE) as chromium,
        opened(chromium, f"http://{address}/?aec=0", lab=True) as page,
    ):
        for fault, title in (
            ("NotFoundError", "There is no microphone"),
            ("NotAllowedError", "The microphone is blocked"),
        ):
            await page.evaluate(f"lab.fault = '{fault}'")
            await page.click("#talk")
            assert title in await notice(page)
            await page.evaluate("lab.plug('')")
            await until(page, "!duologue.notice")


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


async def test_the_headphones_go_and_come_back(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    chosen, name = await choose_output(lab)
    await lab.evaluate(f"lab.unplug('{chosen}')")
    await until(lab, "duologue.notice?.title === 'Another loudspeaker is in use'")
    assert f"“{name}” is gone" in await text(lab, "#notice-text")
    assert await lab.evaluate(f"lab.contexts[{PLAYBACK}].sinkId") == ""
    await until(lab, "document.querySelector('#output').value === ''")
    await lab.evaluate(f"lab.plug('{chosen}')")
    await until(lab, f"lab.contexts[{PLAYBACK}].sinkId === '{chosen}' && !duologue.notice")
    await until(lab, f"document.querySelector('#output').value === '{chosen}'")
    await listens(lab, session)


async def test_headphones_that_go_where_no_other_can_be_chosen(lab: Page, backend: FakeBackend) -> None:
    session = await converse(lab, backend)
    chosen, _ = await choose_output(lab)
    await lab.evaluate(NO_OUTPUT)
    await lab.evaluate(f"lab.unplug('{chosen}')")
    await until(lab, "duologue.notice?.title === 'Another loudspeaker is in use'")
    await until(lab, f"lab.contexts[2]?.state === 'running' && lab.contexts[{PLAYBACK}].state === 'closed'")
    session.sink.send(bytes(2 * FRAME), 0, 1)
    await session.called("mark_playback", FRAME)
    assert await lab.evaluate("lab.contexts[2].sinkId") == ""


async def test_a_loudspeaker_that_cannot_be_chosen(lab: Page, backend: FakeBackend) -> None:
    await converse(lab, backend)
    await lab.keyboard.press("s")
    await until(lab, "document.querySelectorAll('#output option').length > 2")
    await lab.evaluate(NO_OUTPUT)
    await lab.select_option("#output", index=2)
    await until(lab, "duologue.notice?.title === 'That loudspeaker cannot be used'")
    await until(lab, "document.querySelector('#output').value === ''")
    assert await lab.evaluate("JSON.parse(localStorage.duologue ?? '{}').output ?? ''") == ""
