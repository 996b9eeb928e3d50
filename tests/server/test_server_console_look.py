"""How the console looks: readable in both themes, on a telephone, and to those who do not see it."""

from __future__ import annotations

from typing import Any

import pytest
from console_page import STATUS, address, at, backend, chromium, full, live, noticed, opened, page, talk, text, until
from fake_backend import FakeBackend, FakeSession
from playwright.async_api import Browser, Page

from duologue.conversation import events
from duologue.session.events import ToolCalled, TurnMeasured

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

# The contrast of all text that is shown, as WCAG 2.2 counts it.
CONTRAST = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (colour) => {
    const linear = (v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...rgba(colour)].map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true })) continue;
    const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), walker.currentNode.data.trim()]);
  }
  return found;
}"""

UNNAMED = """() => [...document.querySelectorAll("button, input, select, [role=meter]")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML)"""


def recorded(session: FakeSession) -> None:
    session.is_recorded = True


async def converse(page: Page, backend: FakeBackend) -> FakeSession:
    """A little of everything that is shown."""
    session = await talk(page, backend)
    decided: dict[str, Any] = {"start": 0, "end": 0, "silence": 0.2, "probability": 0.9, "reason": "words"}
    session.tell(
        live(),
        events.TurnDecided(**at(1), turn=1, text="A table for two.", **decided),
        events.AgentSaid(**at(1), generation=1, text="For two, on Friday the twenty seventh. When?"),
        ToolCalled(**at(1), turn=1, generation=1, name="find_free_tables", started=0.3, finished=0.4, outcome="failed"),
        TurnMeasured(
            **at(1),
            turn=1,
            generation=1,
            processing=0.03,
            voice_to_voice=0.4,
            speculation="hit",
            stages={"words": 0.2, "score": 0.2, "decided": 0.3, "first_text": 0.3, "first_audio": 0.4},
        ),
        events.Interrupted(**at(2), generation=1, reason="words"),
        events.AgentHeard(
            **at(2),
            generation=1,
            turn=1,
            text="For two,",
            said="For two, on Friday the twenty seventh. When?",
            interrupted=True,
            estimated=False,
        ),
        events.PartialTranscript(**at(3), turn=2, text="At seven"),
    )
    await until(page, "document.querySelector('.partial')")
    return session


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_all_text_can_be_read(page: Page, backend: FakeBackend, theme: Any) -> None:
    await page.emulate_media(color_scheme=theme)
    found = await page.evaluate(CONTRAST)
    session = await converse(page, backend)
    for panel in ("decisions", "settings"):
        await page.click(f"#{panel}-toggle")
        found += await page.evaluate(CONTRAST)
    await page.click("#settings .close")
    await page.click("#mute")
    await until(page, f"{STATUS} === 'Muted'")
    found += await page.evaluate(CONTRAST)
    backend.refuses = full()
    session.finish("shutdown")
    await noticed(page, "The server is busy")
    found += await page.evaluate(CONTRAST)
    backend.refuses = None
    assert {"The server is busy", "Talk", "End", "Unmute", "At seven", "When?", "find_free_tables", "Save as JSON"} <= {
        text.split(". ")[-1] for _, text in found
    }
    assert [(text, ratio) for ratio, text in found if ratio < 4.5] == []


async def test_the_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(ground)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(ground)
    assert light != dark
    await page.click("#settings-toggle")
    await page.click("#theme label:has([value=light])")
    assert await page.evaluate(ground) == light
    await page.reload()
    assert await page.evaluate(ground) == light, "it is remembered"
    await page.click("#settings-toggle")
    await page.click("#theme label:has([value=system])")
    assert await page.evaluate(ground) == dark


async def test_a_telephone(chromium: Browser, address: str, backend: FakeBackend) -> None:
    async with opened(
        chromium, f"http://{address}/?aec=0", viewport={"width": 360, "height": 640}, is_mobile=True
    ) as page:
        fits = "document.documentElement.scrollWidth <= 360 && document.documentElement.scrollHeight <= 640"
        assert await page.evaluate(fits)
        backend.on_enter = recorded
        await converse(page, backend)
        assert await page.evaluate(fits)
        assert await page.is_visible("#recorded")
        outside = """() => [...document.querySelectorAll("body :is(button, input, select, dd, p, h2)")].filter((e) => {
          const { left, right, width } = e.getBoundingClientRect();
          return e.checkVisibility() && width > 1 && (left < 0 || right > 360);
        }).map((e) => e.outerHTML)"""
        assert await page.evaluate(outside) == []
        assert int(await page.evaluate("document.querySelector('main').clientHeight")) > 300, "room for the words"
        assert await page.is_visible("#vitals")
        assert await text(page, "#vitals") == "400 ms median of 1 turn"
        for label in ("#decisions-toggle span", "#settings-toggle span", "#mute .label", "#talk .label"):
            assert await page.is_visible(label)
            cut = "(label) => document.querySelector(label).scrollWidth > document.querySelector(label).offsetWidth"
            assert not await page.evaluate(cut, label)
        await page.click("#mute")
        await until(page, f"{STATUS} === 'Muted'")
        assert await page.evaluate(fits)
        assert await page.evaluate(outside) == []
        for panel in ("decisions", "settings"):
            await page.click(f"#{panel}-toggle")
            assert await page.evaluate(outside) == []
            assert await page.evaluate("document.querySelector('footer').inert"), "the panel covers the page"
            await page.click(f"#{panel} .close")
        assert not await page.evaluate("document.querySelector('footer').inert")


async def test_a_conversation_that_is_recorded_says_so(page: Page, backend: FakeBackend) -> None:
    backend.on_enter = recorded
    assert not await page.is_visible("#recorded")
    session = await talk(page, backend)
    assert (await page.is_visible("#recorded"), await text(page, "#recorded")) == (True, "Recorded")
    session.finish("closed")
    await until(page, "document.querySelector('#recorded').hidden")


async def test_nothing_moves_for_those_who_ask_for_it(chromium: Browser, address: str, backend: FakeBackend) -> None:
    async with opened(chromium, f"http://{address}/?aec=0", reduced_motion="reduce") as page:
        await converse(page, backend)
        assert not await page.is_visible("#strip")
        assert await page.is_visible("#instruments .level dd")
        assert await page.evaluate("document.getAnimations().length") == 0


async def test_everything_has_a_name_and_what_changes_is_told(page: Page, backend: FakeBackend) -> None:
    await converse(page, backend)
    assert await page.evaluate(UNNAMED) == []
    live = "(selector) => document.querySelector(selector).role"
    assert [await page.evaluate(live, name) for name in ("#status", "#transcript", "#notice")] == [
        "status",
        "log",
        "alert",
    ]
    assert await page.get_attribute("#transcript", "aria-live") == "polite"
    assert await page.evaluate("document.querySelector('.entry:last-child .said').ariaLive") == "off", "partials change"
