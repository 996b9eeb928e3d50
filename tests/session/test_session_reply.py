"""The agent's side of a reply: it streams, it is held back, it is stopped, and it fails in every way there is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from duologue.agent import EndCall, FunctionCall, Progress, Reply, Turn
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.history import Message
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.session import ErrorRaised, FunctionCallRequested, SessionConfig, agent_writer
from duologue.session.cascade import MAX_PIECES
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeTextToSpeech, SentenceEnd
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice
from duologue.tts import Speech
from duologue.turn import Judgement
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

APOLOGY = PACK.apology


class Unsure:
    """A words policy that leaves a turn open until its timeout, and lets replies be prepared meanwhile."""

    name = "unsure"

    def judge(self, text: str) -> Judgement:
        return Judgement(0.4, "unsure")


async def turns_of_the_loop(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_an_answer_is_spoken_heard_and_remembered() -> None:
    agent = ScriptedAgent("Hi there. How can I help you?", "Of course.")
    async with VirtualCall(agent, user_data={"name": "Ada"}) as call:
        await call.say("Hello.")
        await call.say("A table, please.")
        assert call.heard == ["Hi there. How can I help you?", "Of course."]
        assert call.sounded == "Hi there. How can I help you? Of course."
        assert call.session.starved == 0
    first, second = agent.turns
    assert (first.id, first.text, first.history, first.user_data) == (1, "Hello.", (), {"name": "Ada"})
    assert (second.id, second.text) == (2, "A table, please.")
    assert [(m.role, m.text) for m in second.history] == [
        ("user", "Hello."),
        ("agent", "Hi there. How can I help you?"),
    ]


async def test_the_agent_writes_while_its_first_clause_is_spoken() -> None:
    tts = FakeTextToSpeech()
    order: list[str] = []

    async def agent(text: str) -> AsyncIterator[str]:
        yield "Let me have a look. It"
        async with asyncio.timeout(10):
            while not tts.asked:
                await asyncio.sleep(0)
        order.append("spoken while writing")
        yield " is here."

    async with VirtualCall(agent, tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == ["Let me have a look. It is here."]
    assert order == ["spoken while writing"]
    assert tts.asked == ["Let me have a look.", "It is here."]


async def test_a_sentence_is_spoken_when_the_agent_pauses_after_it() -> None:
    tts = FakeTextToSpeech()

    async def agent(text: str) -> AsyncIterator[str]:
        yield "One moment."
        async with asyncio.timeout(10):
            while not tts.asked:
                await asyncio.sleep(0.01)
        yield " Here it is."

    async with VirtualCall(agent, tts=tts) as call:
        await call.say("Hello.")
    assert tts.asked == ["One moment.", "Here it is."]


async def test_ten_thousand_words_are_written_no_faster_than_they_are_heard() -> None:
    agent = ScriptedAgent(["word "] * 10_000)
    config = SessionConfig(max_ready=2.0)
    async with VirtualCall(agent, config=config) as call:
        await call.speak("Tell me everything.")
        clause = 200 / 5  # words in the longest clause
        second = 1 / 0.32  # words in a second of speech
        most = clause * (MAX_PIECES + 3) + 2 * second
        for passed in range(20):
            await call.silence(1.0)
            assert agent.yielded <= most + passed * second
            assert call.session._output.playout.ready <= 2.0 + clause / second
        assert call.session.starved == 0
        call.session.interrupt()
        await turns_of_the_loop()
        assert agent.closed == 1


async def test_only_the_first_clause_of_a_prepared_reply_is_spoken_before_its_turn_is_decided() -> None:
    agent, tts = ScriptedAgent("That is a good question. I will look. And see.", speculative=True), FakeTextToSpeech()
    async with VirtualCall(agent, tts=tts, words=Unsure()) as call:
        await call.speak("May I ask")
        await call.silence(0.6)
        call.one(events.SpeculationStarted)
        assert tts.asked == ["That is a good question."]
        assert (call.sounded, call.of(events.TurnDecided)) == ("", [])
        await call.settle()
        assert tts.asked == ["That is a good question.", "I will look.", "And see."]
        assert call.heard == ["That is a good question. I will look. And see."]
        assert len(agent.turns) == 1
        assert call.turns[0].as_dict()["latency"]["speculation"] == "hit"


async def test_side_effects_wait_for_the_turn_to_be_decided() -> None:
    did: list[str] = []

    class Agent:
        speculative = True

        async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            yield "One moment please. I"
            await turn.committed()
            did.append("booked")
            yield " have booked it."

    async with VirtualCall(Agent(), words=Unsure()) as call:
        await call.speak("Book it")
        await call.silence(0.6)
        assert did == []
        await call.settle()
        assert did == ["booked"]
        assert call.heard == ["One moment please. I have booked it."]


class Counting:
    """An agent with state, which it changes before, while and after it answers."""

    speculative = True

    def __init__(self, fault: Exception | None = None, rest: str = " so on.") -> None:
        self.seen: list[str] = []
        self.fault = fault
        self.rest = rest

    def snapshot(self) -> object:
        return list(self.seen)

    def restore(self, state: object) -> None:
        assert isinstance(state, list)
        self.seen = state

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        self.seen.append(turn.text)
        try:
            if self.fault:
                raise self.fault
            yield f"Number {len(self.seen)} it is then. And"
            await asyncio.sleep(0)
            yield self.rest
        finally:
            self.seen.append("over")


async def test_an_agent_goes_back_to_where_it_was_when_the_user_goes_on() -> None:
    agent = Counting()
    async with VirtualCall(agent, words=Unsure()) as call:
        await call.speak("I would like")
        await call.silence(0.6)
        assert agent.seen == ["I would like", "over"]
        await call.speak("a table")
        assert agent.seen == []
        await call.settle()
        assert agent.seen == ["I would like a table", "over"]
        assert call.heard == ["Number 1 it is then. And so on."]


@pytest.mark.parametrize("clauses", range(1, 9))
async def test_an_agent_goes_back_wherever_its_answer_was_held_up(clauses: int) -> None:
    agent = Counting(rest=" this goes on." * clauses)
    async with VirtualCall(agent, words=Unsure()) as call:
        await call.speak("I would like")
        await call.silence(0.6)
        assert agent.seen[0] == "I would like"
        await call.speak("a table")
        assert agent.seen == []


async def test_an_agent_whose_answer_was_heard_stays_where_it_is() -> None:
    agent = Counting()
    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(1.0)
        call.session.interrupt()
        await turns_of_the_loop()
        assert agent.seen == ["Hello.", "over"]


@pytest.mark.parametrize("failing", ["agent", "voice"])
async def test_an_agent_whose_answer_failed_unheard_goes_back_to_where_it_was(failing: str) -> None:
    agent = Counting(ValueError("broken") if failing == "agent" else None)
    tts = FakeTextToSpeech(faults=2 * [ProviderUnavailableError("down")] if failing == "voice" else [])
    async with VirtualCall(agent, tts=tts, config=SessionConfig(max_retries=0)) as call:
        await call.say("Hello.")
        assert agent.seen == []
        assert call.heard == [APOLOGY]


async def test_an_agent_that_cannot_go_back_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(Counting):
        def restore(self, state: object) -> None:
            raise RuntimeError("postgres://me:secret@host")

    async with VirtualCall(Stubborn(), words=Unsure()) as call:
        await call.speak("I would like")
        await call.silence(0.6)
        await call.say("a table")
        reported = call.one(ErrorRaised)
        assert (reported.message, reported.turn) == ("The agent failed: RuntimeError.", 1)
        assert "The agent failed: RuntimeError. (" in caplog.text
        assert f"{__file__}:" in caplog.text
        assert "secret" not in caplog.text
        assert len(call.turns) == 1


async def test_interrupting_closes_the_agents_iterator_at_once() -> None:
    agent = ScriptedAgent(["Well, let me see. And", FOREVER])
    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(0.5)
        assert agent.closed == 0
        call.session.interrupt()
        await turns_of_the_loop()
        assert agent.closed == 1


async def test_the_next_reply_waits_until_the_agent_has_let_go_of_the_last() -> None:
    order: list[str] = []

    async def agent(text: str) -> AsyncIterator[str]:
        order.append(f"asked {text}")
        try:
            yield "Well, let me see. And"
            if text == "First.":
                await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.01)
            order.append(f"let go of {text}")

    async with VirtualCall(agent) as call:
        await call.speak("First.")
        await call.silence(0.6)
        call.session.send_text("Second.")
        await call.settle()
    assert order == ["asked First.", "let go of First.", "asked Second.", "let go of Second."]


async def test_a_plain_iterator_may_answer() -> None:
    class Pieces:
        def __init__(self) -> None:
            self.left = ["Hello ", "there."]

        def __aiter__(self) -> "Pieces":
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    class Agent:
        speculative = False

        def reply(self, turn: Turn) -> Any:
            return Pieces()

    async with VirtualCall(Agent()) as call:
        await call.say("Hello.")
        assert call.heard == ["Hello there."]


# --- the end of the call ---


async def test_the_agent_ends_the_call_when_its_last_words_were_heard() -> None:
    async with VirtualCall(ScriptedAgent(["Good ", "bye.", EndCall("done")])) as call:
        await call.say("Bye.")
        assert await call.session.wait_ended() == "done"
        assert call.sounded == "Good bye."
        assert call.heard == ["Good bye."]
        assert [type(e) for e in call.events][-1] is events.CallChanged


async def test_an_agent_that_only_ends_the_call_ends_it_at_once() -> None:
    async with VirtualCall(ScriptedAgent([EndCall("rude")], speculative=True)) as call:
        await call.say("Bye.")
        assert await call.session.wait_ended() == "rude"


async def test_a_call_goes_on_where_the_user_interrupts_its_last_words() -> None:
    agent = ScriptedAgent(["Good bye now, and thank you for calling us today.", EndCall("done")], "Yes?")
    async with VirtualCall(agent) as call:
        await call.speak("Bye.")
        await call.silence(1.5)
        await call.say("Wait a moment, I have another question.")
        assert call.turns[0].interrupted
        assert call.heard[-1] == "Yes?"
        assert call.session.record.reason == ""


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        (ValueError("broken"), "agent_error", "failed: ValueError."),
        (ProviderUnavailableError("The model is down."), "provider_unavailable", "The model is down."),
        (FOREVER, "timeout", "did not begin to answer within 0.02 s"),
        (7.0, "timeout", "did not begin to answer within 0.02 s"),
        (None, "agent_error", "yielded NoneType"),
        (b"bytes", "agent_error", "yielded bytes"),
        (TimeoutError("mine"), "agent_error", "failed: TimeoutError."),
    ],
)
async def test_an_agent_that_fails_before_its_first_word_apologises(step: Any, code: str, message: str) -> None:
    agent = ScriptedAgent([step], "Yes.")
    async with VirtualCall(agent, config=SessionConfig(first_text_timeout=0.02)) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.turn) == (code, 1)
        assert message in error.message
        assert call.heard == [APOLOGY]
        assert call.turns[0].agent_text == ""
        await call.say("Hello again.")
        assert call.heard == [APOLOGY, "Yes."]
        assert len(call.of(ErrorRaised)) == 1


@pytest.mark.parametrize("step", [ValueError("broken"), FOREVER, None])
async def test_an_agent_that_fails_after_its_first_sentence_is_heard_so_far(step: Any) -> None:
    agent = ScriptedAgent(["It is quite simple. You ta", step], "Yes.")
    async with VirtualCall(agent, config=SessionConfig(stall_timeout=0.02)) as call:
        await call.say("How?")
        assert call.one(ErrorRaised).code == ("timeout" if step == FOREVER else "agent_error")
        assert call.heard == ["It is quite simple.", APOLOGY]
        await call.say("Go on.")
        assert call.heard == ["It is quite simple.", APOLOGY, "Yes."]


async def test_a_whole_sentence_is_said_even_where_nothing_came_after_it() -> None:
    async with VirtualCall(ScriptedAgent(["It is quite simple.", ValueError()])) as call:
        await call.say("How?")
        assert call.heard == ["It is quite simple.", APOLOGY]


async def test_empty_pieces_are_no_answer() -> None:
    async def agent(text: str) -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(0)
            yield ""

    async with VirtualCall(agent, config=SessionConfig(first_text_timeout=0.02)) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "timeout"


WORDLESS = [[], ["", ""], [" \n "], ["..."], ["🙂"], ["<think>plan</think>"], ["<think>plan"]]


@pytest.mark.parametrize("answer", WORDLESS)
@pytest.mark.parametrize("speculative", [False, True])
async def test_an_answer_without_words_is_an_error(answer: list[str], speculative: bool) -> None:
    agent = ScriptedAgent(answer, "Yes.", speculative=speculative)
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        error = call.of(ErrorRaised)[-1]
        assert (error.code, error.turn) == ("agent_error", 1)
        assert error.message == "The agent gave no answer that can be spoken."
        assert call.heard == (["Yes."] if speculative else [APOLOGY]), "a prepared answer is asked for again"
        assert call.session.settled


@pytest.mark.parametrize("answer", WORDLESS)
@pytest.mark.parametrize("speculative", [False, True])
async def test_an_agent_that_may_stay_silent_is_silent(answer: list[str], speculative: bool) -> None:
    agent = ScriptedAgent(answer, speculative=speculative, may_stay_silent=True)
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        assert (call.heard, call.sounded, call.of(ErrorRaised)) == ([], "", [])
        assert call.session.settled
        assert call.of(events.AgentChanged)[-1].reason == "empty"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (SystemExit(2), "The agent failed: SystemExit."),
        (KeyboardInterrupt(), "The agent failed: KeyboardInterrupt."),
        (GeneratorExit(), "The agent failed: GeneratorExit."),
        (BaseException("secret"), "The agent failed: BaseException."),
        (RecursionError("secret"), "The agent failed: RecursionError."),
        (asyncio.CancelledError(), "The agent's answer was cancelled by the agent itself."),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
async def test_whatever_an_agent_raises_fails_that_answer_alone(
    fault: BaseException, message: str, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    agent = ScriptedAgent([*(["It is quite simple. You ta"] if begun else []), fault], "Yes.")
    async with VirtualCall(agent) as call:
        await call.say("Tell me my secret.")
        error = call.one(ErrorRaised)
        assert (error.code, error.message, error.turn) == ("agent_error", message, 1)
        (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("duologue.session")]
        assert line.startswith(f"Session {call.session.id}, turn 1: agent_error: {message}")
        await call.say("Go on.")
        assert call.heard[-1] == "Yes."
    assert "secret" not in caplog.text


@pytest.mark.parametrize("fault", [SystemExit(2), ValueError("secret")])
async def test_an_agent_that_fails_while_it_is_interrupted_is_logged(
    fault: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(text: str) -> AsyncIterator[str]:
        try:
            yield "Well, let me see. And"
            await asyncio.get_running_loop().create_future()
        finally:
            if text == "First.":
                raise fault

    async with VirtualCall(agent) as call:
        await call.speak("First.")
        await call.silence(0.6)
        call.session.send_text("Second.")
        await call.silence(0.6)
        call.session.interrupt()
        await call.settle()
        assert type(fault).__name__ in caplog.text
        assert "secret" not in caplog.text
        assert call.of(ErrorRaised) == [], "nobody waits for that answer"


@pytest.mark.parametrize("place", ["reply", "snapshot", "restore"])
async def test_an_agent_that_exits_anywhere_fails_that_answer_alone(place: str) -> None:
    class Exiting(Counting):
        def reply(self, turn: Turn) -> AsyncIterator[Reply]:
            if place == "reply":
                raise SystemExit(2)
            return super().reply(turn)

        def snapshot(self) -> object:
            if place == "snapshot":
                raise SystemExit(2)
            return super().snapshot()

        def restore(self, state: object) -> None:
            if place == "restore":
                raise SystemExit(2)
            super().restore(state)

    async with VirtualCall(Exiting(ValueError("broken")), words=Unsure()) as call:
        await call.say("Hello.")
        assert "The agent failed: SystemExit." in [error.message for error in call.of(ErrorRaised)]
        assert call.heard == [APOLOGY]


def cancel_the_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("after", [0, 1, 30])
async def test_an_agent_that_cancels_its_own_task_fails_that_answer_alone(after: int) -> None:
    async def agent(text: str) -> AsyncIterator[str]:
        for number in range(31):
            if number == after:
                cancel_the_task()
                await asyncio.sleep(0)
            yield f"Number {number}. "

    async with VirtualCall(agent) as call:
        for _ in range(2):
            await call.say("Hello.")
        assert [error.message for error in call.of(ErrorRaised)] == [
            "The agent's answer was cancelled by the agent itself."
        ] * 2
        assert call.heard.count(APOLOGY) == 2


async def test_an_agent_that_turns_its_own_cancellation_into_an_error_fails_that_answer_alone() -> None:
    async def agent(text: str) -> str:
        cancel_the_task()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:  # as libraries do whose deadlines cancel the task
            raise TimeoutError from None
        return "Never."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        assert (call.one(ErrorRaised).code, call.heard) == ("agent_error", [APOLOGY])


async def test_a_voice_that_cancels_the_task_fails_that_answer_alone() -> None:
    class Cancelling(FakeTextToSpeech):
        async def synthesize(self, text: str, **how: Any) -> Speech:
            if text == "Yes.":
                cancel_the_task()
                await asyncio.sleep(0)
            return await super().synthesize(text, **how)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Cancelling()) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == "fake-tts failed: CancelledError."
        assert call.heard == [APOLOGY]


async def test_a_voice_that_exits_fails_that_answer_alone() -> None:
    class Exiting(FakeTextToSpeech):
        async def synthesize(self, text: str, **how: Any) -> Speech:
            if text == "Yes.":
                raise SystemExit(2)
            return await super().synthesize(text, **how)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Exiting(), config=SessionConfig(max_retries=0)) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == "fake-tts failed: SystemExit."
        assert call.heard == [APOLOGY]


async def test_a_sentence_is_spoken_although_blanks_follow_it_for_ever() -> None:
    tts = FakeTextToSpeech()

    async def agent(text: str) -> AsyncIterator[str]:
        yield "Sure."
        while True:
            yield "\n"
            await asyncio.sleep(0.01)

    async with VirtualCall(agent, tts=tts, config=SessionConfig(stall_timeout=0.5)) as call:
        await call.speak("Is the shop open?")
        await call.silence(0.5)
        async with asyncio.timeout(10):
            while not tts.asked:
                await asyncio.sleep(0.01)
        assert call.of(ErrorRaised) == [], "it is spoken before the deadline"
        await call.settle()
        assert call.heard == ["Sure.", APOLOGY]
        assert call.one(ErrorRaised).code == "timeout"


async def test_progress_is_not_spoken_and_gives_the_agent_time() -> None:
    async def agent(text: str) -> AsyncIterator[str]:
        for _ in range(8):
            await asyncio.sleep(0.02)
            yield Progress()
        yield "Here it is."

    async with VirtualCall(agent, config=SessionConfig(first_text_timeout=0.1)) as call:
        await call.say("Where is it?")
        assert call.heard == ["Here it is."]
        assert call.of(ErrorRaised) == []


async def test_reasoning_that_has_not_been_spoken_is_not_spoken() -> None:
    agent = ScriptedAgent(["The user asks", " a sum.", "</think>", "Forty two."])
    async with VirtualCall(agent) as call:
        await call.say("What is six times seven?")
        assert call.heard == ["Forty two."]


async def test_text_that_is_no_text_is_repaired() -> None:
    async with VirtualCall(ScriptedAgent(["Hello \ud83d", "\ude00 my \ud800 friend\x00."])) as call:
        await call.say("Hello.")
        (said,) = [message.said for message in call.session.history if message.role == "agent"]
        assert said == "Hello 😀 my � friend."
        await call.session.say("Good \ud800 bye.")
        await call.settle()
        assert call.heard[-1] == "Good � bye."


async def test_too_much_text_is_an_error() -> None:
    config = SessionConfig(max_piece_chars=100, max_answer_chars=200)
    async with VirtualCall(ScriptedAgent(["word " * 1000], ["It goes on. "] * 100), config=config) as call:
        await call.say("Tell me everything.")
        assert "5000 characters at once; the limit is 100" in call.one(ErrorRaised).message
        assert call.heard == [APOLOGY]
        await call.say("Tell me more.")
        assert "longer than 200 characters" in call.of(ErrorRaised)[-1].message
        assert call.heard[1].startswith("It goes on. It goes on.")


@pytest.mark.parametrize(
    "setting", ["first_text_timeout", "stall_timeout", "text_timeout", "max_piece_chars", "max_answer_chars"]
)
def test_limits_that_cannot_work_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} is 0, and must be more than 0"):
        SessionConfig(**{setting: 0})  # type: ignore[arg-type]  # all of these are numbers


async def test_an_agent_that_fails_while_it_prepares_is_asked_again() -> None:
    agent = ScriptedAgent([ValueError("broken")], "Here I am.", speculative=True)
    async with VirtualCall(agent, words=Unsure()) as call:
        await call.say("Are you there")
        assert call.one(events.SpeculationDiscarded).reason == "agent_error"
        assert call.heard == ["Here I am."]


async def test_without_an_apology_a_failure_is_silent() -> None:
    config = SessionConfig(rules=ConversationConfig(apology=""))
    async with VirtualCall(ScriptedAgent([ValueError("broken")]), config=config) as call:
        await call.say("Hello.")
        assert call.heard == []
        assert call.session.settled


async def test_the_history_holds_what_was_heard_and_nothing_else() -> None:
    agent = ScriptedAgent("This is the first thing that I wanted to say. And this is the second.", "Yes?")
    async with VirtualCall(agent, words=SentenceEnd()) as call:
        await call.speak("Hello.")
        await call.silence(3.9)
        await call.say("Wait, stop there please.")
        heard = agent.turns[1].history[1]
        assert heard == replace(heard, role="agent", interrupted=True, estimated=True)
        assert heard == Message(
            "agent",
            "This is the first thing that I wanted to say.",
            "This is the first thing that I wanted to say. And this is the second.",
            interrupted=True,
            estimated=True,
        )


async def test_text_before_a_function_call_is_spoken_before_it() -> None:
    agent = ScriptedAgent(["I will look", FunctionCall("look"), "Here it is."])
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        assert call.heard == ["I will look Here it is."]
        requested = call.one(FunctionCallRequested)
        assert requested.name == "look"


async def test_a_long_piece_is_cut_in_slices() -> None:
    long = "word " * 900
    async with VirtualCall(ScriptedAgent([long]), tts=StreamingVoice(rate=8_000)) as call:
        await call.speak("Hello.")
        await call.silence(1.0)
        call.session.interrupt()
        assert call.one(events.AgentHeard).text.startswith("word word")


async def test_a_pause_of_the_agent_ends_nothing_while_there_is_enough_to_speak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_writer, "SETTLE", 0.0)
    agent = ScriptedAgent(["One thing. Two things. Three things. And", FOREVER])
    async with VirtualCall(agent, tts=FakeTextToSpeech(faults=[FOREVER])) as call:
        await call.speak("Hello.")
        await call.silence(0.6, waits=False)
        assert agent.yielded == 1
        assert call.heard == []
