"""What is understood of the user, and what becomes of a turn when it is not."""

import asyncio
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
import pytest

from duologue.clock import VirtualClock
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.engine import recognizers
from duologue.engine.model_threads import ModelThreads
from duologue.errors import AuthenticationError, ProviderError, ProviderUnavailableError
from duologue.session import ErrorRaised, SessionConfig
from duologue.stt import SttCapabilities, Transcript
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeSttModel, FakeTurnModel, Fault
from duologue.testing.spoken import speak, understand
from duologue.testing.virtual import VirtualCall
from duologue.turn import Judgement
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

DOWN = ProviderUnavailableError("The line is down.")
NO_PARTIALS = ConversationConfig(partial_every=0.0)


def quiet(**config: Any) -> SessionConfig:
    return SessionConfig(rules=NO_PARTIALS, **config)


async def test_a_model_understands_through_the_engine() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, stt=FakeSttModel()) as call:
        await call.say("Do you have a table?")
    assert agent.turns[0].text == "Do you have a table?"


async def test_words_are_shown_while_the_user_speaks() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.say("I would like to have a table for four people.")
        shown = [e.text for e in call.of(events.PartialTranscript)]
        assert len(shown) == 2
        assert all("I would like to have a table for four people.".startswith(text.rstrip()) for text in shown)


async def test_less_than_a_model_can_understand_is_not_shown() -> None:
    model = FakeSttModel()
    model.min_partial_s = 2.0
    async with VirtualCall(ScriptedAgent("Yes."), stt=model) as call:
        await call.say("I would like to have a table for four people.")
    assert sum(model.batches) == 2, "of two seconds and of the whole; the one of a second was left out"


async def test_one_partial_is_asked_for_at_a_time() -> None:
    stt = FakeSpeechToText(faults=[FOREVER])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("I would like to have a table for four people.")
        assert call.of(events.PartialTranscript) == []
        assert len(stt.asked) == 2  # the partial that hangs, and the final pass
        assert len(call.turns) == 1


async def test_partials_that_fail_are_nobodys_business() -> None:
    class Exiting(FakeSpeechToText):
        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            if not self.asked:
                self.asked.append(0.0)
                raise SystemExit(3)
            return await super().transcribe(pcm)

    stt = Exiting(faults=[DOWN])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("I would like to have a table for four.")
        assert call.of(ErrorRaised) == []
        assert len(call.turns) == 1


async def test_the_language_of_the_session_is_asked_for() -> None:
    asked: list[str | None] = []

    class Listening(FakeSpeechToText):
        async def transcribe(
            self, pcm: bytes, *, language: str | None = None, deadline: float | None = None
        ) -> Transcript:
            asked.append(language)
            return await super().transcribe(pcm)

    async with VirtualCall(ScriptedAgent("Ja."), stt=Listening(), config=SessionConfig(language="de")) as call:
        await call.say("Ein Tisch bitte.")
    assert set(asked) == {"de"}


async def test_a_failure_that_passes_is_not_noticed() -> None:
    stt = FakeSpeechToText(faults=[DOWN, DOWN])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=quiet(max_retries=2)) as call:
        await call.say("Hello.")
        assert (len(call.turns), call.of(ErrorRaised)) == (1, [])
    assert len(stt.asked) == 3


@pytest.mark.parametrize(
    ("fault", "code", "tries"),
    [
        (DOWN, "provider_unavailable", 2),
        (AuthenticationError("The key is wrong."), "authentication_failed", 1),
        (ZeroDivisionError(), "provider_error", 1),
        (TimeoutError(), "provider_error", 1),
        (FOREVER, "timeout", 1),
    ],
)
async def test_speech_that_is_not_understood_makes_no_turn_and_an_apology(fault: Fault, code: str, tries: int) -> None:
    stt = FakeSpeechToText(faults=[fault] * tries)
    agent = ScriptedAgent("Yes.")
    config = quiet(max_retries=1, words_timeout=1.0 if fault is DOWN else 0.02)
    async with VirtualCall(agent, stt=stt, config=config) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == (code, None if isinstance(fault, ProviderError) else "fake-stt")
        assert error.turn == 1, "the one that is open"
        assert call.one(events.SpeechIgnored).reason == code
        assert (agent.turns, call.turns, call.heard) == ([], [], [PACK.apology])
        assert len(stt.asked) == tries
        await call.say("Hello again.")
        assert agent.turns[0].text == "Hello again."


def raise_cancelled() -> None:
    raise asyncio.CancelledError


def cancel_the_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def leave() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("act", [raise_cancelled, cancel_the_task, leave])
async def test_a_provider_that_cancels_itself_or_exits_fails_like_any_other(act: Callable[[], None]) -> None:
    class Faulty(FakeSpeechToText):
        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            act()
            await asyncio.sleep(0)
            return Transcript("")

    async with VirtualCall(ScriptedAgent("Yes."), stt=Faulty(), config=quiet()) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "provider_error"


@pytest.mark.parametrize("answer", [None, "text", Transcript(None)])  # type: ignore[arg-type]
async def test_what_is_no_transcript_is_refused(answer: Any) -> None:
    class Odd(FakeSpeechToText):
        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            return answer  # type: ignore[no-any-return]

    async with VirtualCall(ScriptedAgent("Yes."), stt=Odd(), config=quiet()) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "provider_error"
        assert call.session.settled


@pytest.mark.parametrize("fault", [ZeroDivisionError(), SystemExit(3)])
async def test_a_words_policy_that_fails_keeps_the_words_away(fault: BaseException) -> None:
    class Broken:
        name = "broken-policy"

        def judge(self, text: str) -> Judgement:
            raise fault

    async with VirtualCall(ScriptedAgent("Yes."), words=Broken(), config=quiet()) as call:
        await call.say("Hello.")
        assert "broken-policy failed" in call.one(ErrorRaised).message
        assert call.one(events.SpeechIgnored).reason == "provider_error"


@pytest.mark.parametrize(
    "judged",
    [
        Judgement(float("nan"), "nan"),
        Judgement("likely", "text"),  # type: ignore[arg-type]
        Judgement(0.9, 5),  # type: ignore[arg-type]
        Judgement(0.1, "never", 1e300),
        Judgement(0.1, "never", 10**400),
    ],
    ids=repr,
)
async def test_what_is_no_judgement_is_an_error(judged: Judgement) -> None:
    class Odd:
        name = "odd-policy"

        def judge(self, text: str) -> Judgement:
            return judged

    async with VirtualCall(ScriptedAgent("Yes."), words=Odd(), config=quiet()) as call:
        await call.say("Hello.")
        assert "odd-policy gave no judgement that can be" in call.one(ErrorRaised).message
        assert call.heard == [PACK.apology]


async def test_a_judgement_may_have_numbers_of_numpy_and_a_probability_above_1() -> None:
    class Certain:
        name = "certain"

        def judge(self, text: str) -> Judgement:
            return Judgement(np.float32(1.5), "certain")  # type: ignore[arg-type]

    async with VirtualCall(ScriptedAgent("Yes."), words=Certain(), config=quiet()) as call:
        await call.say("Hello.")
        assert [type(score.words) for score in call.of(events.TurnScored)] == [float]
        assert call.of(events.TurnScored)[0].words == 1.0
        assert call.heard == ["Yes."]


async def test_halves_of_characters_in_a_transcript_are_repaired() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeSpeechToText("Hi \ud83d there.\x00")) as call:
        await call.say("Whatever you like to have.")
        assert [turn.user_text for turn in call.turns] == ["Hi \ufffd there."]
        assert {partial.text for partial in call.of(events.PartialTranscript)} <= {"Hi \ufffd there."}


async def test_speech_without_words_makes_no_turn_and_no_error() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, stt=FakeSpeechToText("")) as call:
        await call.say("Hmmmmm")
        assert call.one(events.SpeechIgnored).reason == "not_understood"
        assert call.heard == ["Sorry?"]
        assert (call.of(ErrorRaised), agent.turns) == ([], [])


async def test_nobody_waits_for_the_words_of_a_user_who_goes_on() -> None:
    class Counting(FakeSpeechToText):
        let_go = 0

        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            try:
                return await super().transcribe(pcm)
            except asyncio.CancelledError:
                self.let_go += 1
                raise

    stt = Counting(faults=[FOREVER])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=quiet()) as call:
        await call.speak("I would like")
        await call.silence(0.11)  # the words have been asked for, and are not due yet
        assert len(stt.asked) == 1
        await call.play(speak("a table."), waits=False)  # in real time these words are on time
        await call.silence(2.0)
        assert stt.let_go == 1
        assert [t.user_text for t in call.turns] == ["I would like a table."]


# --- the sound of a turn ---


class Doubtful:
    name = "doubtful"

    def __init__(self, probability: float = 0.85) -> None:
        self.probability = probability

    def judge(self, text: str) -> Judgement:
        return Judgement(0.9 if text.endswith("?") else self.probability, "doubt")


async def test_the_sound_is_judged_where_the_words_leave_doubt() -> None:
    model = FakeTurnModel(0.95)
    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(), turn_model=model) as call:
        await call.say("so I thought")
        assert call.turns[0].end_reason == "sound"
    assert len(model.asked) == 1


async def test_the_sound_is_judged_from_its_last_eight_seconds() -> None:
    model = FakeTurnModel(0.95)
    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(), turn_model=model) as call:
        await call.say("so I thought " * 11)
    assert model.asked == [8.0]


@pytest.mark.parametrize("fault", [ValueError("broken"), None])
async def test_a_turn_is_decided_without_its_sound_where_that_fails(fault: Exception | None) -> None:
    class Broken(FakeTurnModel):
        def run(self, items: Any) -> Any:
            if fault:
                raise fault
            return ["no number"] * len(items)

    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(), turn_model=Broken()) as call:
        await call.say("so I thought")
        assert call.one(ErrorRaised).provider == "fake-turn"
        assert call.turns[0].end_reason == "words"


async def test_a_provider_that_is_always_down_leaves_the_call_alive() -> None:
    stt = FakeSpeechToText(faults=repeat(DOWN))
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, stt=stt, config=quiet(max_retries=0)) as call:
        for _ in range(3):
            await call.say("Hello.")
        assert len(call.of(ErrorRaised)) == len(call.of(events.SpeechIgnored)) == 3
        call.session.send_text("I am typing now.")
        await call.settle()
        assert agent.turns[0].text == "I am typing now."


async def test_a_judgement_that_would_come_too_late_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeTurnModel(0.95)
    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(), turn_model=model) as call:
        monkeypatch.setattr(ModelThreads, "backlog", 9.0)
        await call.say("A table for four.")
        assert call.heard == ["Yes."]
        assert call.engine.model_threads.counters.rationed > 0
        assert call.of(ErrorRaised) == []
    assert model.asked == []


@pytest.mark.parametrize(("probability", "judged"), [(0.35, False), (0.85, True), (0.95, False)])
async def test_under_load_only_those_are_judged_by_their_sound_whose_words_leave_it_open(
    probability: float, judged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeTurnModel(0.95)
    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(probability), turn_model=model) as call:
        monkeypatch.setattr(ModelThreads, "utilization", 0.9)
        await call.say("A table for four.")
        assert call.heard == ["Yes."]
    assert bool(model.asked) is judged


async def test_under_load_words_are_not_held_back_where_the_button_was_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizers, "HOLD", FOREVER)
    monkeypatch.setattr(ModelThreads, "busy", True)
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeSttModel()) as call:
        call.session.begin_turn()
        await call.speak("A table for four.")
        call.session.end_turn()
        await call.settle()
        assert call.heard == ["Yes."]


async def test_under_load_words_of_a_model_wait_for_a_user_who_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelThreads, "busy", True)
    model = FakeSttModel()
    async with VirtualCall(ScriptedAgent("Yes."), stt=model) as call:
        await call.speak("I would like")
        await call.silence(0.1, waits=False)
        await call.say("a table.")
        assert [t.user_text for t in call.turns] == ["I would like a table."]
    assert sum(model.batches) == 1


@pytest.mark.parametrize(("stt", "shown"), [(FakeSttModel, 0), (FakeSpeechToText, 2)])
async def test_words_for_show_wait_for_a_thread_that_is_idle_if_they_need_one(
    stt: Any, shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt()) as call:
        monkeypatch.setattr(ModelThreads, "idle", False)
        await call.say("I would like to have a table for four people.")
        assert len(call.of(events.PartialTranscript)) == shown
        assert call.heard == ["Yes."]


async def test_a_service_that_does_not_show_words_is_not_asked_for_them() -> None:
    class Whole(FakeSpeechToText):
        capabilities = SttCapabilities(partials=False)

    stt = Whole()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("I would like to have a table for four people.")
        assert call.of(events.PartialTranscript) == []
    assert len(stt.asked) == 1


@pytest.mark.parametrize("declared", [0.5, None])
async def test_the_words_of_a_slow_service_are_due_when_it_has_them(
    declared: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FakeSpeechToText):
        capabilities = SttCapabilities(partials=False, typical_latency=declared)
        clock: VirtualClock

        async def transcribe(self, pcm: bytes, **_: Any) -> Transcript:
            await self.clock.sleep(0.5)
            return await super().transcribe(pcm)

    stt = Slow()
    call = VirtualCall(ScriptedAgent("Yes."), stt=stt)
    stt.clock = call.clock
    monkeypatch.setattr(call.session._evidence, "_measured", call.session._evidence._stt.latency)
    async with call:
        for _ in range(8):
            await call.play(speak("Hello."), waits=False)
            await call.silence(2.5, waits=False)
        late = [e.pos for e in call.of(events.EvidenceLate)]
        assert len(late) == (0 if declared else 3), "as often as it takes to know it"
        assert call.heard == ["Yes."] * 8


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "gave NoneType, and must give a Transcript with a text"),
        (Transcript(None), "gave Transcript, and must give a Transcript with a text"),  # type: ignore[arg-type]
        (Transcript("x" * 20_001), "gave a text of 20001 characters, and may give 20000"),
        (Transcript("Hi.", ending_odds=float("nan")), "gave ending_odds that are no finite number"),
        (Transcript("Hi.", ending_odds="x"), "gave ending_odds that are no finite number"),  # type: ignore[arg-type]
        (Transcript("Hi.", sound_estimate=1.5), "gave a sound_estimate that is not a probability"),
        (Transcript("Hi.", sound_estimate=float("nan")), "gave a sound_estimate that is not a probability"),
        (Transcript("Hi.", sound_estimate="x"), "gave a sound_estimate that is not a probability"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_transcript_is_an_error_and_the_call_goes_on(found: Any, message: str) -> None:
    class Odd(FakeSpeechToText):
        async def transcribe(self, pcm: bytes, **how: Any) -> Transcript:
            transcript: Transcript = found if understand(pcm) == "Hello." else await super().transcribe(pcm, **how)
            return transcript

    async with VirtualCall(ScriptedAgent("Yes."), stt=Odd()) as call:
        await call.say("Hello.")
        assert f"fake-stt {message}." in {error.message for error in call.of(ErrorRaised)}
        await call.say("Can you hear me?")
        assert call.heard[-1] == "Yes."


@pytest.mark.parametrize("probability", [float("nan"), -0.5, 7.0])
async def test_a_turn_model_that_gives_no_probability_is_reported(probability: float) -> None:
    async with VirtualCall(ScriptedAgent("Yes."), words=Doubtful(), turn_model=FakeTurnModel(probability)) as call:
        await call.say("so I thought")
        assert "fake-turn gave the probability" in call.of(ErrorRaised)[0].message
        assert call.heard == ["Yes."]
