"""The synthesiser's side of a reply: it streams, is tried again, stalls, fails, and gives what it must not."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from itertools import repeat
from typing import Any

import pytest

from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.errors import AuthenticationError, OverloadedError, ProviderUnavailableError, RateLimitedError
from duologue.session import ErrorRaised, SessionConfig
from duologue.session.retry import pause_before_retry
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeTextToSpeech, FakeTtsModel
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.tts import AudioChunk, Speech, SpeechItem, TextSpan
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

APOLOGY = PACK.apology
TWO = "This is the first one. And this is the second."
DOWN = ProviderUnavailableError("The voice is down.")


class PiecesOfSpeech(FakeTextToSpeech):
    """Streams what `pieces` makes of a clause; apologies are spoken well."""

    def __init__(self, pieces: Callable[[str], list[Any]]) -> None:
        super().__init__()
        self.pieces = pieces

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        assert isinstance(text, str)
        self.asked.append(text)
        for piece in (await self.synthesize(text)).items() if text in APOLOGY else self.pieces(text):
            if isinstance(piece, Exception):
                raise piece
            yield piece


def chunk(text: str) -> AudioChunk:
    return AudioChunk(speak(text, 24_000, pitch=140))


def spans(*texts: str) -> list[SpeechItem]:
    """A span and a chunk for each text."""
    items: list[SpeechItem] = []
    at = 0.0
    for text in texts:
        pcm = chunk(text).pcm
        end = at + len(pcm) / 2 / 24_000
        items += [TextSpan(text, at, end), AudioChunk(pcm)]
        at = end
    return items


async def test_a_model_speaks_through_the_engine_a_clause_at_a_time() -> None:
    model = FakeTtsModel()
    text = "Well, I can see that, if you like. Shall I book it, sir, or would you rather wait?"
    async with VirtualCall(ScriptedAgent(text), tts=model) as call:
        await call.say("Hello.")
        assert call.heard == [text]
        assert call.sounded == text
    assert model.asked == [
        "Well, I can see that,",
        "if you like.",
        "Shall I book it, sir, or would you rather wait?",
    ]


async def test_a_clause_may_come_in_small_pieces() -> None:
    tts = PiecesOfSpeech(lambda text: spans(*text.split()))
    async with VirtualCall(ScriptedAgent(TWO), tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == [TWO]
        assert call.sounded.replace(" ", "") == TWO.replace(" ", "")


async def test_a_seed_reaches_the_voice() -> None:
    seeds: list[int | None] = []

    class Seeded(FakeTextToSpeech):
        async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
            seeds.append(seed)
            return await super().synthesize(text)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Seeded(), config=SessionConfig(seed=7)) as call:
        await call.say("Hello.")
    assert seeds == [7]


# --- failures that pass ---


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_failure_that_passes_is_not_noticed(failures: int) -> None:
    tts = FakeTextToSpeech(faults=[DOWN] * failures)
    async with VirtualCall(ScriptedAgent(TWO), tts=tts, config=SessionConfig(max_retries=2)) as call:
        await call.say("Hello.")
        assert call.heard == [TWO]
        assert call.of(ErrorRaised) == []
    assert tts.asked[: failures + 1] == ["This is the first one."] * (failures + 1)


async def test_a_failure_that_does_not_pass_in_time_is_told_and_apologised_for() -> None:
    tts = FakeTextToSpeech(faults=[DOWN, DOWN])
    async with VirtualCall(ScriptedAgent(TWO), tts=tts, config=SessionConfig(max_retries=1)) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.retryable) == ("provider_unavailable", True)
        assert call.heard == [APOLOGY]


async def test_a_failure_that_cannot_pass_is_not_tried_again() -> None:
    tts = FakeTextToSpeech(faults=[AuthenticationError("The key is wrong.")])
    async with VirtualCall(ScriptedAgent("Yes."), tts=tts) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "authentication_failed"
    assert tts.asked[0] == "Yes."
    assert "Yes." not in tts.asked[1:]


async def test_a_voice_that_never_works_leaves_the_call_alive() -> None:
    agent = ScriptedAgent("Yes.")
    tts = FakeTextToSpeech(faults=repeat(DOWN))
    async with VirtualCall(agent, tts=tts, config=SessionConfig(max_retries=0)) as call:
        for text in ("Hello.", "Hello again."):
            await call.say(text)
            assert call.session.settled
        assert call.heard == []
        assert len(agent.turns) == 2
        assert [e.code for e in call.of(ErrorRaised)] == ["provider_unavailable"] * 4  # the answer and the apology


async def test_a_clause_that_was_half_heard_is_not_spoken_again() -> None:
    tts = PiecesOfSpeech(lambda text: [*spans(text[:7]), DOWN])
    async with VirtualCall(ScriptedAgent(TWO), tts=tts) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "provider_unavailable"
        assert tts.asked.count("This is the first one.") == 1
        assert call.heard == ["This is", "Sorry, something went wrong. Could you say that again?"]


async def test_a_later_clause_that_fails_ends_the_reply() -> None:
    agent = ScriptedAgent("This is the first one. " * 50)
    tts = FakeTextToSpeech(faults=[0.0, AuthenticationError("The key is wrong.")])
    async with VirtualCall(agent, tts=tts) as call:
        await call.say("Hello.")
        assert call.heard == ["This is the first one.", "Sorry, something went wrong. Could you say that again?"]
        assert call.one(ErrorRaised).code == "authentication_failed"
    assert agent.closed == 1


async def test_who_asks_for_patience_is_given_it_unless_there_is_none() -> None:
    tts = FakeTextToSpeech(faults=[RateLimitedError("Slow down.", retry_after=60.0)])
    async with VirtualCall(ScriptedAgent("Yes."), tts=tts) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "rate_limited"
    assert tts.asked[0] == "Yes."
    assert "Yes." not in tts.asked[1:]


def test_pauses_double_up_to_a_second_and_are_never_shorter_than_asked() -> None:
    plain, patient = ProviderUnavailableError("down"), OverloadedError("full", retry_after=0.3)
    assert [pause_before_retry(i, plain) for i in (0, 1, 2, 9)] == pytest.approx([0.05, 0.1, 0.2, 1.0])
    assert [pause_before_retry(i, patient) for i in (0, 3)] == pytest.approx([0.3, 0.4])


# --- stalls, and what a voice must not do ---


async def test_a_voice_that_stalls_is_given_up() -> None:
    tts = FakeTextToSpeech(faults=[FOREVER])
    async with VirtualCall(ScriptedAgent("Yes."), tts=tts, config=SessionConfig(speech_timeout=0.02)) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("timeout", "fake-tts")
        assert "gave no speech for 0.02 s" in error.message
        assert call.heard == [APOLOGY]
    assert tts.asked.count("Yes.") == 1


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (Speech("x", b"\0\0", 24_000), "gave Speech, and must give AudioChunk or TextSpan"),
        (AudioChunk(b"\0\0\0"), "gave a chunk of 3 bytes, and must give whole 16-bit samples"),
        (AudioChunk(None), "gave AudioChunk, and must give"),  # type: ignore[arg-type]
        (b"\0\0", "gave bytes, and must give AudioChunk or TextSpan"),
        (AudioChunk(bytes(48_000 * 40)), "gave 40 s of speech for 4 characters"),
        (ZeroDivisionError("by zero"), "failed: ZeroDivisionError."),
        (TimeoutError("mine"), "failed: TimeoutError."),
    ],
)
async def test_what_is_no_speech_is_refused(piece: Any, message: str) -> None:
    async with VirtualCall(ScriptedAgent("Yes."), tts=PiecesOfSpeech(lambda _: [piece])) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("provider_error", "fake-tts")
        assert message in error.message
        assert call.heard == [APOLOGY]


async def test_a_voice_may_fail_before_it_begins() -> None:
    class Broken(FakeTextToSpeech):
        def stream(self, text: Any, **_: Any) -> Any:
            raise KeyError(text)

    async with VirtualCall(ScriptedAgent("Yes."), tts=Broken()) as call:
        await call.say("Hello.")
        assert "KeyError" in call.of(ErrorRaised)[0].message
        assert call.session.settled


async def test_a_voice_that_cancels_itself_fails_like_any_other() -> None:
    class Cancelling(FakeTextToSpeech):
        async def synthesize(self, text: str, **_: Any) -> Speech:
            raise asyncio.CancelledError

    async with VirtualCall(ScriptedAgent("Yes."), tts=Cancelling()) as call:
        await call.say("Hello.")
        assert "cancelled its own work" in call.of(ErrorRaised)[0].message
        assert call.session.settled


@pytest.mark.parametrize("model", [False, True])
async def test_text_that_cannot_be_spoken_is_left_out(model: bool) -> None:
    tts = FakeTtsModel() if model else FakeTextToSpeech()
    async with VirtualCall(ScriptedAgent("— ☎ —\nCall me now.\n***"), tts=tts) as call:
        await call.say("Hello.")
        assert call.sounded.endswith("Call me now.")
        assert call.of(ErrorRaised) == []


async def test_a_model_that_fails_is_told_of() -> None:
    tts = FakeTtsModel(faults=[ZeroDivisionError()])
    async with VirtualCall(ScriptedAgent("Yes."), tts=tts) as call:
        await call.say("Hello.")
        assert "fake-tts-model failed" in call.one(ErrorRaised).message
        assert call.heard == [APOLOGY]


async def test_speech_that_comes_slowly_starves_and_is_counted_and_loses_nothing() -> None:
    """In audio time the sound waits for speech; here it does not, as in real time."""
    tts = FakeTextToSpeech()
    gate = asyncio.Event()

    class Slow(FakeTextToSpeech):
        async def synthesize(self, text: str, **_: Any) -> Speech:
            if text.startswith("And"):
                await gate.wait()
            return await tts.synthesize(text)

    config = SessionConfig(rules=ConversationConfig(max_dead_air=0.0))
    async with VirtualCall(ScriptedAgent(TWO), tts=Slow(), config=config) as call:
        await call.speak("Hello.")
        await call.silence(0.6)
        await call.silence(4.0, waits=False)
        assert call.session.starved > 50
        gate.set()
        await call.settle()
        assert call.heard == [TWO]
        assert call.sounded == TWO
        assert call.one(events.AgentHeard).interrupted is False
