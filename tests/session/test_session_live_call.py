"""What an agent does to its call from a turn: say, play, change settings, hand over, end."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import pytest

from duologue.agent import CallInfo, EndCall, Reply, Turn
from duologue.agent.llm import LLMAgent
from duologue.audio.wav import write_wav
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.question import Expected
from duologue.errors import AgentError, ConfigError, InvalidAudioError, InvalidStateError, SessionNotActiveError
from duologue.session import ErrorRaised, HandedOver, SessionConfig, ToolCalled, VoiceSession
from duologue.session.recorded import MAX_PLAY_S
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
from duologue.testing.openai_server import OpenAIServer, calls, says
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice
from duologue.tts import TtsCapabilities

pytestmark = pytest.mark.anyio


def wav(text: str, rate: int = 16_000) -> bytes:
    """A file that says this."""
    file = io.BytesIO()
    write_wav(file, speak(text, rate=rate), rate)
    return file.getvalue()


class Desk:
    """Hands over when it is asked for somebody, and counts its turns."""

    speculative = False

    def __init__(self) -> None:
        self.turns = 0
        self.closed = False

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        self.turns += 1
        if "billing" in turn.text:
            yield "One moment. "
            await turn.call.hand_over("billing")
            yield "I connect you."
        else:
            yield f"Desk, turn {self.turns}."

    async def aclose(self) -> None:
        self.closed = True


class Billing(Desk):
    speculative = True
    greeting = "Billing here."

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        if "back" in turn.text:
            await turn.call.hand_over("default", greeting="")
            yield "Goodbye."
        else:
            yield f"I know: {' / '.join(message.text for message in turn.history)}"


async def test_another_agent_takes_over_and_knows_what_was_heard() -> None:
    desk, billing = Desk(), Billing()
    async with VirtualCall(desk, agents={"default": desk, "billing": lambda: billing}) as call:
        await call.say("Hello.")
        await call.say("To billing, please.")
        await call.say("What do you know?")
        await call.say("Now back, please.")
        await call.say("Hello again.")
        assert call.heard == [
            "Desk, turn 1.",
            "One moment. I connect you.",
            "Billing here.",
            "I know: Hello. / Desk, turn 1. / To billing, please. / One moment. I connect you. / Billing here.",
            "Goodbye.",
            "Desk, turn 3.",  # the first agent, with its state
        ]
        assert [event.agent for event in call.of(HandedOver)] == ["billing", "default"]
        assert list(call.session.record.agents) == ["billing", "default"]
        assert call.session.agent_name == "default"
        assert call.of(ErrorRaised) == []
    assert desk.closed
    assert billing.closed


async def test_the_new_agent_is_given_the_call_and_speculates_as_it_declares() -> None:
    given: list[CallInfo] = []

    class Late(Billing):
        def __init__(self, call: CallInfo) -> None:
            super().__init__()
            given.append(call)

    async with VirtualCall(Desk, agents={"billing": Late}, call=CallInfo(id="c1", metadata={"order": 7})) as call:
        await call.say("To billing, please.")
        assert call.of(events.SpeculationStarted) == []
        await call.say("What do you know?")
        assert len(call.of(events.SpeculationStarted)) == 1
        assert call.session.id == "c1"
    (info,) = given
    assert (info.id, info.agent, info.metadata) == ("c1", "billing", {"order": 7})


async def test_an_agent_that_may_stay_silent_hands_over_without_a_word() -> None:
    class Router(Desk):
        may_stay_silent = True

        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            await turn.call.hand_over("billing")
            if turn.text == "Speak.":
                yield "Yes."

    async with VirtualCall(Router, agents={"billing": Billing}) as call:
        await call.say("To billing, please.")
        assert call.heard == ["Billing here."]
        assert call.of(ErrorRaised) == []


@pytest.mark.parametrize("speculative", [True, False])
async def test_what_an_agent_does_to_the_call_may_be_its_whole_answer(speculative: bool) -> None:
    class Router(Desk):
        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            if "billing" in turn.text:
                await turn.call.hand_over("billing")
            elif "quietly" in turn.text:
                await turn.call.hand_over("other")
            else:
                await turn.call.end("routed")
            if turn.text == "Speak.":
                yield "Yes."

    Router.speculative = speculative
    agents = {"billing": Billing, "other": ScriptedAgent("It is me.")}
    async with VirtualCall(Router, agents=agents) as call:
        await call.say("To billing, please.")
        assert call.heard == ["Billing here."]
        assert call.of(ErrorRaised) == []
    async with VirtualCall(Router) as call:
        await call.say("Goodbye.")
        assert call.heard == []
        assert call.of(ErrorRaised) == []
        assert await call.session.wait_ended() == "routed"
    async with VirtualCall(Router, agents=agents) as call:
        await call.say("Go on quietly.")
        assert call.one(ErrorRaised).code == "agent_error", "nobody has said a word"


async def test_a_language_model_hands_over_without_a_word() -> None:
    async with OpenAIServer(calls("hand_over", agent="billing"), says()) as server:
        agent = LLMAgent(
            "openai:any",
            instructions="Be brief.",
            base_url=server.base_url,
            api_key="any",
            hand_over_to={"billing": "invoices"},
        )
        async with VirtualCall(agent, agents={"billing": Billing}) as call:
            await call.say("To billing, please.")
            assert call.heard == ["Billing here."]
            assert call.of(ErrorRaised) == []


async def test_the_application_is_told_of_a_hand_over_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    async with OpenAIServer(calls("hand_over", agent="biling"), says("I am sorry, ask me.")) as server:
        agent = LLMAgent(
            "openai:any",
            instructions="Be brief.",
            base_url=server.base_url,
            api_key="any",
            hand_over_to={"biling": "invoices"},
        )
        async with VirtualCall(agent, agents={"billing": Billing}) as call:
            await call.say("To billing, please.")
            assert call.heard == ["I am sorry, ask me."]
            error = call.one(ErrorRaised)
            assert (error.code, error.turn) == ("invalid_config", 1)
            assert "There is no agent 'biling' to hand over to." in error.message
            assert call.one(ToolCalled).outcome == "failed"
    assert "There is no agent 'biling' to hand over to." in caplog.text


async def test_a_function_that_only_speaks_by_the_call_has_answered() -> None:
    async def agent(turn: Turn) -> None:
        await turn.call.say("Here it is.")

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        assert call.heard == ["Here it is."]
        assert call.of(ErrorRaised) == []


async def test_a_hand_over_to_the_agent_that_answers_changes_nothing() -> None:
    class Twice(Desk):
        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            await turn.call.hand_over("billing")
            await turn.call.hand_over("billing")
            yield "I connect you."

    async with VirtualCall(Twice, agents={"billing": Billing}) as call:
        await call.say("To billing, please.")
        assert call.heard == ["I connect you.", "Billing here."]
        assert len(call.of(HandedOver)) == 1
        await call.session.hand_over("billing", greeting="Still me.")
        await call.settle()
        assert call.heard[-1] == "Still me."


@pytest.mark.parametrize("speculative", [True, False])
async def test_an_answer_that_is_discarded_hands_nothing_over(speculative: bool) -> None:
    class Eager(Desk):
        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            await turn.call.hand_over("billing")
            yield "Done."

    Eager.speculative = speculative
    config = SessionConfig(rules=ConversationConfig(speculate_threshold=0.0))
    async with VirtualCall(Eager, agents={"billing": Billing}, config=config) as call:
        await call.speak("I would like")
        await call.silence(0.2)
        assert call.session.agent_name == "default"
        await call.say("to pay.")
        assert call.session.agent_name == "billing"
        assert len(call.of(HandedOver)) == 1


async def test_a_hand_over_that_fails_changes_nothing() -> None:
    caught: list[Exception] = []

    def broken() -> Desk:
        raise KeyError("s3cret")

    async def agent(text: str, turn: Turn) -> str:
        try:
            await turn.call.hand_over(text.rstrip("."))
        except (ConfigError, AgentError) as error:
            caught.append(error)
        return "I am still here."

    def later(call: CallInfo) -> Desk:
        return broken()

    async with VirtualCall(agent, agents={"broken": later}) as call:
        await call.say("nobody.")
        await call.say("broken.")
        assert call.heard == ["I am still here."] * 2
        assert call.of(HandedOver) == []
    assert isinstance(caught[0], ConfigError)
    assert "no agent 'nobody' to hand over to. Known: broken." in str(caught[0])
    assert isinstance(caught[1], AgentError)
    assert "s3cret" not in str(caught[1])


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_a_recording_is_played_at_its_place_in_the_answer(rate: int) -> None:
    heard: list[tuple[str, bool]] = []

    async def agent(text: str, turn: Turn) -> AsyncIterator[str]:
        yield "Listen. "
        handle = await turn.call.play(wav("ring ring", rate), text="(it rings)")
        await handle.wait_for_playout()
        heard.append((handle.heard, handle.interrupted))
        yield "That was it."

    async with VirtualCall(agent, tts=FakeTextToSpeech()) as call:
        await call.say("Play it.")
        assert call.heard == ["Listen.", "(it rings)", "That was it."]
        if rate == 24_000:  # resampled, the words in the sound cannot be read
            assert call.sounded == "Listen. ring ringThat was it."
        seconds = len(speak("Listen. ring ringThat was it.", rate=24_000)) / 48_000
        assert len(call.sink.timeline()) / 48_000 > seconds
        assert call.of(ErrorRaised) == []
        assert call.session._says.recordings == {}
    assert heard == [("(it rings)", False)]


async def test_a_session_plays_recordings_of_its_own_and_before_an_answer() -> None:
    async def agent(text: str) -> str:
        return f"You said: {text}"

    async with VirtualCall(agent) as call:
        handle = await call.session.play(wav("welcome ", 24_000))
        await call.settle()
        assert (handle.heard, handle.interrupted) == ("(a recording)", False)
        await call.speak("Yes.")
        await call.session.play(wav("jingle ", 24_000), text="(a jingle)")
        await call.settle()
        assert call.heard == ["(a recording)", "(a jingle)", "You said: Yes."]
        assert call.sounded == "welcome jingleYou said: Yes."


async def test_a_long_recording_may_be_interrupted() -> None:
    async def agent(text: str) -> str:
        return "Yes?"

    async with VirtualCall(agent) as call:
        handle = await call.session.play(wav(" ".join(["music"] * 60)), text="(music)")
        await call.silence(2.0)
        await call.say("Stop it, please.")
        assert (handle.heard, handle.interrupted) == ("", True)
        assert call.heard == ["Yes?"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "The file is empty"),
        (b"MP3", "does not begin with RIFF"),
        ("/nowhere/at/all.wav", "cannot be read: No such file"),
        (None, f"may last {MAX_PLAY_S:g} s"),
    ],
)
async def test_what_cannot_be_played_is_told(source: Any, message: str) -> None:
    if source is None:
        file = io.BytesIO()
        write_wav(file, bytes(round(2 * 8000 * (MAX_PLAY_S + 1))), 8000)
        source = file.getvalue()

    async def agent(text: str) -> str:
        return ""

    async with VirtualCall(agent) as call:
        with pytest.raises(InvalidAudioError, match=message):
            await call.session.play(source)


async def test_says_and_the_end_of_the_call() -> None:
    async def agent(text: str, turn: Turn) -> AsyncIterator[str]:
        await turn.call.say("Before I go.")
        await turn.call.end("caller_done")
        yield "Goodbye."

    async with VirtualCall(agent) as call:
        await call.say("That is all.")
        assert await call.session.wait_ended() == "caller_done"
        assert call.heard == ["Before I go.", "Goodbye."]


@pytest.mark.parametrize("ends", ["yields", "asks"])
async def test_an_end_without_a_reason_is_an_end(ends: str) -> None:
    async def agent(text: str, turn: Turn) -> AsyncIterator[Reply]:
        if ends == "asks":
            await turn.call.end("")
        yield "Goodbye."
        if ends == "yields":
            yield EndCall("")

    async with VirtualCall(agent) as call:
        await call.say("That is all.")
        assert await call.session.wait_ended() == ("closed" if ends == "asks" else "agent_done")
        assert call.heard == ["Goodbye."]


@pytest.mark.parametrize(
    ("reason", "published"),
    [("x" * 5000, "x" * 100), ("done\nfor \x00today \ud83d", "done for today \ufffd"), (" \n", "agent_done")],
)
async def test_a_reason_is_one_line(reason: str, published: str) -> None:
    async def agent(text: str) -> AsyncIterator[Reply]:
        yield "Goodbye."
        yield EndCall(reason)

    async with VirtualCall(agent) as call:
        await call.say("That is all.")
        assert await call.session.wait_ended() == published


async def test_what_is_said_is_repaired() -> None:
    async def agent(text: str, turn: Turn) -> AsyncIterator[Reply]:
        handle = await turn.call.say("Well \ud83d done.")
        assert handle.text == "Well \ufffd done."
        yield "Bye."

    async with VirtualCall(agent) as call:
        await call.say("That is all.")
        assert call.heard == ["Well \ufffd done.", "Bye."]


async def test_a_reason_that_is_no_text_is_refused() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        for end in (call.session.close, call.session.hang_up):
            with pytest.raises(ConfigError, match="expected a text"):
                await end(5)  # type: ignore[arg-type]
        await call.say("Hello.")
        assert call.heard == ["Yes."]


async def test_settings_change_from_now_on() -> None:
    class Other(FakeTextToSpeech):
        name = "other"

    async def agent(text: str, turn: Turn) -> str:
        if "patient" in text:
            await turn.call.configure(action_delay=1.5, timeout=3.0, barge_in=False, voice="other")
        return "Yes, of course, whatever you say."

    slow = FakeTextToSpeech()
    slow.rate = 8000
    async with VirtualCall(agent, voices={"other": Other(), "slow": slow}) as call:
        await call.say("Be patient.")
        await call.speak("Good.")
        await call.silence(1.0)
        assert len(call.of(events.TurnDecided)) == 1  # the turn that would have been decided by now is not
        await call.silence(1.0)
        assert len(call.of(events.TurnDecided)) == 2
        await call.say("Wait, wait, stop it.")
        assert call.of(events.Interrupted) == []

        for asked, message in (
            ({"voice": "eve"}, "no voice 'eve' here. Known: other, slow"),
            ({"voice": "slow", "timeout": 9.0}, "'slow' speaks at 8000 Hz"),
            ({"timeout": 0.1}, "timeout must not be below"),
        ):
            with pytest.raises(ConfigError, match=message):
                call.session.configure(**asked)
        assert call.session._rules.context.config.endpointing.timeout == 3.0


@pytest.mark.parametrize("streams_text", [True, False])
async def test_a_question_in_several_clauses_is_read_as_a_whole(streams_text: bool) -> None:
    async def agent(text: str) -> str:
        return "Good, for Friday then. What time, please, would you like to come?"

    async with VirtualCall(agent, tts=StreamingVoice(streams_text=streams_text)) as call:
        await call.say("Hello.")
        assert call.session._rules.floor.expected == Expected("time")


async def test_an_agent_declares_what_it_asks_for() -> None:
    async def agent(text: str, turn: Turn) -> str:
        if "code" in text:
            await turn.call.expect("digits", 4)
        return "Go ahead."

    expected: list[Expected | None] = []
    async with VirtualCall(agent) as call:
        await call.say("I have the code.")
        expected.append(call.session._rules.floor.expected)
        await call.say("Hello.")
        expected.append(call.session._rules.floor.expected)
        call.session.expect("yes_no")
        expected.append(call.session._rules.floor.expected)
        with pytest.raises(ConfigError, match="'colour' is no kind of answer"):
            call.session.expect("colour")  # type: ignore[arg-type]
    assert expected == [Expected("digits", (4,)), None, Expected("yes_no")]


async def test_a_voice_that_contradicts_itself_changes_nothing() -> None:
    liar = FakeTextToSpeech()
    liar.capabilities = TtsCapabilities(rates=(8_000,))

    async def agent(text: str) -> str:
        return "One two three four five six seven eight nine ten."

    async with VirtualCall(agent, voices={"liar": liar}) as call:
        with pytest.raises(ConfigError, match="its capabilities list 8000 Hz"):
            call.session.configure(voice="liar", barge_in=False)
        with pytest.raises(ConfigError, match="action_delay is '1'"):
            call.session.configure(action_delay="1", barge_in=False)  # type: ignore[arg-type]  # as read from a file
        await call.speak("Hello.")
        await call.silence(1.5)
        await call.say("Stop it, please.")
        assert call.session.record.interruptions == 1
        assert liar.asked == []


@pytest.mark.parametrize("streams_text", [True, False])
async def test_an_agent_may_wait_for_what_it_has_said_before_it_writes_more(streams_text: bool) -> None:
    heard: list[str] = []

    async def agent(text: str, turn: Turn) -> AsyncIterator[str]:
        yield "One moment. "
        handle = await turn.call.say("This is said inside.")
        async with asyncio.timeout(5.0):
            await handle.wait_for_playout()
        heard.append(handle.heard)
        yield "And on."

    async with VirtualCall(agent, tts=StreamingVoice(streams_text=streams_text)) as call:
        await call.say("Hello.")
        assert call.heard == ["One moment.", "This is said inside.", "And on."]
        assert call.of(ErrorRaised) == []
    assert heard == ["This is said inside."]


async def test_a_turn_without_a_call_says_so() -> None:
    async def committed() -> None:
        return

    turn = Turn(1, "Hello.", (), committed)
    with pytest.raises(InvalidStateError, match="The turn belongs to no call"):
        _ = turn.call.info
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: turn.call.say("x"),
        lambda: turn.call.end(),
        lambda: turn.call.hand_over("x"),
        lambda: turn.call.play(b""),
        lambda: turn.call.configure(),
        lambda: turn.call.expect("name"),
    ]
    for use in uses:
        with pytest.raises(InvalidStateError):
            await use()


async def test_an_agent_that_takes_over_may_begin_in_silence_or_find_the_queue_full() -> None:
    agents = {"other": ScriptedAgent("It is me.")}
    config = SessionConfig(rules=ConversationConfig(max_queued_says=1))
    async with VirtualCall(ScriptedAgent("Yes."), agents=agents, config=config) as call:
        await call.session.hand_over("other", greeting="")
        assert call.session.agent_name == "other"
        await call.settle()
        assert call.heard == []
        for text in ("One thing.", "Another thing."):
            await call.session.say(text)
        await call.session.hand_over("other", greeting="Hello, it is me.")
        assert call.one(ErrorRaised).code == "invalid_state"
        await call.settle()
        await call.say("Who is there?")
        assert call.heard == ["One thing.", "Another thing.", "It is me."]


async def test_an_agent_sees_who_answers() -> None:
    names: list[str] = []

    async def agent(turn: Turn) -> str:
        names.append(turn.call.agent)
        return "Yes."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
    assert names == ["default"]


async def test_after_the_end_a_kept_call_says_so() -> None:
    kept: list[Turn] = []

    async def agent(turn: Turn) -> str:
        kept.append(turn)
        return "Yes."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        call_of_turn = kept[0].call
        assert call_of_turn.info is call.session.info
    with pytest.raises(SessionNotActiveError):
        await call_of_turn.say("Too late.")
    del call
    with pytest.raises(SessionNotActiveError):
        await call_of_turn.end()


class Counted(Desk):
    """Equal to every other one, and counted when it is closed."""

    made: ClassVar[list[Counted]]

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counted)

    __hash__ = Desk.__hash__


async def test_all_agents_of_a_call_are_closed_even_if_one_of_them_fails() -> None:
    class Broken(Counted):
        made: ClassVar[list[Counted]] = []

        def aclose(self) -> Any:
            self.closed = True
            raise SystemExit("secret")

    class Plain(Counted):
        made: ClassVar[list[Counted]] = []

        def aclose(self) -> Any:
            self.closed = True

    class Good(Counted):
        made: ClassVar[list[Counted]] = []

    async with VirtualCall(Broken, agents={"plain": Plain, "good": Good}) as call:
        await call.session.hand_over("plain")
        await call.session.hand_over("good")
    assert [agent.closed for kind in (Broken, Plain, Good) for agent in kind.made] == [True] * 3


async def test_hand_overs_at_the_same_time_make_one_agent() -> None:
    class Slow(Counted):
        made: ClassVar[list[Counted]] = []

    async def slowly(call: CallInfo) -> Slow:
        await asyncio.sleep(0)
        return Slow()

    async with VirtualCall(Desk, agents={"slow": slowly}) as call:
        await asyncio.gather(*(call.session.hand_over("slow", greeting="") for _ in range(3)))
        assert len(Slow.made) == 1
    assert Slow.made[0].closed


async def test_an_agent_that_is_ready_when_the_call_has_ended_is_closed() -> None:
    class Late(Counted):
        made: ClassVar[list[Counted]] = []

    ready = asyncio.Event()

    async def late(call: CallInfo) -> Late:
        await ready.wait()
        return Late()

    async with VirtualCall(Desk, agents={"late": late}) as call:
        handing = asyncio.create_task(call.session.hand_over("late"))
        await asyncio.sleep(0)
        await call.session.hang_up()
        ready.set()
        with pytest.raises(SessionNotActiveError):
            await handing
        assert call.session.agent_name == "default"
    assert [agent.closed for agent in Late.made] == [True]


async def test_a_session_that_is_never_started_closes_its_agent() -> None:
    desk = Desk()
    async with VirtualCall(Desk) as call:
        unused = VoiceSession(engine=call.engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=desk)
        await unused.abandon()
        await call.session.abandon()  # it has begun, so that this does nothing
        await call.say("Hello.")
        assert call.heard == ["Desk, turn 1."]
    assert desk.closed


@pytest.mark.parametrize("greeting", [None, 5, KeyError("secret")])
async def test_a_greeting_that_is_no_text_is_not_said(greeting: object) -> None:
    class Odd(Desk):
        @property
        def greeting(self) -> object:
            if isinstance(greeting, Exception):
                raise greeting
            return greeting

    odd = Odd()
    async with VirtualCall(Desk, agents={"odd": lambda: odd}) as call:
        if greeting is None:
            await call.session.hand_over("odd")
            await call.settle()
        else:
            with pytest.raises(AgentError, match=r"^Odd\.greeting (failed: KeyError|is int; expected str)\. "):
                await call.session.hand_over("odd")
            assert call.session.agent_name == "default"
            assert call.of(HandedOver) == []
        assert call.heard == []
    assert odd.closed


async def test_a_hand_over_stands_if_too_much_waits_for_its_greeting() -> None:
    async with VirtualCall(Desk, agents={"billing": Billing}) as call:
        for n in range(9):
            await call.session.say(f"Number {n}.")
        await call.session.hand_over("billing")
        assert call.session.agent_name == "billing"
        assert "wait to be said already" in call.one(ErrorRaised).message
        await call.settle()
        assert call.heard == [f"Number {n}." for n in range(9)]
