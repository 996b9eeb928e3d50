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

from duologue.conversation import events
from duologue.conversation.state import CallState
from duologue.errors import OverloadedError
from duologue.server.app import create_app

MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]

UNREACHED = (
    "ERR_CONNECTION_REFUSED",
    "ERR_INTERNET_DISCONNECTED",
    "Unexpected response code",
    "Failed to load resource",
    "HTTP Authentication failed",
)

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


# Lets a test change the devices of a page: `lab.unplug(id)`, `lab.plug(id)`, `lab.fault` (the name of the error that
# asking for the microphone gives), `lab.source` (a stream in its place). Its contexts and tracks are in `lab`.
LAB = """
window.lab = { contexts: [], tracks: [], gone: new Set(), fault: null, source: null, default: "" };
window.Native = AudioContext;
window.AudioContext = class extends Native {
  constructor(...options) {
    super(...options);
    lab.contexts.push(this);
  }
};
const media = navigator.mediaDevices;
const [ask, list] = [media.getUserMedia.bind(media), media.enumerateDevices.bind(media)];
const changed = () => media.dispatchEvent(new Event("devicechange"));
media.getUserMedia = async (wanted) => {
  if (lab.fault) throw new DOMException("", lab.fault);
  if (lab.gone.has(wanted.audio.deviceId?.exact)) throw new OverconstrainedError("deviceId");
  const stream = lab.source ?? (await ask(wanted));
  lab.tracks.push(...stream.getTracks());
  return stream;
};
media.enumerateDevices = async () => {
  const found = (await list()).filter(({ deviceId }) => !lab.gone.has(deviceId));
  return found.map((device) => ({
    deviceId: device.deviceId,
    kind: device.kind,
    label: device.label,
    groupId: device.deviceId === "default" ? device.groupId + lab.default : device.groupId,
  }));
};
lab.live = () => lab.tracks.filter(({ readyState }) => readyState === "live");
lab.lose = (fault = null) => {
  lab.fault = fault;
  for (const track of lab.live()) {
    track.stop();
    track.dispatchEvent(new Event("ended"));
  }
};
lab.unplug = (id) => {
  lab.gone.add(id);
  if (lab.live().some((track) => track.getSettings().deviceId === id)) lab.lose(lab.fault);
  changed();
};
lab.plug = (id) => {
  lab.gone.delete(id);
  lab.fault = null;
  changed();
};
lab.changeDefault = () => {
  lab.default += "x";
  changed();
};
lab.claim = (context, name, value) => {
  Object.defineProperty(context, name, { value, configurable: true });
  context.dispatchEvent(new Event("statechange"));
};
"""

# The page's clock and timers run four times as fast: what waits for seconds of silence of the network waits less.
HURRIED = """
for (const name of ["setTimeout", "setInterval"]) {
  const native = window[name].bind(window);
  window[name] = (call, wait = 0, ...rest) => native(call, wait / 4, ...rest);
}
const now = performance.now.bind(performance);
window.slept = 0;
performance.now = () => 4 * now() + slept;
"""

STATUS = "document.querySelector('#status').textContent"
ACKS = "duologue.log.filter(({type}) => type === 'ack')"


@asynccontextmanager
async def browser(*arguments: str, gesture: bool = False) -> AsyncIterator[Browser]:
    """Chromium with these arguments; `gesture`: it plays no sound before the page is clicked."""
    policy = "document-user-activation-required" if gesture else "no-user-gesture-required"
    path = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", f"--autoplay-policy={policy}", *arguments],
        )
        try:
            yield chromium
        finally:
            await chromium.close()


@asynccontextmanager
async def opened(
    chromium: Browser, url: str, *, lost: bool = False, lab: bool = False, hurried: bool = False, **context: Any
) -> AsyncIterator[Page]:
    """A page that has had no error and broken no policy when it is closed.

    `lost`: the server goes away or refuses, and the browser itself notes each connection that it cannot make.
    `lab`: the page has a `lab`. `hurried`: its clock runs four times as fast.
    """
    opened = await chromium.new_context(**context)
    await opened.add_init_script(VIOLATIONS)
    if hurried:
        await opened.add_init_script(HURRIED)
    if lab:
        await opened.add_init_script(LAB)
    page = await opened.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    await page.goto(url)
    yield page
    violations = await page.evaluate("violations")
    await opened.close()
    assert not violations
    assert [fault for fault in faults if not (lost and any(sign in fault for sign in UNREACHED))] == []


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


async def listens(page: Page, session: FakeSession) -> None:
    """Wait until the page says that it listens, and what the microphone hears arrives once more."""
    await until(page, f"{STATUS} === 'Listening' && !duologue.notice")
    quiet = len(session.heard)
    async with asyncio.timeout(DEADLINE):
        while not any(session.heard[quiet:]):
            await asyncio.sleep(0.01)


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


async def says(page: Page, status: str, title: str) -> None:
    """Wait until both stand there."""
    await until(page, f"{STATUS} === '{status}' && duologue.notice?.title === '{title}'")


def live() -> events.CallChanged:
    """The event after which a page may say that it listens."""
    return events.CallChanged(**at(0), state=CallState.LIVE, reason="start")


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
    async with opened(chromium, f"http://{address}/?keep=1&aec=0", lab=True) as page:
        yield page
