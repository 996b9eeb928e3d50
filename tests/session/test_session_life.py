"""How a session ends, and that nothing of it is left."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from duologue.agent import Reply, Turn
from duologue.conversation import effects
from duologue.conversation.config import ConversationConfig
from duologue.conversation.state import SessionState
from duologue.engine.tick import IDLE_TICKS
from duologue.errors import ConfigError, DuologueError, SessionNotActiveError
from duologue.session import AudioSink, ErrorRaised, SessionConfig, agent_writer, replies
from duologue.session import evidence as listening
from duologue.stt import Transcript
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech, FakeTurnModel
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.turn import Judgement

pytestmark = pytest.mark.anyio


async def test_a_session_lives_no_longer_than_its_timeout() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), config=SessionConfig(timeout=10.0)) as call:
        for _ in range(3):
            await call.say("Hello.")
        await call.silence(20.0)
        assert await call.session.wait_ended() == "timeout"
        assert call.session.state is SessionState.ENDED
        assert call.clock.now() == pytest.approx(10.0, abs=0.05)


async def test_a_session_without_turns_ends_after_its_idle_timeout() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), config=SessionConfig(idle_timeout=5.0)) as call:
        await call.silence(4.0)
        await call.say("Hello.")
        decided = call.clock.now()
        await call.silence(10.0)
        assert await call.session.wait_ended() == "idle_timeout"
        assert call.clock.now() - decided < 5.0


@pytest.mark.parametrize("lost_too", [False, True])
async def test_a_gap_that_ends_the_call_is_the_last_that_is_told(lost_too: bool) -> None:
    async with VirtualCall(ScriptedAgent("Yes."), config=SessionConfig(idle_timeout=5.0)) as call:
        call.session.skip_audio(100 * 16_000)
        if lost_too:
            call.session.process_audio(bytes(2))
            call.session.skip_audio(16_000)
        call.session.process_audio(bytes(3_200))
        call.engine.step()
        assert await call.session.wait_ended() == "idle_timeout"
        assert call.engine.active == 0
        assert not call.session.record.errors


async def test_a_session_that_was_never_started_can_be_closed() -> None:
    ended: list[str] = []
    call = VirtualCall(ScriptedAgent("Yes."), on_end=lambda _, record: ended.append(record.reason))
    await call.session.close("refused")
    assert ended == ["refused"]
    assert await call.session.wait_ended() == "refused"


async def test_a_session_ends_when_its_block_does_whatever_happens_in_it() -> None:
    call = VirtualCall(ScriptedAgent("Yes."))
    with pytest.raises(ZeroDivisionError):
        async with call:
            raise ZeroDivisionError
    assert call.session.state is SessionState.ENDED
    assert call.engine.active == 0


class Unsure:
    name = "unsure"

    def judge(self, text: str) -> Judgement:
        return Judgement(0.4, "unsure")


@pytest.mark.parametrize("moment", ["words", "thinking", "preparing", "speaking", "partial", "sound"])
async def test_close_leaves_no_task_and_no_thread(moment: str) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    stt = FakeSpeechToText(faults=[FOREVER] if moment in ("words", "partial") else [])
    answers: dict[str, list[Any]] = {"thinking": [FOREVER], "preparing": ["Well then, my friend. And", FOREVER]}
    agent = ScriptedAgent(answers.get(moment, "This is a long answer."), speculative=moment == "preparing")
    call = VirtualCall(
        agent,
        stt=stt,
        words=Unsure() if moment in ("preparing", "sound") else None,
        turn_model=FakeTurnModel(0.1) if moment == "sound" else None,
        config=SessionConfig(rules=ConversationConfig(partial_every=0.5 if moment == "partial" else 0.0)),
        on_end=lambda *_: None,
    )
    async with call:
        await call.speak("Hello there.")
        silence = {"words": 0.18, "partial": 0.0, "sound": 0.32, "preparing": 0.4}.get(moment, 0.8)
        await call.silence(silence, waits=False)
        expected = {"thinking": SessionState.PROCESSING, "speaking": SessionState.SPEAKING}
        assert call.session.state is expected.get(moment, SessionState.LISTENING)
        assert moment not in ("words", "thinking", "partial", "preparing") or asyncio.all_tasks() > tasks
        await call.session.hang_up()
        assert asyncio.all_tasks() == tasks
    assert {t for t in threading.enumerate() if t.name.startswith("duologue")} <= threads


async def test_close_waits_for_an_agent_to_tidy_up() -> None:
    tidied = []

    async def agent(text: str) -> AsyncIterator[str]:
        try:
            yield "Well then, my friend. And"
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.02)
            tidied.append(text)

    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(0.6)
    assert tidied == ["Hello."]


async def test_close_waits_for_replies_that_were_cut_off_before() -> None:
    tidied = []

    async def agent(text: str) -> AsyncIterator[str]:
        try:
            yield "Well then, my friend. And"
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.02)
            tidied.append(text)

    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(0.6)
        call.session.interrupt()
        await call.session.say("One moment.")
    assert tidied == ["Hello."]


class StubbornAgent:
    """Does not end when it is cancelled, until it is released."""

    speculative = False

    def __init__(self, release: asyncio.Event) -> None:
        self._release = release

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        await stubborn(self._release)
        yield ""


class StubbornStt(FakeSpeechToText):
    """The same."""

    def __init__(self, release: asyncio.Event) -> None:
        super().__init__()
        self._release = release

    async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
        await stubborn(self._release)
        return Transcript("")


async def stubborn(release: asyncio.Event) -> None:
    while not release.is_set():
        with suppress(asyncio.CancelledError):
            await release.wait()


@pytest.fixture
async def release(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    monkeypatch.setattr(replies, "CLOSING", 0.02)
    monkeypatch.setattr(listening, "CLOSING", 0.02)
    event = asyncio.Event()
    yield event
    event.set()
    await asyncio.sleep(0)


async def test_close_does_not_wait_for_ever(release: asyncio.Event) -> None:
    async with VirtualCall(StubbornAgent(release), stt=StubbornStt(release)) as call:
        call.session.send_text("Hello.")
        await call.play(speak("Hello there, my friend."), waits=False)
        await call.silence(0.2, waits=False)
        await asyncio.sleep(0)
    assert [e.message for e in call.session.record.errors] == [
        "fake-stt did not let go of its work within 0.02 s.",
        "The agent did not let go of its answer within 0.02 s.",
    ]


async def test_what_lets_go_after_the_end_is_told_to_the_log_alone(
    release: asyncio.Event, caplog: pytest.LogCaptureFixture
) -> None:
    class FailingStt(StubbornStt):
        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            await super().transcribe(pcm)
            raise ConfigError("There is no such model.")

    async with VirtualCall(ScriptedAgent("Yes."), stt=FailingStt(release)) as call:
        await call.speak("Hello there, my friend.")
        await call.silence(0.3, waits=False)
    release.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(call.session.record.errors) == 1, "what close() told"
    (line,) = [m for m in caplog.messages if m.startswith(f"Session {call.session.id}, which had ended")]
    assert "invalid_config: ConfigError was raised." in line
    assert "There is no such model." not in line, "the words of code outside are not for the log"


async def test_a_call_whose_agent_never_lets_go_ends(release: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MAX_STUCK", 3)
    monkeypatch.setattr(agent_writer, "HANDOVER", 0.0)
    async with VirtualCall(StubbornAgent(release)) as call:
        for _ in range(5):
            call.session.send_text("Hello.")
            with suppress(SessionNotActiveError):
                await call.silence(0.6, waits=False)
    assert call.session.record.reason == "error"
    assert call.session.record.errors[0].message == "The agent or the voice holds on to 4 answers that were cancelled."


async def test_a_call_whose_provider_never_lets_go_ends(
    release: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_STUCK", 3)
    async with VirtualCall(ScriptedAgent([]), stt=StubbornStt(release)) as call:
        for ask in range(100, 104):
            call.session._evidence.request_transcript(effects.RequestTranscript(ask, 0, 0, 16_000), 1.0)
            await asyncio.sleep(0)
            call.session._evidence.drop(ask)
    assert call.session.record.reason == "error"
    assert call.session.record.errors[0].message == "fake-stt holds on to 3 pieces of work that were cancelled."


async def test_at_most_five_tasks_at_any_moment() -> None:
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    most = 0

    def counting(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal most
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        most = max(most, len(asyncio.all_tasks() - before))
        return task

    loop.set_task_factory(counting)
    answer = ["This is the first part of it. ", 0.001, "And this is the second part. ", 0.001, "There you are then."]
    agent = ScriptedAgent(answer, speculative=True)
    stt = FakeSpeechToText(faults=[0.002] * 1000)
    tts = FakeTextToSpeech(faults=[0.002] * 1000)
    async with VirtualCall(
        agent, stt=stt, tts=tts, words=Unsure(), turn_model=FakeTurnModel(0.3, 0.6, 0.2, 0.9), on_turn=lambda *_: None
    ) as call:
        await call.session.say("Welcome to this long and winding call.")
        await call.say("I would like a table please")
        await call.speak("for four, no, five people")
        await call.silence(0.4)
        await call.speak("at seven")
        await call.silence(2.0)
        await call.speak("wait a moment please, I have another question")
        await call.silence(0.2)
        await call.say("for you, if you do not mind")
        call.session.send_text("And typed.")
        await call.settle()
        assert len(call.turns) >= 4
        assert call.session.record.interruptions >= 1
    loop.set_task_factory(None)
    assert 2 <= most <= 5
    assert asyncio.all_tasks() == before


async def test_a_sink_that_fails_ends_its_call() -> None:
    class Sink(AudioSink):
        def send(self, pcm: bytes, position: int, generation: int) -> None:
            raise BrokenPipeError

        def flush(self, generation: int) -> None:
            raise BrokenPipeError

    async with VirtualCall(ScriptedAgent("Yes."), sink=Sink()) as call:
        await call.say("Hello.")
        assert await call.session.wait_ended() == "sink_failed"
        assert call.one(ErrorRaised).code == "stream_error"
        assert call.session.state is SessionState.ENDED


async def test_a_session_that_breaks_tells_why_and_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.speak("Hello.")

        def broken(*_: Any) -> Any:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(call.session._input.hearing, "discard", broken)
        for _ in range(IDLE_TICKS):
            call.engine.step()
        assert await call.session.wait_ended() == "error"
        error = call.one(ErrorRaised)
        assert error.code == DuologueError.code
        assert "ZeroDivisionError" in error.message
        assert "secret" not in error.message + error.hint
        assert "a secret" in caplog.text
        assert call.engine.active == 0


async def test_a_call_without_a_sink_is_still_a_call() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), sink=None) as call:
        await call.say("Hello.")
        assert call.heard == ["Yes."]
