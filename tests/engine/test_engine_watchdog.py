"""A loop that is held up is noticed, and who holds it up is named."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from duologue.engine import Engine, EngineConfig
from duologue.engine.watchdog import MAX_FRAMES, LoopWatchdog, _culprit
from duologue.errors import ConfigError
from duologue.session import VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd

pytestmark = pytest.mark.anyio

LIMIT = 0.3
DEADLINE = 20.0


def hold_up_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def until(said: str, log: pytest.LogCaptureFixture, times: int = 1) -> None:
    async with asyncio.timeout(DEADLINE):
        while sum(said in record.getMessage() for record in log.records) < times:
            await asyncio.sleep(0.02)


def engine() -> Engine:
    return Engine(vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(stall_warning=LIMIT))


async def block_in_agent(text: str) -> str:
    hold_up_the_loop(4 * LIMIT)
    return "Yes."


def block_in_hook(session: VoiceSession) -> None:
    hold_up_the_loop(4 * LIMIT)


@pytest.mark.parametrize("place", ["agent", "hook"])
async def test_a_session_that_holds_up_all_is_named_with_the_place(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    agent: Any = block_in_agent if place == "agent" else ScriptedAgent("Yes.")
    hook: Callable[..., None] | None = block_in_hook if place == "hook" else None
    async with engine() as running:
        session = VoiceSession(
            engine=running, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=agent, on_start=hook
        )
        with caplog.at_level(logging.WARNING, "duologue.engine.watchdog"):
            async with session:
                session.send_text("Hello.")
                await until("goes on after", caplog)
        assert running.stalls.count >= 1
        assert running.stalls.worst >= LIMIT
    record: Any = next(record for record in caplog.records if "held up" in record.getMessage())
    told = record.getMessage()
    assert (record.fields["event"], record.fields["call"]) == ("event_loop.blocked", session.id)
    assert f"of the session {session.id}" in told
    assert f"in block_in_{place}" in told
    assert "in hold_up_the_loop" in told
    assert "time.sleep(seconds)" in told
    assert told.count("File ") <= MAX_FRAMES


async def test_reports_are_rare_and_count_what_they_leave_out(caplog: pytest.LogCaptureFixture) -> None:
    dog = LoopWatchdog(asyncio.get_running_loop(), limit=LIMIT, session_of=lambda _: None)
    try:
        with caplog.at_level(logging.WARNING, "duologue.engine.watchdog"):
            for number in range(1, 4):
                hold_up_the_loop(3 * LIMIT)
                async with asyncio.timeout(DEADLINE):
                    while dog.stalls.count < number or not dog._answered:
                        await asyncio.sleep(0.02)
            assert sum("has been held up" in record.getMessage() for record in caplog.records) == 1
            dog._quiet_until = 0.0
            hold_up_the_loop(3 * LIMIT)
            await until("has been held up", caplog, times=2)
        assert any("held up 2 times more" in record.getMessage() for record in caplog.records)
    finally:
        dog.close()
    assert not dog._thread.is_alive()


async def test_a_process_that_stood_still_as_a_whole_is_not_blamed_on_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dog = LoopWatchdog(asyncio.get_running_loop(), limit=LIMIT, session_of=lambda _: None)
    dog.close()
    dog._answered, dog._asked_at = False, 100.0
    dog._look(110.0, 9.9)
    assert dog.stalls.count == 0
    dog._look(110.1, 0.0)
    assert dog.stalls.count == 0
    dog._look(110.5, 0.0)
    assert dog.stalls.count == 1


async def test_it_can_be_turned_off() -> None:
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(stall_warning=0.0)) as running:
        assert running._watchdog is None
    with pytest.raises(ConfigError, match="stall_warning"):
        EngineConfig(stall_warning=-1.0)


async def test_a_report_on_a_thread_that_has_ended_has_no_stack(caplog: pytest.LogCaptureFixture) -> None:
    dog = LoopWatchdog(asyncio.get_running_loop(), limit=LIMIT, session_of=lambda _: None)
    dog.close()
    dog._watched = -1
    with caplog.at_level(logging.WARNING, "duologue.engine.watchdog"):
        dog._report(0.7, dog._stack())
    told = caplog.records[-1].getMessage()
    assert "held up for 0.7 s" in told
    assert "File " not in told


async def test_the_function_of_the_application_that_blocked_is_counted() -> None:
    async with engine() as running:
        hold_up_the_loop(4 * LIMIT)
        async with asyncio.timeout(DEADLINE):
            while not running.telemetry.blocks:
                await asyncio.sleep(0.02)
        (block,) = running.telemetry.blocks
        counted = running.telemetry.metrics.snapshot()["voice.event_loop.blocks"]
    assert block["code"] == f"{__name__}.hold_up_the_loop"
    assert block["seconds"] >= 2 * LIMIT
    assert counted == {(block["code"],): 1}


def test_a_thread_without_code_is_named_so() -> None:
    assert _culprit([]) == "unknown"
