"""The operations page in a real browser, beside a call over fakes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from console_page import browser, opened

from duologue.client import Conversation, connect
from duologue.errors import ProviderUnavailableError
from duologue.resilience.breaker import BREAKERS, BreakerKey
from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import make_token
from duologue.testing.spoken import speak
from duologue.wire import messages as wire
from serving import heard, serving, use_fakes

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FRAME = 640


async def agent(text: str) -> str:
    return f"You said: {text}"


async def ask_aloud(call: Conversation, text: str) -> str:
    """Speak at the pace of a microphone, and return the answer."""

    async def microphone() -> None:
        pcm = speak(text) + bytes(FRAME * 400)
        for at in range(0, len(pcm), FRAME):
            await call.send_audio(pcm[at : at + FRAME])
            await asyncio.sleep(0.02)

    speaking = asyncio.create_task(microphone())
    try:
        return await heard(call)
    finally:
        speaking.cancel()


async def test_it_shows_a_call_and_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    breaker = BREAKERS.get(BreakerKey("stt", "deepgram", "api.example", "KEY"))
    for _ in range(2):
        breaker.enter().failed(ProviderUnavailableError("Down.", provider="deepgram"))
    async with browser() as chromium, serving(agent, log_words=True) as stream, connect(stream) as call:
        assert await ask_aloud(call, "Is it open?") == "You said: Is it open?"
        address = stream.replace("ws", "http").removesuffix("/v1/stream")
        async with opened(chromium, f"{address}/ops", viewport={"width": 1100, "height": 900}) as page:
            await page.wait_for_selector("#calls a")
            assert await page.inner_text("#status") == "1 process, ready"
            assert (await page.inner_text("#calls tbody td:nth-child(2)"), await page.inner_text("#figures dd")) == (
                "default",
                "1",
            )
            assert await page.locator("#slowest tbody tr").count() == 1
            assert await page.locator("#slowest .parts i").count() >= 2
            assert await page.locator("#latency circle").count() >= 2
            shown = await page.inner_text("#providers")
            assert "deepgram" in shown
            assert "\topen\t" in shown
            used = await page.inner_text("#usage")
            assert "text to speech" in used
            assert "$0.0000" in used  # of a model of this machine
            # What has not changed stays where it is: a selection is not lost, and nothing flickers.
            await page.evaluate("window.kept = document.querySelector('#slowest tbody tr')")
            async with page.expect_response("**/ops"):
                pass
            assert await page.evaluate("window.kept === document.querySelector('#slowest tbody tr')")

            await page.click("#calls a")
            await page.wait_for_selector("#call-turns li")
            assert await page.inner_text("#call-turns .user") == "Is it open?"
            assert "text to speech" in await page.inner_text("#call-usage")
            assert await page.inner_text("#call-turns p.agent") == "You said: Is it open?"
        async with opened(chromium, f"{address}/ops", viewport={"width": 360, "height": 800}) as phone:
            await phone.wait_for_selector("#calls a")
            assert await phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await call.end()
        async for message in call:
            assert not isinstance(message, wire.Error)
        async with httpx.AsyncClient(trust_env=False) as client:
            left = (await client.get(f"{address}/ops")).json()
        assert left["calls"] == []


async def test_words_are_kept_from_operators_unless_they_may_be_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    async with serving(agent) as stream, connect(stream) as call, httpx.AsyncClient(trust_env=False) as client:
        assert await heard(call, "My secret.") == "You said: My secret."
        address = stream.replace("ws", "http").removesuffix("/v1/stream")
        (row,) = (await client.get(f"{address}/ops")).json()["calls"]
        page: dict[str, Any] = (await client.get(f"{address}/ops/calls/{row['id']}")).json()
        assert (page["turns"], page["words_are_shown"]) == (1, False)
        assert "secret" not in str(page)
        gone = await client.get(f"{address}/ops/calls/nobody")
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_it_asks_for_a_token_where_the_server_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fakes(monkeypatch)
    add_key(tmp_path / "keys")
    token = make_token(KeyFile(tmp_path / "keys"), scopes=["ops"])
    async with browser() as chromium, serving(agent, security=Security(keys=tmp_path / "keys")) as stream:
        address = stream.replace("ws", "http").removesuffix("/v1/stream")
        async with opened(chromium, f"{address}/ops", lost=True) as page:
            await page.wait_for_selector("#login:not([hidden])")
            assert await page.is_hidden("#overview")
            await page.fill("#token", token)
            await page.press("#token", "Enter")
            await page.wait_for_selector("#overview:not([hidden])")
            assert await page.inner_text("#status") == "1 process, ready"
            assert await page.is_hidden("#login")
