"""What a transport and an application may call, when, and what comes of it."""

import asyncio
from typing import Any

import numpy as np
import pytest

from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.engine import Engine, EngineConfig
from duologue.errors import (
    ConfigError,
    InvalidAudioError,
    InvalidStateError,
    OverloadedError,
    SessionAlreadyActiveError,
    SessionNotActiveError,
)
from duologue.session import ErrorRaised, SessionConfig, VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, FakeTurnModel, PeakVad, SentenceEnd
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


def unstarted(**options: Any) -> VirtualCall:
    return VirtualCall(ScriptedAgent("Yes."), **options)


# --- sound comes in ---


async def test_sound_is_taken_from_all_that_holds_bytes_and_from_nothing_else() -> None:
    async with unstarted() as call:
        samples = np.arange(320, dtype="<i2")
        for data in (bytearray(640), memoryview(samples.tobytes()).cast("h"), memoryview(samples.tobytes())):
            assert call.session.process_audio(data) == 640  # type: ignore[arg-type]  # as transports have it
        assert call.session.accepted == 3 * 320
        with pytest.raises(InvalidAudioError, match="came as ndarray; expected bytes"):
            call.session.process_audio(samples)  # type: ignore[arg-type]  # a mistake
        assert call.session.accepted == 3 * 320


async def test_sound_is_accepted_in_pieces_of_any_whole_length() -> None:
    async with unstarted() as call:
        assert [call.session.process_audio(bytes(n)) for n in (0, 2, 32, 640, 1280, 3200)] == [
            0,
            2,
            32,
            640,
            1280,
            3200,
        ]
        assert call.session.accepted == (2 + 32 + 640 + 1280 + 3200) // 2


async def test_sound_that_waits_too_long_makes_room_for_what_comes() -> None:
    async with unstarted() as call:
        assert call.session.process_audio(bytes(30_000)) == 30_000
        assert call.session.process_audio(bytes(4_000)) == 2_000
        assert call.session.process_audio(bytes(4_000)) == 0
        call.engine.step()
        gap = call.one(events.AudioGap)
        assert (gap.start, gap.end, gap.reason) == (0, 3_000, "dropped")
        assert call.session.record.missing == pytest.approx(3_000 / 16_000)


async def test_a_session_that_is_as_late_as_it_may_be_catches_up() -> None:
    async with unstarted() as call:
        call.session.process_audio(bytes(32_000))
        for _ in range(30):  # one tick a chunk, and each chunk drops as much as it brings
            call.session.process_audio(bytes(640))
            call.engine.step()
        assert call.session._input.hearing.lag < 512
        assert call.session.record.missing < 0.1


@pytest.mark.parametrize("size", [1, 639])
async def test_half_a_sample_is_refused_and_nothing_is_taken(size: int) -> None:
    async with unstarted() as call:
        with pytest.raises(InvalidAudioError, match=f"{size} bytes are not whole"):
            call.session.process_audio(bytes(size))
        assert call.session.accepted == 0


async def test_lost_sound_is_a_gap() -> None:
    async with unstarted() as call:
        call.session.skip_audio(8_000)
        call.session.process_audio(bytes(640))
        call.session.skip_audio(0)  # which is none
        call.engine.step()
        gap = call.one(events.AudioGap)
        assert (gap.start, gap.end, gap.reason) == (0, 8_000, "lost")
        assert call.engine.vad.resets == [call.session.vad_row]  # type: ignore[attr-defined]  # it is a PeakVad
        with pytest.raises(ConfigError):
            call.session.skip_audio(-1)


async def test_a_file_is_fed_as_fast_as_it_is_understood() -> None:
    async with unstarted() as call:
        feeding = asyncio.create_task(call.session.feed(bytes(3 * 32_000)))
        while not feeding.done():
            call.engine.step()
            await asyncio.sleep(0.001)
            assert call.session.accepted / 16_000 <= call.session._input.hearing.position / 16_000 + 1.0
        assert call.session.accepted == 48_000
        assert call.of(events.AudioGap) == []


# --- before, in and after its life ---


@pytest.mark.parametrize(
    "call_of",
    [
        lambda s: s.process_audio(bytes(640)),
        lambda s: s.skip_audio(1),
        lambda s: s.interrupt(),
        lambda s: s.clear_buffers(),
        lambda s: s.begin_turn(),
        lambda s: s.end_turn(),
        lambda s: s.send_text("Hello."),
    ],
)
async def test_nothing_is_taken_before_the_start_and_after_the_end(call_of: Any) -> None:
    call = unstarted()
    with pytest.raises(SessionNotActiveError, match="is initial"):
        call_of(call.session)
    with pytest.raises(SessionNotActiveError, match="is initial"):
        await call.session.say("Hello.")
    async with call:
        pass
    with pytest.raises(SessionNotActiveError, match="is ended"):
        call_of(call.session)
    with pytest.raises(SessionNotActiveError, match="is ended"):
        await call.session.say("Hello.")


async def test_a_session_starts_once() -> None:
    async with unstarted() as call:
        with pytest.raises(SessionAlreadyActiveError, match="started before"):
            await call.session.__aenter__()
    with pytest.raises(SessionAlreadyActiveError):
        await call.session.__aenter__()


async def test_a_session_that_is_refused_may_try_again() -> None:
    async with unstarted(engine=EngineConfig(max_sessions=1)) as call:
        other = VoiceSession(
            engine=call.engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent("Yes.")
        )
        with pytest.raises(OverloadedError):
            await other.__aenter__()
        assert str(other.state) == "initial"
        await call.session.close()
        async with other:
            assert str(other.state) == "listening"


async def test_its_state_is_one_word() -> None:
    agent = ScriptedAgent(["One moment please. And", 0.05, " so on."])
    call = VirtualCall(agent)
    states = [str(call.session.state)]
    async with call:
        states.append(str(call.session.state))
        call.session.send_text("Hello.")
        states.append(str(call.session.state))
        await call.silence(0.1)
        states.append(str(call.session.state))
        await call.settle()
        await call.silence(15.5)
        states.append(str(call.session.state))
    states.append(str(call.session.state))
    assert states == ["initial", "listening", "processing", "speaking", "away", "ended"]


async def test_the_rate_of_the_output_is_that_of_the_voice() -> None:
    assert unstarted(tts=FakeTextToSpeech(rate=16_000)).session.output_rate == 16_000


# --- say ---


async def test_what_is_said_can_be_waited_for() -> None:
    async with unstarted() as call:
        handle = await call.session.say("Welcome to the show.")
        waiting = asyncio.create_task(handle.wait_for_playout())
        await call.silence(0.5)
        assert not waiting.done()
        await call.settle()
        await waiting
        assert (handle.heard, handle.interrupted) == ("Welcome to the show.", False)
        assert call.heard == ["Welcome to the show."]


async def test_what_is_said_waits_for_the_floor_and_keeps_its_order() -> None:
    async with unstarted() as call:
        await call.speak("Hello the")
        first, second = await call.session.say("First thing."), await call.session.say("Second thing.")
        await call.say("re.")
        assert call.heard == ["First thing.", "Second thing.", "Yes."]
        await first.wait_for_playout()
        await second.wait_for_playout()


async def test_only_so_much_may_wait_to_be_said() -> None:
    config = SessionConfig(rules=ConversationConfig(max_queued_says=2))
    async with unstarted(config=config) as call:
        handles = [await call.session.say(f"Number {i}.") for i in range(3)]  # one speaks, two wait
        with pytest.raises(InvalidStateError, match="2 texts wait"):
            await call.session.say("One too many.")
        await call.settle()
        assert [h.heard for h in handles] == call.heard == ["Number 0.", "Number 1.", "Number 2."]
        assert (await call.session.say("And again.")).heard == ""
        await call.settle()
        assert call.heard[-1] == "And again."


async def test_what_cannot_be_said_is_over_at_once() -> None:
    async with unstarted() as call:
        for text in ("", "...", " \n"):
            handle = await call.session.say(text)
            await call.settle()
            await asyncio.wait_for(handle.wait_for_playout(), 10.0)
            assert (handle.heard, handle.interrupted) == ("", True)


async def test_what_the_voice_fails_to_say_is_over() -> None:
    tts = FakeTextToSpeech(faults=[ZeroDivisionError()])
    async with unstarted(tts=tts) as call:
        handle = await call.session.say("Hello.")
        await call.settle()
        await asyncio.wait_for(handle.wait_for_playout(), 10.0)
        assert (handle.heard, handle.interrupted) == ("", True)


async def test_what_was_being_said_when_the_call_ends_is_over() -> None:
    call = unstarted()
    async with call:
        spoken = await call.session.say("This is the first part, and this is the second part of it.")
        waiting = await call.session.say("Never.")
        await call.silence(2.5)
    await spoken.wait_for_playout()
    await waiting.wait_for_playout()
    assert (spoken.heard, spoken.interrupted) == ("This is the first part,", True)
    assert (waiting.heard, waiting.interrupted) == ("", True)


async def test_clear_buffers_forgets_what_waits_to_be_said() -> None:
    async with unstarted() as call:
        await call.speak("Hello ther")
        handle = await call.session.say("By the way.")
        call.session.clear_buffers()
        assert handle.interrupted


async def test_an_announcement_may_be_uninterruptible() -> None:
    async with unstarted() as call:
        handle = await call.session.say("This call may be recorded for training.", interruptible=False)
        await call.silence(0.3)
        await call.say("What? No, please stop it right now.")
        assert (handle.heard, handle.interrupted) == ("This call may be recorded for training.", False)
        assert len(call.turns) == 1


async def test_a_greeting_is_said_first() -> None:
    config = SessionConfig(rules=ConversationConfig(greeting="Good morning!"))
    async with unstarted(config=config) as call:
        await call.settle()
        assert call.heard == ["Good morning!"]
        assert call.session.record.greeting == "Good morning!"
        await call.say("Hello.")
        assert call.heard == ["Good morning!", "Yes."]


# --- stop ---


async def test_interrupt_silences_the_agent_and_forgets_what_waits() -> None:
    async with unstarted() as call:
        spoken = await call.session.say("This is the first part, and this is the second part of it.")
        waiting = await call.session.say("Never.")
        await call.silence(2.5)
        call.session.interrupt()
        assert (spoken.heard, spoken.interrupted) == ("This is the first part,", True)
        assert (waiting.heard, waiting.interrupted) == ("", True)
        sounded = call.sounded
        await call.settle()
        assert call.sounded == sounded
        assert call.one(events.Interrupted).reason == "request"
        assert ("flush", 1) in call.sink.calls


async def test_interrupt_while_nobody_speaks_is_nothing() -> None:
    async with unstarted() as call:
        call.session.interrupt()
        assert call.of(events.Interrupted) == []


async def test_clear_buffers_forgets_both_sides() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent) as call:
        await call.speak("Forget what I have said.")
        call.session.clear_buffers()
        await call.settle()
        assert agent.turns == []
        await call.say("Hello again.")
        assert [turn.text for turn in agent.turns] == ["Hello again."]


# --- the button and the keyboard ---


async def test_with_a_button_only_the_button_makes_turns() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, config=SessionConfig(rules=ConversationConfig(turns="manual"))) as call:
        await call.say("Not for you.")
        assert agent.turns == []
        call.session.begin_turn()
        await call.speak("One two.")
        await call.silence(2.0)
        await call.speak("Three.")
        call.session.end_turn()
        await call.settle()
        assert [turn.text for turn in agent.turns] == ["One two. Three."]
        assert call.turns[0].end_reason == "manual"


async def test_the_button_is_pressed_and_let_go_in_turn() -> None:
    async with unstarted() as call:
        with pytest.raises(InvalidStateError, match="No turn has begun"):
            call.session.end_turn()
        call.session.begin_turn()
        with pytest.raises(InvalidStateError, match="begun already"):
            call.session.begin_turn()
        call.session.end_turn()


async def test_text_is_a_turn_like_any_other() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent) as call:
        call.session.send_text("  A table for four.  ")
        call.session.send_text("   ")
        await call.settle()
        assert [turn.text for turn in agent.turns] == ["A table for four."]
        assert call.turns[0].end_reason == "text"
        assert call.heard == ["Yes."]


async def test_only_so_many_texts_wait() -> None:
    async with unstarted() as call:
        await call.session.say("This call may be recorded.", interruptible=False)
        for i in range(8):
            call.session.send_text(f"Text {i}.")
        with pytest.raises(InvalidStateError, match="8 typed turns"):
            call.session.send_text("One more.")


# --- settings ---


def test_the_buffer_must_hold_an_utterance() -> None:
    with pytest.raises(ConfigError, match="max_buffer_bytes is 100000, and must be at least 640000"):
        SessionConfig(max_buffer_bytes=100_000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lead": 0.0}, "lead"),
        ({"lead": 2.0}, "lead"),
        ({"chunk": 0.03}, "in steps of"),
        ({"lead": 0.02, "chunk": 0.04}, "at least one chunk"),
        ({"agent_name": "x" * 41}, "agent_name has 41 characters"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"timeout": -1}, "timeout is -1"),
        ({"idle_timeout": "300"}, "idle_timeout is '300'"),
        ({"speech_timeout": None}, "speech_timeout is None"),
        ({"max_input_lag": 0.01}, "max_input_lag"),
        ({"echo": "sever"}, "echo"),
        ({"keep_alive_interval": 0.0}, "keep_alive_interval"),
        ({"rules": None}, "rules is None, and must be a ConversationConfig"),
        ({"rules": {"greeting": "Hi."}}, "must be a ConversationConfig"),
        ({"budget": None}, "budget is None, and must be a LatencyBudget"),
        ({"denoise": None}, "denoise is None, and must be a text"),
        ({"agent_name": None}, "agent_name is None, and must be a text"),
        ({"language": 5}, "language is 5, and must be a text"),
        ({"enable_keep_alive": "no"}, "enable_keep_alive is 'no', and must be True or False"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SessionConfig(**wrong)


def test_echo_on_the_server_needs_windows_that_it_can_explain() -> None:
    class Fine(PeakVad):
        window = 256

    engine = Engine(vad=Fine(), words=SentenceEnd(), paced=False)
    parts: dict[str, Any] = {
        "engine": engine,
        "stt": FakeSpeechToText(),
        "tts": FakeTextToSpeech(),
        "agent": ScriptedAgent("Yes."),
    }
    with pytest.raises(ConfigError, match="windows of 256 samples"):
        VoiceSession(**parts)
    VoiceSession(**parts, config=SessionConfig(echo="none"))


async def test_a_detector_may_have_windows_of_its_own() -> None:
    class Fine(PeakVad):
        window = 256

    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, vad=Fine(), config=SessionConfig(echo="none")) as call:
        await call.say("Hello there.")
    assert [turn.text for turn in agent.turns] == ["Hello there."]


@pytest.mark.parametrize("echo", ["server", "none"])
async def test_the_agents_own_voice_is_not_the_users(echo: Any) -> None:
    """It comes back through the microphone 100 ms later, almost as loud."""
    text = "This is a long answer that goes on for quite a while so that it may be heard."
    tts = FakeTextToSpeech(rate=16_000)
    async with VirtualCall(ScriptedAgent(text), tts=tts, config=SessionConfig(echo=echo)) as call:
        await call.speak("Hello.")
        for _ in range(500):
            out = np.frombuffer(call.sink.timeline(), np.int16)
            at = round((call.clock.now() - 0.1) * 16_000)
            frame = out[at : at + 320] if len(out) >= at + 320 else np.zeros(320, np.int16)
            await call.play((frame * 0.95).astype(np.int16).tobytes())
        if echo == "server":
            assert (call.heard, call.of(events.Interrupted)) == ([text], [])
        else:
            assert call.of(events.Interrupted)


async def test_the_parts_of_a_call_have_names() -> None:
    async with unstarted(turn_model=FakeTurnModel()) as call:
        assert call.session.components == {
            "vad": "peak",
            "stt": "fake-stt",
            "words": "sentence-end",
            "turn_model": "fake-turn",
            "responder": "fake-tts",
        }
        assert call.session.dropped == 0


async def test_a_session_that_cannot_go_on_ends_without_the_words_of_the_error() -> None:
    async with unstarted() as call:
        call.session.broken(ZeroDivisionError("secret"))
        error = call.one(ErrorRaised)
        assert (error.code, error.message) == ("error", "The session broke off: ZeroDivisionError.")
        assert await call.session.wait_ended() == "error"


async def test_who_waits_for_progress_is_woken_by_it() -> None:
    async with unstarted() as call:
        waiting = asyncio.create_task(call.session.progress())
        await asyncio.sleep(0)
        assert not waiting.done()
        call.session.send_text("Hello.")
        await waiting


async def test_what_a_transport_watches_it_is_told_to_the_end() -> None:
    told: list[Any] = []
    async with unstarted() as call:
        call.session.watch(told.append, told.append)
        await call.say("Hello.")
    assert told[-1] == "closed"
    assert told[:-1] == call.events[-len(told) + 1 :]


async def test_settings_change_without_a_voice() -> None:
    config = SessionConfig(rules=ConversationConfig())
    async with unstarted(config=config) as call:
        call.session.configure(barge_in=False)
        await call.session.say("This is the first part, and this is the second part of it.")
        await call.silence(0.5)
        await call.say("Wait, I have another question.")
        assert call.of(events.Interrupted) == []
        with pytest.raises(ConfigError, match="There is no voice 'alto' here"):
            call.session.configure(voice="alto")
