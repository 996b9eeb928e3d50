"""A recognizer that streams: what it is given, what its words become, and what happens when it fails or lies."""

import asyncio
from collections.abc import AsyncIterator
from itertools import repeat
from typing import Any

import pytest

from duologue.agent import EndCall, Reply, Turn
from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.state import SessionState
from duologue.errors import AuthenticationError, ConfigError
from duologue.session import ErrorRaised, SessionConfig, VoiceSession, reopening
from duologue.stt import EndOfTurn, Final, Partial, RecognitionEvent, SttCapabilities, Transcript, Word
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, FakeTurnModel, SentenceEnd
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeRecognitionStream, FakeStreamingSpeechToText, StreamFault
from duologue.testing.virtual import VirtualCall
from duologue.turn import Judgement
from rings import no_rings

pytestmark = pytest.mark.anyio

APOLOGY = "Sorry, something went wrong. Could you say that again?"
TEXT = "I would like to have a table for four people."


def virtual(stt: FakeStreamingSpeechToText, agent: Any = None, **options: Any) -> VirtualCall:
    """A call whose recognizer's latency passes in virtual time."""
    call = VirtualCall(agent or ScriptedAgent("Yes."), stt=stt, **options)
    stt.clock = call.clock
    return call


async def say(call: VirtualCall, text: str) -> None:
    """Say it, and nothing more until the call has settled; nothing waits."""
    await call.play(speak(text), waits=False)
    quiet = 0
    while quiet < 25:
        await call.silence(0.02, waits=False)
        quiet = quiet + 1 if call.session.settled else 0


async def failing(call: VirtualCall) -> None:
    """Wait until an error is published."""
    async with asyncio.timeout(5.0):
        while not call.of(ErrorRaised):
            await asyncio.sleep(0.005)


# --- what it is given, and what its words become ---


async def test_one_stream_hears_the_whole_call_in_order() -> None:
    stt = FakeStreamingSpeechToText()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say(TEXT)
        await call.say("And a chair.")
        (stream,) = stt.streams
        ends = [position + samples for position, samples in stream.pushed]
        assert [position for position, _ in stream.pushed] == [0, *ends[:-1]]
        assert ends[-1] == call.session._input.hearing.position
        assert [t.user_text for t in call.turns] == [TEXT, "And a chair."]
        assert len(stream.finalized) == 2
    assert stream.closed


async def test_words_are_shown_while_the_user_speaks() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText()) as call:
        await call.say(TEXT)
        stopped = call.of(events.SpeechStopped)[-1].pos
        shown = [e.text for e in call.of(events.PartialTranscript) if e.pos < stopped]
        assert len(shown) >= 8, "one each 0.2 s, from the first word on"
        assert shown == sorted(shown, key=len)
        assert all(TEXT.startswith(text) for text in shown)


async def test_partials_can_be_turned_off() -> None:
    config = SessionConfig(rules=ConversationConfig(partial_every=0.0))
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText(), config=config) as call:
        await call.say(TEXT)
        assert call.of(events.PartialTranscript) == []
        assert len(call.turns) == 1


async def test_pauses_do_not_lose_or_repeat_words() -> None:
    pauses = {"I would": 0.2, "like": 0.3, "to have a table": 0.45, "for four": 0.26, "people.": 0.0}
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText()) as call:
        for text, pause in pauses.items():
            await call.speak(text)
            await call.silence(pause)
        await call.settle()
        assert [t.user_text for t in call.turns] == [TEXT]


async def test_a_long_turn_is_joined_from_its_parts() -> None:
    text = "and so it goes " * 25 + "on."
    async with VirtualCall(ScriptedAgent("I see."), stt=FakeStreamingSpeechToText()) as call:
        await call.say(text)
        assert call.of(events.UtteranceCut)
        assert [t.user_text for t in call.turns] == [text]


async def test_a_gap_is_silence_and_a_long_one_a_jump() -> None:
    stt = FakeStreamingSpeechToText()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.speak("One two.")
        call.session.skip_audio(RATE // 2)
        await call.settle()
        call.session.skip_audio(200 * RATE)
        await call.say("Three.")
        (stream,) = stt.streams
        lengths = {end - start: samples for start, end, samples in _gaps(stream)}
        assert max(lengths) >= 200 * RATE
        assert max(lengths.values()) <= RATE, "minutes are not sent as silence"
        assert [t.user_text for t in call.turns] == ["One two.", "Three."]


def _gaps(stream: FakeRecognitionStream) -> list[tuple[int, int, int]]:
    """Start and end of each stretch that is no window, and the samples that were pushed for it."""
    found = []
    for (position, samples), (following, _) in zip(stream.pushed, stream.pushed[1:], strict=False):
        if samples != 512:
            found.append((position, following, samples))
    return found


async def test_a_turn_by_button_waits_for_the_audio_that_it_ends_with() -> None:
    config = SessionConfig(rules=ConversationConfig(turns="manual"))
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText(), config=config) as call:
        call.session.begin_turn()
        await call.speak(TEXT)
        call.session.end_turn()
        await call.settle()
        assert [t.user_text for t in call.turns] == [TEXT]


async def test_speech_over_the_agent_is_checked_without_cutting_it() -> None:
    stt = FakeStreamingSpeechToText()
    agent = ScriptedAgent("This is a very long answer that goes on and on and on, and then goes on again.", "Well.")
    async with VirtualCall(agent, stt=stt) as call:
        await call.speak("Hello.")
        await call.silence(1.5)
        await call.say("Wait a moment please, I have another question for you now.")
        assert call.one(events.Interrupted).reason == "words"
        assert call.one(events.Interrupted).pos < call.of(events.SpeechStopped)[-1].pos
    assert len(stt.streams[0].finalized) == 2, "once for each turn: words so far come from partials"


async def test_the_language_of_the_session_is_asked_for_and_refused_once() -> None:
    can = SttCapabilities(streaming=True, languages=frozenset(["en"]))
    for language, codes in (("en-GB", []), ("de", ["unsupported_language"])):
        stt = FakeStreamingSpeechToText(capabilities=can)
        async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=SessionConfig(language=language)) as call:
            await call.say("Hello.")
            await call.say("Hello.")
            assert [e.code for e in call.of(ErrorRaised)] == codes
            assert len(call.of(events.SpeechIgnored)) == 2 * len(codes)


# --- latency ---


async def decided_after(latency: float, typical: float | None) -> tuple[float, VirtualCall]:
    stt = FakeStreamingSpeechToText(latency=latency, typical_latency=typical)
    async with virtual(stt) as call:
        await say(call, TEXT)
        return call.one(events.TurnDecided).silence, call


async def test_a_latency_of_250_ms_is_not_late_and_costs_little() -> None:
    instant, _ = await decided_after(0.0, 0.0)
    later, call = await decided_after(0.25, 0.25)
    assert call.of(events.EvidenceLate) == []
    assert later - instant <= 0.06
    stopped = call.one(events.SpeechStopped).pos
    assert len([e for e in call.of(events.PartialTranscript) if e.pos < stopped]) >= 6


@pytest.mark.parametrize("latency", [0.05, 0.3, 0.8])
async def test_whoever_declares_its_latency_is_never_late(latency: float) -> None:
    _, call = await decided_after(latency, latency)
    assert call.of(events.EvidenceLate) == []
    assert call.heard == ["Yes."]


async def test_a_latency_that_was_not_declared_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = FakeStreamingSpeechToText(latency=0.6, typical_latency=0.1)
    async with virtual(stt) as call:
        monkeypatch.setattr(call.session._evidence.live, "_measures", True)
        late = []
        for _ in range(12):
            await say(call, "Hello there.")
            late.append(len(call.of(events.EvidenceLate)))
        assert late[0] == 1
        assert late[-1] == late[-5], "and is not late any more"


# --- its own opinion of the turn ---


class Doubtful:
    name = "doubtful"

    def judge(self, text: str) -> Judgement:
        return Judgement(0.45, "doubt")


async def decides(end_of_turn: float | None, agent: ScriptedAgent | None = None) -> VirtualCall:
    stt = FakeStreamingSpeechToText(end_of_turn=end_of_turn)
    async with virtual(stt, agent, words=Doubtful()) as call:
        await say(call, "so I thought")
        assert call.of(ErrorRaised) == []
        return call


async def test_its_opinion_is_one_more_term() -> None:
    without = (await decides(None)).one(events.TurnDecided)
    sure = (await decides(0.98)).one(events.TurnDecided)
    unsure = (await decides(0.1)).one(events.TurnDecided)
    assert sure.silence < without.silence <= unsure.silence
    assert unsure.probability < without.probability < sure.probability


async def test_an_early_opinion_starts_a_reply_in_advance() -> None:
    class Unlikely:
        name = "unlikely"

        def judge(self, text: str) -> Judgement:
            return Judgement(0.1, "unlikely")

    for opinion, prepared in ((None, 0), (0.9, 1)):
        stt = FakeStreamingSpeechToText(end_of_turn=opinion)
        async with virtual(stt, ScriptedAgent("Yes.", speculative=True), words=Unlikely()) as call:
            await say(call, "so I thought")
            assert len(call.of(events.SpeculationStarted)) == prepared
            assert call.heard == ["Yes."]


# --- faults ---


@pytest.mark.parametrize(
    "fault",
    [
        StreamFault("refuse"),
        StreamFault("end"),
        StreamFault("end", 3),
        StreamFault("break", 5),
        StreamFault("stall", 4),
        StreamFault("drop"),
        StreamFault("push"),
        StreamFault("full", 2),
    ],
    ids=lambda fault: f"{fault.kind} after {fault.after}",
)
async def test_after_a_fault_another_stream_hears_what_the_first_did_not(fault: StreamFault) -> None:
    stt = FakeStreamingSpeechToText(faults=[fault], typical_latency=0.001)
    config = SessionConfig(words_timeout=0.4)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=config) as call:
        await call.say(TEXT)
        assert [t.user_text for t in call.turns] == [TEXT]
        assert call.of(ErrorRaised) == [], "it passed"
        assert len(stt.streams) == 2
        assert call.session._evidence.live is not None
        assert call.session._evidence.live.errors["reopened"] == 1
        assert stt.streams[0].closed
        await call.say("And a chair.")
        assert call.turns[-1].user_text == "And a chair."


async def test_events_that_change_places_lose_no_words() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("reorder")], latency=0.05)
    async with virtual(stt) as call:
        await say(call, TEXT)
        await say(call, "And a chair.")
        assert [t.user_text for t in call.turns] == [TEXT, "And a chair."]


async def test_a_provider_that_stays_down_is_reported_once_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("refuse")] * 3)
    config = SessionConfig(max_retries=1)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=config) as call:
        await failing(call)  # two attempts, and a pause of 50 ms between them
        for _ in range(2):
            await call.say("Hello.")
        assert call.one(ErrorRaised).code == "provider_unavailable"
        assert [e.reason for e in call.of(events.SpeechIgnored)] == ["provider_unavailable"] * 2
        assert call.heard == [APOLOGY] * 2
        assert len(stt.streams) == 2, "and it is left alone for a while"
        monkeypatch.setattr(reopening, "COOLDOWN_S", 0.0)
        await call.say("Hello.")  # the third attempt fails
        await call.say("Is anybody there?")
        assert [t.user_text for t in call.turns] == ["Is anybody there?"]
        assert len(call.of(ErrorRaised)) == 1


async def test_a_provider_that_is_back_hears_the_utterance_with_which_it_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reopening, "COOLDOWN_S", 0.0)
    stt = FakeStreamingSpeechToText(faults=[StreamFault("refuse")])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=SessionConfig(max_retries=0)) as call:
        await failing(call)
        await call.say(TEXT)
        assert [t.user_text for t in call.turns] == [TEXT]


@pytest.mark.parametrize("place", ["open", "push", "finalize", "read", "cancel", "close"])
async def test_a_stream_that_exits_anywhere_is_replaced(place: str) -> None:
    class Exiting(FakeRecognitionStream):
        def push(self, pcm: bytes, position: int) -> None:
            if place == "push":
                raise SystemExit(3)
            super().push(pcm, position)

        def finalize(self, position: int) -> None:
            if place == "finalize":
                raise SystemExit(3)
            super().finalize(position)

        async def aclose(self) -> None:
            await super().aclose()
            if place == "close":
                raise SystemExit(3)

        async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
            async for event in super().__aiter__():
                if place == "cancel" and (task := asyncio.current_task()) is not None:
                    task.cancel()
                    await asyncio.sleep(0)
                if place in ("read", "close"):
                    raise SystemExit(3)
                yield event

    class Once(FakeStreamingSpeechToText):
        def stream(self, *, language: str | None = None) -> FakeRecognitionStream:
            if self.streams:
                return super().stream(language=language)
            self.streams.append(Exiting(self, None))
            if place == "open":
                raise SystemExit(3)
            return self.streams[-1]

    stt = Once(typical_latency=0.001)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say(TEXT)
        assert [t.user_text for t in call.turns] == [TEXT]
        assert len(stt.streams) == 2


@pytest.mark.parametrize("fatal", [AuthenticationError("The key is wrong."), ConfigError("There is no such model.")])
async def test_what_no_other_stream_can_mend_is_not_tried_again(fatal: Exception) -> None:
    class Fatal(FakeStreamingSpeechToText):
        opened = 0

        def stream(self, *, language: str | None = None) -> FakeRecognitionStream:
            self.opened += 1
            raise fatal

    stt = Fatal()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == fatal.code  # type: ignore[attr-defined]
        assert call.heard == [APOLOGY]
    assert stt.opened == 1


async def test_a_provider_that_is_not_what_it_declares_is_named() -> None:
    """It says that it streams, and its streams end at once."""
    stt = FakeStreamingSpeechToText(name="liar", faults=repeat(StreamFault("end")))
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=SessionConfig(max_retries=1)) as call:
        await failing(call)
        await call.say("Hello.")
        assert "liar ended its stream during the call" in call.one(ErrorRaised).message
        call.session.send_text("I am typing now.")
        await call.settle()
        assert call.heard[-1] == "Yes."


async def test_capabilities_that_cannot_be_are_refused_before_the_call() -> None:
    class Streamless:
        name = "streamless"
        capabilities = SttCapabilities(streaming=True)

    class Odd(FakeSpeechToText):
        capabilities: Any = {"streaming": True}  # noqa: RUF012 - as an author may write it

    with pytest.raises(ConfigError, match=r"streamless declares streaming=True, and has no stream\(\)"):
        VirtualCall(ScriptedAgent("Yes."), stt=Streamless())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"fake-stt.capabilities is dict"):
        VirtualCall(ScriptedAgent("Yes."), stt=Odd())


async def test_who_declares_nothing_is_asked_for_each_utterance() -> None:
    class Plain:
        name = "plain"

        async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Any:
            return Transcript("Hello.")

    async with VirtualCall(ScriptedAgent("Yes."), stt=Plain()) as call:  # type: ignore[arg-type]
        await call.say("Hello.")
        assert call.heard == ["Yes."]


async def test_halves_of_characters_are_repaired() -> None:
    words: list[RecognitionEvent] = [Partial("Hi \ud83d", 0, 1600), Final("Hi \ud83d there.", 0, 9600)]
    script = list(zip((0.3, 0.6), words, strict=True))
    stt = FakeStreamingSpeechToText(script=script, finalizes=False)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say("Hi there.")
        texts = [turn.user_text for turn in call.turns] + [p.text for p in call.of(events.PartialTranscript)]
        assert set(texts) >= {"Hi \ufffd there."}
        assert not any("\ud83d" in text for text in texts)


LIES: dict[str, tuple[list[Any], str]] = {
    "a final for audio that was never sent": ([Final("No.", 0, 10**9)], "for audio that was never sent"),
    "a partial for audio that was never sent": ([Partial("No.", 10**9, 10**9)], "for audio that was never sent"),
    "a judgement of audio that was never sent": ([EndOfTurn(0.9, 10**9)], "in audio that was never sent"),
    "a span that runs backward": ([Final("No.", 900, 100)], "does not run forward"),
    "a span before the call": ([Final("No.", -900, 100)], "does not run forward"),
    "spans that are no positions": ([Final("No.", 0.0, 1.5)], "does not run forward"),  # type: ignore[arg-type]
    "finals that go back": ([Final("", 0, 8000), Final("", 0, 4000)], "goes back behind one before it"),
    "finals that overlap": ([Final("", 0, 4000), Final("", 1000, 8000)], "overlaps one before it"),
    "no text": ([Final(None, 0, 100)], "without a text"),  # type: ignore[arg-type]
    "endless text": ([Partial("x" * 100_000, 0, 100)], "without a text"),
    "words outside": ([Final("", 0, 100, (Word("No.", 90_000, 90_100),))], "words that lie outside"),
    "words that are none": ([Final("", 0, 100, ("No.",))], "words that lie outside"),  # type: ignore[arg-type]
    "a probability of two": ([EndOfTurn(2.0, 0)], "without a probability"),
    "a probability that is none": ([EndOfTurn(float("nan"), 0)], "without a probability"),
    "something else": ([None], "sent a NoneType"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_nonsense_is_reported_once_and_the_call_goes_on(lie: str) -> None:
    events, complaint = LIES[lie]
    stt = FakeStreamingSpeechToText(name="liar", end_of_turn=0.5)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.silence(1.0)
        for _ in range(3):
            for event in events:
                stt.streams[0].emit(event)
            await call.silence(0.1)
        error = call.one(ErrorRaised)
        assert complaint in error.message
        assert (error.provider, error.code) == ("liar", "provider_error")
        assert call.session._evidence.live is not None
        assert max(call.session._evidence.live.errors.values()) >= 3, "but counted always"
        assert call.engine.counters.recognition_faults >= 3
        await call.say(TEXT)
        assert [t.user_text for t in call.turns] == [TEXT]
    assert len(stt.streams) == 1


async def test_what_was_not_declared_is_not_used() -> None:
    can = SttCapabilities(streaming=True, partials=False, end_of_turn=False)
    stt = FakeStreamingSpeechToText(capabilities=can, end_of_turn=0.9)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say(TEXT)
        messages = " ".join(e.message for e in call.of(ErrorRaised))
        assert "sends Partial without declaring partials" in messages
        assert "sends EndOfTurn without declaring end_of_turn" in messages
        assert len(call.of(ErrorRaised)) == 2
        stopped = call.one(events.SpeechStopped).pos
        assert [e for e in call.of(events.PartialTranscript) if e.pos < stopped] == []
        assert [t.user_text for t in call.turns] == [TEXT]


async def test_what_was_declared_and_never_comes_is_reported() -> None:
    can = SttCapabilities(streaming=True, end_of_turn=True)
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText(capabilities=can)) as call:
        for _ in range(10):
            await call.say("Hello.")
        assert "declares EndOfTurn events and sent none in 8 finals" in call.one(ErrorRaised).message
        assert len(call.turns) == 10


async def test_as_many_events_in_a_longer_time_are_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "MAX_EVENTS", 3)
    monkeypatch.setattr(reopening, "EVENTS_WITHIN_S", 0.0)
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText()) as call:
        for _ in range(4):
            await call.say("I would like a table for two people, please.")
        assert len(call.turns) == 4
        assert call.of(ErrorRaised) == []


async def test_a_flood_of_events_is_a_fault_and_stops_nobody_else() -> None:
    class Flood(FakeRecognitionStream):
        async def __aiter__(self) -> Any:
            while True:
                yield Partial("flood", 0, 0)

    class Flooding(FakeStreamingSpeechToText):
        def stream(self, *, language: str | None = None) -> FakeRecognitionStream:
            self.streams.append(Flood(self, None))
            return self.streams[-1]

    stt = Flooding()
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=SessionConfig(max_retries=0)) as call:
        await call.silence(1.0)
        await asyncio.sleep(0)
        await call.silence(5.0)
        assert "events within a second" in call.one(ErrorRaised).message
        assert len(stt.streams) == 1


# --- the end ---


async def test_the_stream_closes_when_the_call_ends_and_not_when_it_is_left() -> None:
    async def agent(turn: Turn) -> AsyncIterator[Reply]:
        yield "Good bye."
        yield EndCall("done")

    stt = FakeStreamingSpeechToText()
    async with VirtualCall(agent, stt=stt) as call:
        await call.say("Good bye.")
        assert call.session.state is SessionState.ENDED
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stt.streams[0].closed


async def test_at_most_five_tasks_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    before, most = asyncio.all_tasks(), 0
    progressed = VoiceSession.progressed

    def counting(session: VoiceSession) -> None:
        nonlocal most
        progressed(session)
        most = max(most, len(asyncio.all_tasks() - before))

    monkeypatch.setattr(VoiceSession, "progressed", counting)
    stt = FakeStreamingSpeechToText(latency=0.001, end_of_turn=0.9)
    agent = ScriptedAgent(["This is the first part of it. ", 0.001, "And the second."], speculative=True)
    async with VirtualCall(agent, stt=stt, words=Doubtful(), turn_model=FakeTurnModel(0.3, 0.6), on_turn=print) as call:
        await call.session.say("Welcome to this long and winding call.")
        await call.say("I would like a table please")
        await call.speak("for four, no, five people")
        await call.silence(0.4)
        await call.say("wait a moment please, I have another question")
        assert len(call.turns) >= 2
    assert 2 <= most <= 5
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("fault", [None, StreamFault("stall"), StreamFault("refuse")])
async def test_close_leaves_no_task(fault: StreamFault | None) -> None:
    tasks = asyncio.all_tasks()
    stt = FakeStreamingSpeechToText(faults=[fault])
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.play(speak("Hello."), waits=False)
        await call.silence(0.2, waits=False)
        await call.session.hang_up()
        assert asyncio.all_tasks() == tasks
    assert all(stream.closed for stream in stt.streams)


async def test_a_stream_that_does_not_close_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "LET_GO_S", 0.01)
    async with VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText(faults=[StreamFault("hang")])) as call:
        await call.say("Hello.")
    assert call.session.record.errors[0].message == "fake-streaming-stt did not let go of its work within 1 s."


@pytest.mark.parametrize(
    "faults",
    [(), (StreamFault("break", 2),), (StreamFault("push", 2),), (StreamFault("end"),) * 9, (StreamFault("full"),) * 9],
)
async def test_nothing_of_a_call_is_left_in_a_ring(faults: tuple[StreamFault, ...]) -> None:
    stt = FakeStreamingSpeechToText(faults=faults, end_of_turn=0.9)  # outlives the call, as a provider does
    with no_rings():
        async with VirtualCall(ScriptedAgent("Yes."), stt=stt, words=SentenceEnd()) as call:
            await call.say(TEXT)
            await call.play(speak("And a chair."), waits=False)
        del call


async def test_providers_that_fail_alike_do_not_disturb_each_other() -> None:
    bad = FakeStreamingSpeechToText(name="bad", faults=repeat(StreamFault("break", 1)))
    good = FakeStreamingSpeechToText(name="good")
    async with VirtualCall(ScriptedAgent("Yes."), stt=good) as call:
        other = VoiceSession(engine=call.engine, stt=bad, tts=FakeTextToSpeech(), agent=ScriptedAgent("No."))
        async with other:
            sound = speak(TEXT)
            for at in range(0, len(sound), 640):
                other.process_audio(sound[at : at + 640].ljust(640, b"\0"))
                await call.play(sound[at : at + 640])
            await call.settle()
        assert [t.user_text for t in call.turns] == [TEXT]
        assert call.of(ErrorRaised) == []


async def test_words_that_never_come_are_an_error_of_the_turn() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("drop")], partials=False, typical_latency=1.0)
    config = SessionConfig(words_timeout=0.02)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=config) as call:
        await call.play(speak(TEXT) + bytes(64_000), waits=False)
        await failing(call)
        error = call.of(ErrorRaised)[0]
        assert (error.code, error.provider) == ("timeout", stt.name)
        assert error.turn == 1


async def test_a_call_that_is_hung_up_before_it_starts_has_nothing_to_close() -> None:
    call = VirtualCall(ScriptedAgent("Yes."), stt=FakeStreamingSpeechToText())
    await call.session.hang_up()
    assert call.of(ErrorRaised) == []
