"""A real browser at the console of a real server whose sessions are fakes: what the tests of the console share."""

from __future__ import annotations

import asyncio
import math
import shutil
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_backend import DEADLINE, FakeBackend, FakeSession, listening
from playwright.async_api import Browser, Page, async_playwright

from duologue.errors import OverloadedError
from duologue.server.app import create_app

MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@asynccontextmanager
async def browser(*arguments: str) -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *arguments],
        )
        try:
            yield chromium
        finally:
            await chromium.close()


@asynccontextmanager
async def opened(chromium: Browser, url: str, *, lost: bool = False, **context: Any) -> AsyncIterator[Page]:
    """A page that has had no error and broken no policy when it is closed.

    `lost`: the server goes away, and the browser itself notes each connection that it cannot make.
    """
    opened = await chromium.new_context(**context)
    await opened.add_init_script(VIOLATIONS)
    page = await opened.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    await page.goto(url)
    yield page
    violations = await page.evaluate("violations")
    await opened.close()
    assert not violations
    assert not [fault for fault in faults if not (lost and "ERR_CONNECTION_REFUSED" in fault)]


def write_tone(path: Path, rate: int = 48_000) -> None:
    """A second of 440 Hz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(
            b"".join(struct.pack("<h", round(8000 * math.sin(math.tau * 440 * n / rate))) for n in range(rate))
        )


async def until(page: Page, expression: str) -> Any:
    """Wait until this is true in the page; its own policy forbids `wait_for_function`, which evaluates text."""
    async with asyncio.timeout(DEADLINE):
        while not (value := await page.evaluate(expression)):
            await asyncio.sleep(0.01)
    return value


async def talk(page: Page, backend: FakeBackend) -> FakeSession:
    await page.click("#talk")
    session = await backend.session()
    await until(page, "duologue.phase === 'live'")
    return session


async def text(page: Page, selector: str) -> str:
    return str(await page.evaluate("selector => document.querySelector(selector)?.textContent ?? ''", selector))


async def notice(page: Page) -> str:
    """The words that stand when a conversation could not begin."""
    await until(page, "duologue.notice")
    assert await page.evaluate("duologue.phase") == "idle"
    return await text(page, "#notice")


async def noticed(page: Page, title: str) -> None:
    """Wait until the page has said this, though it may have gone on since."""
    await until(page, f"duologue.notices.includes('{title}')")


def full() -> OverloadedError:
    """Holds a page that wants to come back."""
    return OverloadedError("This process carries 2 sessions, which is all it may.", retry_after=30.0)


def at(seconds: float) -> dict[str, Any]:
    """What every event bears."""
    return {"pos": round(seconds * 16_000), "wall": 0.0}


@pytest.fixture(scope="module")
async def backend(anyio_backend: str) -> FakeBackend:
    return FakeBackend()


@pytest.fixture(scope="module")
async def address(backend: FakeBackend) -> AsyncIterator[str]:
    async with listening(create_app(backend.build)) as (_, address):
        yield address


@pytest.fixture(scope="module")
async def chromium(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser whose microphone hears a tone of 440 Hz."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    write_tone(path)
    async with browser(*MICROPHONE, f"--use-file-for-fake-audio-capture={path}") as chromium:
        yield chromium


@pytest.fixture
async def page(chromium: Browser, address: str) -> AsyncIterator[Page]:
    async with opened(chromium, f"http://{address}/?keep=1&aec=0") as page:
        yield page
