"""Providers open their connections before calls come, and are closed after the last."""

from __future__ import annotations

import asyncio

import pytest

import duologue
from duologue.errors import AuthenticationError
from duologue.testing.fakes import FakeSpeechToText
from serving import DEADLINE, PATIENT, use_fakes

pytestmark = pytest.mark.anyio


class Service(FakeSpeechToText):
    """A recognizer that notes what is done with it."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__("Hello.")
        self.seen: list[str] = []
        self._fault = fault

    async def warm(self) -> None:
        self.seen.append("warm")
        if self._fault is not None:
            raise self._fault

    async def aclose(self) -> None:
        self.seen.append("closed")


async def agent(text: str) -> str:
    return "Yes."


async def served(stt: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a server says that is started with this recognizer, and stopped."""
    use_fakes(monkeypatch)
    lines: list[str] = []
    ready = asyncio.Event()

    def note(address: str, seconds: float) -> None:
        stt.seen.append("ready")
        ready.set()

    def make() -> Service:
        return stt

    serving = asyncio.create_task(
        duologue.aserve(agent, stt=make, port=0, say=lines.append, on_ready=note, engine=PATIENT)
    )
    async with asyncio.timeout(DEADLINE):
        await ready.wait()
        serving.cancel()
        await asyncio.wait([serving])
    return lines


async def test_a_provider_is_warm_before_calls_come_and_closed_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = Service()
    await served(stt, monkeypatch)
    assert stt.seen == ["warm", "ready", "closed"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            AuthenticationError("fake-stt does not accept the key."),
            "stt is not ready: fake-stt does not accept the key.",
        ),
        (TimeoutError(), "stt was not ready within 10 s"),
        (RuntimeError("a secret"), "stt failed to get ready: RuntimeError."),
    ],
)
async def test_a_provider_that_cannot_get_ready_is_a_warning(
    fault: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stt = Service(fault)
    lines = await served(stt, monkeypatch)
    assert [line for line in lines if line.startswith(f"warning: {told}")]
    assert stt.seen == ["warm", "ready", "closed"]
    assert "secret" not in "".join(lines)
