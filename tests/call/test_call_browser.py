"""A person at a real browser books a table with the real server and real models, and interrupts it on the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from duologue.audio.resample import resample
from duologue.audio.wav import write_wav
from duologue.settings.local import LocalModels
from duologue.testing.wer import word_errors
from voice import Voice

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.models]

PATIENCE = 90.0
"""Seconds that anything may take; the whole conversation takes about 30."""


@asynccontextmanager
async def served(port: int) -> AsyncIterator[str]:
    """`duologue serve`, as a user starts it; ended with the signal that Ctrl-C sends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "duologue", "serve", "--port", str(port), env={**os.environ, "COLUMNS": "200"},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
            while True:
                assert process.returncode is None, (await process.stderr.read()).decode() if process.stderr else ""
                try:
                    if (await client.get(f"{address}/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        yield address
    finally:
        process.send_signal(2)
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert "Traceback" not in errors.decode()


@asynccontextmanager
async def page_with_microphone(address: str, microphone: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}%noloop",
            ],
        )
        page = await chromium.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        await page.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective))"
        )
        await page.goto(f"{address}/?keep=1&aec=0")
        yield page
        assert not faults
        assert await page.evaluate("violations") == []
        await chromium.close()


async def messages(page: Page, kind: str) -> list[dict[str, Any]]:
    found = await page.evaluate("kind => duologue.log.filter(({type}) => type === kind)", kind)
    assert isinstance(found, list)
    return found


async def received(page: Page, generation: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The sound of one reply, as it came to the page, at 16 kHz."""
    samples = await page.evaluate(
        """generation => duologue.audio.filter(f => f.generation === generation)
           .flatMap(f => Array.from(f.samples))""",
        generation,
    )
    return resample(np.array(samples, np.int16), 24_000, 16_000)


class Caller:
    """Speaks into the page's microphone: each sentence is a file, which the browser plays from its start when another
    of its microphones is chosen.
    """

    def __init__(self, page: Page, microphone: Path, voice: Voice) -> None:
        self._page = page
        self._microphone = microphone
        self._voice = voice
        self._said = 0

    async def say(self, text: str) -> None:
        sound = self._voice.script(0.5, text, 0.5)
        write_wav(self._microphone, sound.tobytes(), 16_000)
        self._said += 1
        await self._page.select_option("#input", index=1 + self._said % 2)

    async def hear(self, replies: int) -> None:
        """Listen until so many replies, the greeting among them, have been heard to their end."""
        heard = "duologue.log.filter(m => m.type === 'agent.heard' && !m.interrupted).length"
        await self._until(f"{heard} >= {replies}")

    async def listen(self, seconds: float) -> None:
        """Listen to so much of the next reply."""
        sounded = "duologue.marks.at(-1) ?? 0"
        end = await self._page.evaluate(sounded) + seconds * 24_000
        await self._until(f"({sounded}) >= {end}")

    async def _until(self, expression: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await self._page.evaluate(expression):
                await asyncio.sleep(0.05)


async def test_a_table_is_booked_in_a_browser(
    models: LocalModels, voice: Voice, tmp_path: Path, unused_port: int
) -> None:
    microphone = tmp_path / "caller.wav"
    write_wav(microphone, voice.script(1.0).tobytes(), 16_000)

    async with served(unused_port) as address, page_with_microphone(address, microphone) as page:
        caller = Caller(page, microphone, voice)
        await page.keyboard.press("s")  # The settings, where the microphone is chosen.
        await page.keyboard.press("t")
        await caller.hear(1)
        await caller.say("I would like to book a table for four people, on Friday evening at seven thirty.")
        await caller.listen(0.8)
        await caller.say("No, wait, make that five people please.")
        await caller.hear(2)
        await caller.say("My name is Anna Smith.")
        await caller.hear(3)
        await caller.say("Yes, that is right.")
        async with asyncio.timeout(PATIENCE):
            while not await messages(page, "ended"):
                await asyncio.sleep(0.05)
        assert not await messages(page, "error")
        assert (await messages(page, "ended"))[0]["reason"] == "booked"

        # The words of both sides are shown.
        finals = [m["text"] for m in await messages(page, "transcript.final")]
        shown = await page.inner_text("#transcript")
        assert len(finals) >= 4
        assert all(text in shown for text in finals)
        spoken = " ".join(finals).lower()
        assert all(word in spoken for word in ("table", "friday", "five", "smith"))

        # What the agent said and nobody heard is shown as that, and each answered turn has its times.
        assert await page.inner_text(".unheard")
        assert await page.evaluate("document.querySelectorAll('.latency .stages').length") >= 3
        assert await page.evaluate("duologue.meters") > 100

        # What came as sound is what the agent said.
        heard = [m for m in await messages(page, "agent.heard") if not m["interrupted"]]
        errors = words = 0
        for message in heard:
            sound = await received(page, message["generation"])
            text = models.stt.run([sound.astype(np.float32) / np.float32(32768)])[0]
            wrong, said = word_errors(message["said"], text)
            errors += wrong
            words += said
        assert len(heard) >= 3
        assert errors / words < 0.15

        # The interruption stopped the voice: the rest was not heard, and nothing of it came any more.
        log = await page.evaluate("duologue.log")
        cut = next(m for m in await messages(page, "agent.heard") if m["interrupted"])
        assert len(cut["text"]) < len(cut["said"])
        assert any(m["type"] == "pause" and m["generation"] == cut["generation"] for m in log)
        assert any(m["type"] == "interrupted" and m["generation"] == cut["generation"] for m in log)
        assert all(m["gaps"] == 0 and m["duplicates"] == 0 for m in await messages(page, "ack"))
        assert await messages(page, "latency")
