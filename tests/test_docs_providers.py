"""The examples of docs/providers.md do what the page says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from duologue.session import ErrorRaised
from duologue.session.reopening import COOLDOWN_S, MAX_EVENTS, MAX_OPENED, MAX_REPLAY
from duologue.stt import SttCapabilities
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

PAGE, _, VOICES = (Path(__file__).parent.parent / "docs" / "providers.md").read_text("utf-8").partition("## A voice")
BATCH, TEST = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(VOICE,) = re.findall(r"^```python\n(.*?)^```", VOICES, re.DOTALL | re.MULTILINE)


def names(source: str, **given: Any) -> dict[str, Any]:
    """What an example defines."""
    defined: dict[str, Any] = given
    exec(compile(source, "providers.md", "exec"), defined)
    return defined


@pytest.mark.anyio
async def test_a_batch_recognizer_needs_one_method() -> None:
    async def ask_my_service(pcm: bytes) -> str:
        return "A table for four."

    stt = names(BATCH, ask_my_service=ask_my_service)["MySpeechToText"]()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("whatever")
        assert [t.user_text for t in call.turns] == ["A table for four."]


@pytest.mark.anyio
async def test_a_voice_of_ones_own() -> None:
    class Service:
        """Sends words with their place, and then their audio."""

        async def speak(self, text: AsyncIterable[str]) -> AsyncIterator[SimpleNamespace]:
            pcm = speak("".join([piece async for piece in text]), 24_000)
            words = [SimpleNamespace(text="For when?", start=0.0, end=len(pcm) / 48_000)]
            yield SimpleNamespace(words=words, audio=pcm)

    voice = names(VOICE)["MyVoice"](Service())
    async with VirtualCall(ScriptedAgent("For when?"), tts=voice) as call:
        await call.say("A table, please.")
        assert call.heard == ["For when?"]
        assert call.sounded == "For when?"
        assert call.of(ErrorRaised) == []


@pytest.mark.anyio
async def test_the_test_passes() -> None:
    await names(TEST, my_agent=ScriptedAgent("Yes."))["test_the_caller_is_heard_although_the_connection_breaks"]()


def test_the_page_has_every_capability_and_the_limits() -> None:
    rows = " ".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))
    assert {f.name for f in fields(SttCapabilities)} == set(re.findall(r"`(\w+)`", rows))
    text = " ".join(PAGE.split())
    assert f"at most {MAX_REPLAY // 16_000} s" in text
    assert f"at most {MAX_OPENED - 1} times in a call" in text
    assert f"not within {COOLDOWN_S:g} s" in text
    assert f"more than {MAX_EVENTS} events in a second" in text
