"""The parts of streaming recognition by themselves: deadlines, limits, and providers that do what they must not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.clock import VirtualClock
from duologue.conversation import effects, events, inputs
from duologue.engine.latency import LatencyEstimate
from duologue.engine.recognizers import ServiceSpeechToText
from duologue.errors import DuologueError, ProviderUnavailableError
from duologue.session import ErrorRaised, Metered, SessionConfig, recognition, reopening
from duologue.session.recognition import LiveRecognition
from duologue.stt import Final, Partial
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeTextToSpeech, pause
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeRecognitionStream, FakeStreamingSpeechToText, StreamFault
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

TEXT = "I would like to have a table for four people."


class Audio:
    """A session's input in which one text was spoken at the beginning."""

    first = 0

    def __init__(self, text: str = TEXT) -> None:
        self.samples = np.frombuffer(speak(text) + bytes(64_000), np.int16)

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        return self.samples[start:end]


class Host:
    """Takes what the recognition says."""

    def __init__(self) -> None:
        self.words: dict[int, str] = {}
        self.failed: dict[int, str] = {}
        self.told: list[inputs.Input] = []
        self.errors: list[DuologueError] = []
        self.faults = 0

    def answer_words(self, ask: effects.RequestTranscript, text: str) -> None:
        self.words[ask.ask] = text

    def fail_words(self, ask: effects.RequestTranscript, error: DuologueError, *, reported: bool) -> None:
        self.failed[ask.ask] = error.code

    def tell_rules(self, input_: inputs.Input) -> None:
        self.told.append(input_)

    def report(self, error: DuologueError) -> None:
        self.errors.append(error)

    def note_fault(self, error: DuologueError | None) -> None:
        self.faults += 1


class Bench:
    """A recognition with a host, audio and a clock of its own."""

    def __init__(self, stt: FakeStreamingSpeechToText, **config: Any) -> None:
        self.stt = stt
        self.host, self.audio, self.clock = Host(), Audio(), VirtualClock()
        recognizer = ServiceSpeechToText(stt, LatencyEstimate(stt.capabilities.typical_latency))
        settings = SessionConfig(**config)
        self.live = LiveRecognition(recognizer, settings, self.audio, self.clock.now, measures=True)
        self.live.start(self.host, "bench")

    async def __aenter__(self) -> "Bench":
        await turns()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.live.close()

    async def hear(self, start: int, end: int) -> None:
        for at in range(start, end, 512):
            self.live.push(at, min(at + 512, end))
            await asyncio.sleep(0)
        await turns()


async def turns(n: int = 20) -> None:
    """Let tasks get on that wait for nothing."""
    for _ in range(n):
        await asyncio.sleep(0)


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(5.0):
        while not done():
            await asyncio.sleep(0.005)


def ask(number: int, start: int, end: int, *, final: bool = True) -> effects.RequestTranscript:
    return effects.RequestTranscript(number, start, end, end + 8_000, final=final)


END = len(speak(TEXT)) // 2 + 1600


async def test_a_final_is_asked_for_once_the_audio_before_it_is_there() -> None:
    async with Bench(FakeStreamingSpeechToText()) as b:
        await b.hear(0, END - 4_096)
        b.live.request(ask(1, 0, END))
        assert b.stt.streams[0].finalized == []
        await b.hear(END - 4_096, END)
        assert b.stt.streams[0].finalized == [END]
        assert b.host.words == {1: TEXT}

        b.live.request(ask(2, END, END + 4_000))
        b.live.skip(END, END + 8_000)
        await turns()
        assert b.host.words[2] == ""
        assert b.stt.streams[0].finalized == [END, END + 4_000], "what is missing is no longer waited for"


async def test_words_that_do_not_come_are_given_up_in_time() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("drop")], partials=False, typical_latency=1.0)
    async with Bench(stt, words_timeout=0.02) as b:
        await b.hear(0, END)
        b.live.request(ask(1, 0, END))
        await until(lambda: b.host.failed)
        assert b.host.failed == {1: "timeout"}
        assert b.live.needs_from(99) == 99, "nothing is waited for"


async def test_words_so_far_are_better_than_none() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("drop")], typical_latency=1.0)
    async with Bench(stt, words_timeout=0.02) as b:
        await b.hear(0, END)
        b.live.request(ask(1, 0, END))
        assert b.live.needs_from(10**9) == 0
        await until(lambda: b.host.words)
        assert TEXT.startswith(b.host.words[1])
        assert len(b.host.words[1]) > 20
        assert b.live.errors == {"unfinished": 1}


async def test_a_stream_that_stalls_is_replaced_before_the_time_is_up() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("stall")], typical_latency=0.001)
    async with Bench(stt, words_timeout=2.0, max_retries=39) as b:
        await b.hear(0, END)
        b.live.request(ask(1, 0, END))
        await until(lambda: b.host.words)
        assert b.host.words == {1: TEXT}
        assert b.live.errors == {"stalled": 1, "reopened": 1}
        assert b.host.faults == 2
        assert b.host.told == [], "it says nothing of the latency"
        pushed = [position for position, _ in stt.streams[1].pushed]
        assert pushed == list(range(0, END, 1_600)), "in pieces of a tenth of a second"


async def test_only_so_many_requests_wait() -> None:
    async with Bench(FakeStreamingSpeechToText(faults=[StreamFault("stall")])) as b:
        await b.hear(0, END)
        for number in range(recognition.MAX_REQUESTS + 3):
            b.live.request(ask(number, 0, END))
        assert len(b.live._requests) == recognition.MAX_REQUESTS
        assert 0 not in b.live._requests
        b.live.drop(10)
        b.live.drop(10)
        assert len(b.live._requests) == recognition.MAX_REQUESTS - 1


async def test_words_so_far_come_from_partials() -> None:
    async with Bench(FakeStreamingSpeechToText()) as b:
        await b.hear(0, END // 2)
        b.live.request(ask(1, 0, END // 2, final=False))
        assert TEXT.startswith(b.host.words[1])
        assert b.stt.streams[0].finalized == []


async def test_silence_so_far_is_asked_for() -> None:
    async with Bench(FakeStreamingSpeechToText(partials=False)) as b:
        b.audio.samples = np.zeros(RATE, np.int16)
        await b.hear(0, 8_192)
        b.live.request(ask(1, 0, 8_192, final=False))
        await turns()
        assert b.host.words == {1: ""}


async def test_after_the_end_nothing_is_answered() -> None:
    b = Bench(FakeStreamingSpeechToText())
    async with b:
        await b.hear(0, END)
        b.live.show(effects.RequestPartial(1, 0, END))
    b.live.request(ask(1, 0, END))
    b.live.push(END, END + 512)
    b.live.take(Final("Late.", 0, 100))
    b.live.went_down(DuologueError("Late."))
    assert (b.host.words, b.host.failed, b.host.errors) == ({}, {}, [])


# --- providers that do what they must not ---


class Odd(FakeStreamingSpeechToText):
    """Opens streams of another class first."""

    def __init__(self, kind: type[FakeRecognitionStream], times: int = 1) -> None:
        super().__init__(typical_latency=0.001)
        self._kinds = [kind] * times

    def stream(self, *, language: str | None = None) -> FakeRecognitionStream:
        kind = self._kinds.pop() if self._kinds else FakeRecognitionStream
        self.streams.append(kind(self, None))
        return self.streams[-1]


class CancelsItself(FakeRecognitionStream):
    async def __aiter__(self) -> AsyncIterator[Any]:
        for event in self.pushed:
            yield event
        raise asyncio.CancelledError

    async def aclose(self) -> None:
        raise asyncio.CancelledError


class CannotFinalize(FakeRecognitionStream):
    def finalize(self, position: int) -> None:
        raise ZeroDivisionError


class CannotClose(FakeRecognitionStream):
    async def __aiter__(self) -> AsyncIterator[Any]:
        for event in list[Any]():
            yield event

    async def aclose(self) -> None:
        raise OSError


class Stubborn(FakeRecognitionStream):
    """Goes on when it is cancelled."""

    def push(self, pcm: bytes, position: int) -> None:
        if position > 4_000:
            raise OSError
        super().push(pcm, position)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while not self.closed:
            try:
                await pause(FOREVER)
            except asyncio.CancelledError:
                yield Partial("Not me.", 0, 0)


class NoIterator(FakeRecognitionStream):
    __aiter__: Any = None


@pytest.mark.parametrize("kind", [CancelsItself, CannotFinalize, CannotClose, Stubborn, NoIterator])
async def test_a_stream_that_misbehaves_is_replaced(kind: type[FakeRecognitionStream]) -> None:
    async with Bench(Odd(kind), words_timeout=4.0) as b:
        await b.hear(0, END)
        b.live.request(ask(1, 0, END))
        await until(lambda: b.host.words)
        assert b.host.words == {1: TEXT}
        assert b.host.errors == []
        assert b.live.errors["reopened"] == 1
        assert b.live.errors.get("close_failed", 0) == (kind in (CancelsItself, CannotClose))


async def test_a_provider_that_does_not_let_go_of_a_call_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()

    class Clings(FakeRecognitionStream):
        async def __aiter__(self) -> AsyncIterator[Any]:
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()
            for event in list[Any]():
                yield event

    monkeypatch.setattr(reopening, "CLOSING_S", 0.01)
    b = Bench(Odd(Clings, times=9))
    await turns()
    assert not await b.live.close()
    release.set()
    await turns()
    assert len(b.stt.streams) == 1, "and opens nothing any more"


async def test_a_call_opens_only_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "MAX_OPENED", 2)
    monkeypatch.setattr(reopening, "COOLDOWN_S", 0.0)
    stt = FakeStreamingSpeechToText(faults=[StreamFault("end")] * 9)
    async with Bench(stt) as b:
        await until(lambda: b.host.errors)
        for number in range(3):
            b.live.request(ask(number, 0, 100))
            await turns()
        assert len(stt.streams) == 2
        assert b.host.failed == dict.fromkeys(range(3), "provider_error")
        assert len(b.host.errors) == 1


async def test_a_stream_that_lived_long_was_no_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "STABLE_S", 0.0)
    monkeypatch.setattr(reopening, "pause_before_retry", lambda attempt, error: 0.0)
    stt = FakeStreamingSpeechToText(faults=[StreamFault("end")] * 20)
    async with Bench(stt, max_retries=1) as b:
        await until(lambda: len(stt.streams) == 21)
        assert b.host.errors == []


# --- echo ---


async def test_what_is_held_back_in_doubt_is_pushed_in_order() -> None:
    """The user speaks so soon after the agent's first sound that it may be an echo of it."""
    stt = FakeStreamingSpeechToText()
    tts = FakeTextToSpeech(rate=RATE)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, tts=tts) as call:
        await call.session.say("Welcome to this call, in which I am going to speak for quite a while.")
        await call.silence(0.2)
        held = []
        sound = speak("Wait a moment please.")
        for at in range(0, len(sound), 640):
            await call.play(sound[at : at + 640])
            held.append(len(call.session._input.doubtful))
        await call.settle()
        (stream,) = stt.streams
        ends = [position + samples for position, samples in stream.pushed]
        assert max(held) > 3
        assert [position for position, _ in stream.pushed] == [0, *ends[:-1]]
        assert call.turns[-1].user_text == "Wait a moment please."


async def test_the_agents_own_echo_is_not_heard() -> None:
    """Windows that turn out to be echo are silence for the recognizer; they were held back until that was known."""
    loud: dict[int, int] = {}

    class Listening(FakeRecognitionStream):
        def push(self, pcm: bytes, position: int) -> None:
            loud[position] = int(np.abs(np.frombuffer(pcm, np.int16).astype(np.int32)).max())
            super().push(pcm, position)

    agent, tts = ScriptedAgent("Yes."), FakeTextToSpeech(rate=RATE)
    async with VirtualCall(agent, stt=Odd(Listening), tts=tts) as call:
        await call.session.say("Welcome to this call, in which I am going to speak for quite a while.")
        held, delay = set(), 1_600
        for _ in range(300):
            played = np.frombuffer(call.sink.timeline(), np.int16)
            at = call.session.accepted - delay
            echo = np.zeros(320, np.int16)
            if at >= 0:
                piece = played[at : at + 320]
                echo[: len(piece)] = (piece * 0.9).astype(np.int16)
            await call.play(echo.tobytes())
            held |= {window.start for window in call.session._input.doubtful}
        assert (agent.turns, call.of(events.PartialTranscript), call.of(ErrorRaised)) == ([], [], [])
        assert max(loud) + 512 == call.session._input.hearing.position
        assert len(held) >= 2
        assert {loud[position] for position in held} == {0}


# --- what happens at the edges of a call ---


@pytest.mark.parametrize("ends", [False, True])
async def test_an_answer_may_end_the_call_or_make_the_next_needless(ends: bool) -> None:
    answered: list[int] = []

    def answer(ask: effects.RequestTranscript, text: str) -> None:
        answered.append(ask.ask)
        if ends:
            b.live.stop()
        else:
            b.live.drop(2)

    async with Bench(FakeStreamingSpeechToText()) as b:
        b.host.answer_words = answer  # type: ignore[method-assign]  # an answer with consequences
        await b.hear(0, END - 4_096)
        b.live.request(ask(1, 0, END))
        b.live.request(ask(2, 0, END))
        await b.hear(END - 4_096, END)
        assert answered == [1]


async def test_a_stall_says_nothing_while_another_stream_is_being_opened() -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("stall")], typical_latency=1.0)
    async with Bench(stt) as b:
        await b.hear(0, END)
        b.live.request(ask(1, 0, END))
        b.live.stream.give_up(ProviderUnavailableError("gone"))
        b.live.stream.give_up(ProviderUnavailableError("gone again"))
        b.live._stall(1)
        assert b.live.errors == {}


async def test_before_the_start_nothing_is_passed_on_and_nothing_need_be_closed() -> None:
    b = Bench.__new__(Bench)
    b.audio, b.clock = Audio(), VirtualClock()
    recognizer = ServiceSpeechToText(FakeStreamingSpeechToText(), LatencyEstimate(None))
    b.live = LiveRecognition(recognizer, SessionConfig(), b.audio, b.clock.now, measures=True)
    b.live.skip(0, 512)
    b.live.take("nonsense")
    assert b.live.errors == {"unknown_event": 1}, "counted, and told to nobody"
    assert await b.live.close()


async def test_the_stream_of_a_list_of_providers_is_told_why_it_is_given_up() -> None:
    blamed: list[str] = []

    class Listed(FakeRecognitionStream):
        def give_up(self, error: DuologueError) -> None:
            blamed.append(error.code)

    async with Bench(Odd(Listed)) as b:
        b.live.stream.give_up(ProviderUnavailableError("gone"))
    assert blamed == ["provider_unavailable"]


async def test_what_comes_from_a_stream_that_was_just_given_up_is_not_taken() -> None:
    class Two(FakeRecognitionStream):
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield Partial("One", 0, 0)
            yield Partial("One two", 0, 0)

    class Impatient:
        """Gives its stream up at the first event."""

        covered, awaited = 0, -1

        def __init__(self) -> None:
            self.taken: list[object] = []

        def take(self, event: object) -> None:
            self.taken.append(event)
            stream.give_up(ProviderUnavailableError("gone"))

        def reopens(self) -> None:
            self.taken.append("reopens")

        def went_down(self, error: DuologueError) -> None:
            self.taken.append(error.code)

    owner = Impatient()
    recognizer = ServiceSpeechToText(Odd(Two), LatencyEstimate(None))
    stream = reopening.ReopeningStream(recognizer, SessionConfig(max_retries=0), Audio())
    stream.start(owner, "bench")
    await turns()
    assert owner.taken == [Partial("One", 0, 0), "provider_unavailable"]
    assert await stream.close()


async def test_a_stream_that_is_closing_when_the_call_ends_is_left_to_the_provider() -> None:
    closing = asyncio.Event()

    class Slow(FakeRecognitionStream):
        async def __aiter__(self) -> AsyncIterator[Any]:
            return
            yield

        async def aclose(self) -> None:
            closing.set()
            await asyncio.get_running_loop().create_future()

    async with Bench(Odd(Slow)) as b:
        await closing.wait()
        assert await b.live.close()


async def test_what_is_held_back_in_doubt_is_told_before_a_gap() -> None:
    stt = FakeStreamingSpeechToText()
    tts = FakeTextToSpeech(rate=RATE)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, tts=tts) as call:
        call.session.meter(0.05)
        await call.session.say("Welcome to this call, in which I am going to speak for quite a while.")
        await call.silence(0.2)
        sound = speak("Wait a moment please.")
        at = 0
        while not call.session._input.doubtful:
            await call.play(sound[at : at + 640])
            at += 640
        doubted = call.session._input.doubtful[0].start
        call.session.skip_audio(320)
        await call.play(sound[at:])
        await call.settle()
        metered = [event.pos for event in call.of(Metered)]
        assert metered == sorted(metered)
        (gap,) = call.of(events.AudioGap)
        assert gap.start > doubted
        assert max(position for position, _ in stt.streams[0].pushed) > gap.end


async def test_invented_silence_is_taken_back_when_the_user_is_silent_and_not_before() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        call.session._input.arrivals.ahead = 1_024
        await call.speak("Hello.")
        assert call.session._input.arrivals.ahead == 1_024
        await call.settle()
        assert call.turns[0].user_text == "Hello."
        await call.silence(1.0)
        assert call.session._input.arrivals.ahead == 0
