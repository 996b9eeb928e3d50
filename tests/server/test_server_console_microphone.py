"""Microphones that go, come back, are blocked, muted or silent: the page says so, and uses what there is."""

from __future__ import annotations

import pytest
from console_page import (
    ACKS,
    MICROPHONE,
    STATUS,
    address,
    backend,
    browser,
    chromium,
    converse,
    heard_through,
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
from fake_backend import FakeBackend
from playwright.async_api import Page

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_the_chosen_microphone_goes_and_comes_back(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.keyboard.press("s")
    chosen, name = await page.evaluate(
        "(({value, text}) => [value, text])(document.querySelector('#input').options[1])"
    )
    await page.select_option("#input", chosen)
    await until(page, f"lab.live()[0]?.getSettings().deviceId === '{chosen}'")
    await page.evaluate(f"lab.unplug('{chosen}')")
    await until(page, "duologue.notice?.title === 'Another microphone is in use'")
    assert f"“{name}” is gone" in await text(page, "#notice-text")
    assert await page.evaluate("lab.live().length") == 1
    shown = "document.querySelector('#input').selectedOptions[0].text"
    await until(page, f"{shown}.startsWith('System default (')")
    assert chosen not in await page.evaluate("[...document.querySelector('#input').options].map(({value}) => value)")
    assert await text(page, "#status") == "Listening"

    await page.evaluate(f"lab.plug('{chosen}')")
    await until(page, f"{shown} === '{name}' && lab.live()[0].getSettings().deviceId === '{chosen}'")
    assert await page.evaluate("lab.live().length") == 1
    await listens(page, session)
    await heard_through(page)


async def test_a_microphone_in_its_place_can_be_kept(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.keyboard.press("s")
    chosen = await page.evaluate("document.querySelector('#input').options[1].value")
    await page.select_option("#input", chosen)
    await until(page, f"lab.live()[0]?.getSettings().deviceId === '{chosen}'")
    await page.evaluate(f"lab.unplug('{chosen}')")
    await until(page, "duologue.notice?.title === 'Another microphone is in use'")
    await page.click("#notice-action")
    await listens(page, session)
    assert await page.evaluate("JSON.parse(localStorage.duologue).input") == ""


async def test_a_microphone_that_was_chosen_in_another_visit_and_is_not_there(page: Page, backend: FakeBackend) -> None:
    await page.evaluate("localStorage.duologue = JSON.stringify({ input: 'x'.repeat(64), output: 'y'.repeat(64) })")
    await page.reload()
    await talk(page, backend)
    assert {"Another microphone is in use", "Another loudspeaker is in use"} <= set(
        await page.evaluate("duologue.notices")
    )
    assert await page.evaluate("lab.live().length") == 1


async def test_the_last_microphone_goes(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.lose('NotFoundError')")
    await says(page, "Not listening", "The microphone is gone")
    assert await page.evaluate("lab.live().length") == 0
    # Nothing is in use, and the list says so: whatever is chosen is another line.
    await page.keyboard.press("s")
    await until(page, "document.querySelector('#input').selectedOptions[0].text === 'None in use'")
    await page.select_option("#input", "")
    await until(page, "duologue.notice?.title === 'There is no microphone'")
    await page.evaluate("lab.fault = null")
    await until(page, "document.querySelector('#input').value === 'none'")
    await page.select_option("#input", "")
    await listens(page, session)
    assert await page.evaluate("lab.live().length") == 1
    await heard_through(page)


async def test_a_microphone_that_is_plugged_in_is_used_at_once(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.lose('NotFoundError')")
    await says(page, "Not listening", "The microphone is gone")
    await page.evaluate("lab.plug('')")
    await listens(page, session)


async def test_a_track_that_ends_without_an_event(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.live().forEach((track) => track.stop())")
    await until(page, "lab.live().length === 1 && lab.tracks.length === 2")
    await listens(page, session)


async def test_the_permission_is_withdrawn_and_given_again(address: str, backend: FakeBackend) -> None:
    async with (
        browser("--use-fake-device-for-media-stream") as chromium,
        opened(chromium, f"http://{address}/?aec=0", permissions=["microphone"]) as page,
    ):
        session = await converse(page, backend)
        await page.context.clear_permissions()
        await says(page, "Not listening", "The microphone is blocked")
        await page.context.grant_permissions(["microphone"])
        await listens(page, session)
        await heard_through(page)


async def test_what_changes_while_it_is_asked_for_is_not_missed(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate(
        """() => { const ask = navigator.mediaDevices.getUserMedia;
        let refused = false;
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          if (refused) return ask(wanted);
          refused = true;
          navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
          await new Promise((resolve) => setTimeout(resolve, 50));
          throw new DOMException("", "NotAllowedError");
        };
        lab.lose(); }"""
    )
    await until(page, "lab.tracks.length === 2")
    await listens(page, session)


async def test_a_microphone_that_is_blocked_is_asked_for_again(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.lose('NotAllowedError')")
    await says(page, "Not listening", "The microphone is blocked")
    await page.click("#notice-action")
    assert await text(page, "#status") == "Not listening"
    await page.evaluate("lab.fault = null")
    await page.click("#notice-action")
    await listens(page, session)


async def test_a_permission_that_no_event_tells_of(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate(
        """() => { lab.permission = "denied";
        navigator.permissions.query = async () => ({ state: lab.permission });
        lab.lose("NotAllowedError"); }"""
    )
    await says(page, "Not listening", "The microphone is blocked")
    await page.evaluate("lab.fault = null; lab.permission = 'granted'")
    await listens(page, session)


async def test_a_microphone_that_another_program_has(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.lose('NotReadableError')")
    await says(page, "Not listening", "The microphone does not answer")
    await page.evaluate("lab.fault = null")
    await page.click("#notice-action")
    await listens(page, session)


async def test_one_that_goes_again_and_again_is_given_up_until_something_changes(
    page: Page, backend: FakeBackend
) -> None:
    await converse(page, backend)
    await page.evaluate(
        """() => { const ask = navigator.mediaDevices.getUserMedia;
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await ask(wanted);
          setTimeout(() => lab.lose(), 1);
          return stream;
        };
        lab.lose(); }"""
    )
    await until(page, "lab.tracks.length === 6")
    await says(page, "Not listening", "The microphone is gone")
    assert await page.evaluate("lab.tracks.length") == 6


async def test_the_default_of_the_system_changes(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    await page.evaluate("lab.changeDefault()")
    await until(page, "duologue.notice?.title === 'Another microphone is in use'")
    assert "The system’s default has changed" in await text(page, "#notice-text")
    await until(page, "lab.live().length === 1")
    assert await page.evaluate("lab.tracks.length") == 2, "and not for a change of no matter"
    await page.click("#notice-close")
    await listens(page, session)
    await heard_through(page)


@pytest.mark.parametrize("end", ["mute", "ended"])
async def test_a_microphone_that_the_system_mutes(page: Page, backend: FakeBackend, end: str) -> None:
    session = await converse(page, backend)
    await page.evaluate("lab.live()[0].dispatchEvent(new Event('mute'))")
    await says(page, "Not listening", "The microphone is muted")
    await page.evaluate("lab.lose()" if end == "ended" else "lab.live()[0].dispatchEvent(new Event('unmute'))")
    if end == "ended":
        await until(page, "lab.live().length === 1")
    await listens(page, session)


SILENT = """() => {
  const context = new Native();
  lab.gain = new GainNode(context, { gain: 0 });
  const end = new MediaStreamAudioDestinationNode(context);
  const source = new OscillatorNode(context);
  source.connect(lab.gain).connect(end);
  source.start();
  lab.source = end.stream;
}"""


async def test_a_microphone_that_sends_nothing_but_zeros(page: Page, backend: FakeBackend) -> None:
    await page.evaluate(SILENT)
    session = await talk(page, backend)
    session.tell(live())
    await says(page, "Not listening", "The microphone is silent")
    await page.evaluate("lab.gain.gain.value = 0.5")
    await listens(page, session)
    await page.evaluate("lab.gain.gain.value = 0")
    await says(page, "Not listening", "The microphone is silent")


async def test_nobody_is_warned_of_silence_that_was_asked_for(page: Page, backend: FakeBackend) -> None:
    session = await converse(page, backend)
    await page.click("#mute")
    await until(page, f"{STATUS} === 'Muted'")
    seconds = len(session.heard)
    await until(page, f"{ACKS}.at(-1)?.position > {seconds // 2 + 3 * 16_000}")
    assert await page.evaluate("duologue.notices") == []


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
