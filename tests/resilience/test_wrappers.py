"""The wrappers over fakes in virtual time: who is asked, when, and what comes of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    InvalidAudioError,
    ProviderError,
    ProviderUnavailableError,
    RateLimitedError,
)
from duologue.pool import ProviderPool
from duologue.resilience import BreakerRegistry, BreakerState, HedgeSettings, resilient_stt, resilient_tts
from duologue.resilience.hedge import Hedge
from duologue.stt import SttCapabilities
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech
from duologue.testing.spoken import understand
from duologue.testing.streaming import FakeStreamingSpeechToText
from duologue.testing.virtual_time import run_in_virtual_time
from duologue.testing.voices import StreamingVoice
from duologue.tts import AudioChunk, TextSpan

T = TypeVar("T")
DOWN = ProviderUnavailableError("It is down.")


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def breakers() -> BreakerRegistry:
    return BreakerRegistry()


class Stt(FakeSpeechToText):
    def __init__(self, name: str, *texts: str, faults: Any = ()) -> None:
        super().__init__(*texts, faults=faults)
        self.name = name


class Voice(StreamingVoice):
    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        self.name = name


def test_a_stalled_recognizer_is_passed_over_within_its_deadline(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        stt = resilient_stt([Stt("a", faults=[FOREVER]), Stt("b", "hello")], breakers=breakers)
        assert (await stt.transcribe(bytes(3200))).text == "hello"
        assert 1.5 <= now() < 1.6

    run_in_virtual_time(main())


def test_twenty_turns_against_a_dead_provider_call_it_three_times(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        dead = Stt("dead", faults=iter(lambda: DOWN, None))
        stt = resilient_stt([dead, Stt("b", "hello")], breakers=breakers)
        for _ in range(20):
            assert (await stt.transcribe(bytes(3200))).text == "hello"
            await asyncio.sleep(6.0)
        assert len(dead.asked) <= 3

    run_in_virtual_time(main())


def test_the_first_provider_is_returned_to_when_it_is_healthy(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        first = Stt("a", "from a", faults=[DOWN, DOWN])
        stt = resilient_stt([first, Stt("b", "from b")], breakers=breakers)
        said = []
        for _ in range(8):
            said.append((await stt.transcribe(bytes(3200))).text)
            await asyncio.sleep(10.0)
        assert said == ["from b"] * 4 + ["from a"] * 4
        assert breakers.states()[0].state is BreakerState.CLOSED

    run_in_virtual_time(main())


@pytest.mark.parametrize(("error", "opens"), [(AuthenticationError("No."), True), (InvalidAudioError("Odd."), False)])
def test_a_wrong_key_opens_the_breaker_at_once_and_wrong_audio_never(
    breakers: BreakerRegistry, error: Exception, opens: bool
) -> None:
    async def main() -> None:
        stt = resilient_stt([Stt("a", faults=[error]), Stt("b", "hello")], breakers=breakers)
        if opens:
            assert (await stt.transcribe(bytes(3200))).text == "hello"
        else:
            with pytest.raises(InvalidAudioError):
                await stt.transcribe(bytes(3200))
        assert (breakers.states()[0].state is BreakerState.OPEN) == opens

    run_in_virtual_time(main())


def test_a_rate_limit_leaves_the_provider_alone_for_as_long_as_it_asks(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        first = Stt("a", "from a", faults=[RateLimitedError("Slow down.", retry_after=7.0)])
        stt = resilient_stt([first, Stt("b", "from b")], breakers=breakers)
        assert (await stt.transcribe(bytes(3200))).text == "from b"
        assert breakers.states()[0].retry_in == pytest.approx(7.0)
        await asyncio.sleep(7.0)
        assert (await stt.transcribe(bytes(3200))).text == "from a"

    run_in_virtual_time(main())


def test_a_single_provider_that_is_down_is_tried_once_a_second(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        dead = Stt("dead", faults=iter(lambda: DOWN, None))
        stt = resilient_stt([dead], breakers=breakers)
        for _ in range(100):
            with pytest.raises(ProviderUnavailableError):
                await stt.transcribe(bytes(3200))
            await asyncio.sleep(0.1)
        assert 10 <= len(dead.asked) <= 12

    run_in_virtual_time(main())


async def listen(voice: Any, text: Any) -> tuple[str, list[TextSpan], float]:
    pcm, spans = bytearray(), []
    async for item in voice.stream(text):
        if isinstance(item, AudioChunk):
            pcm += item.pcm
        else:
            spans.append(item)
    return understand(bytes(pcm), voice.rate), spans, len(pcm) / 2 / voice.rate


async def written(text: str, every: float = 0.0) -> AsyncIterator[str]:
    for word in text.split(" "):
        await asyncio.sleep(every)
        yield word + " "


TEXT = "One two three four, five six seven eight. Nine ten eleven twelve."


@pytest.mark.parametrize("first", ["stall", "break"])
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("rate", [24_000, 16_000])
@pytest.mark.parametrize("aligned", [True, False])
def test_another_voice_goes_on_at_the_clause_that_broke_off(
    breakers: BreakerRegistry, first: Any, streams: bool, rate: int, aligned: bool
) -> None:
    async def main() -> None:
        a = Voice("a", faults=[first], chunks=(1.1,), aligned=aligned)
        b = Voice("b", streams_text=streams, rate=rate, aligned=aligned)
        voice = resilient_tts([a, b], breakers=breakers)
        words, spans, seconds = await listen(voice, written(TEXT))
        words = words.replace(",", ", ").replace(".", ". ")
        plain = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        said = words.lower().replace(",", "").replace(".", "").split()
        if rate == a.rate:  # words in sound that was converted cannot be read
            assert said == ["one", "two", "three", "fou", *plain]
        assert bool(spans) == aligned
        assert seconds == pytest.approx(1.1 + 0.1 + 4.1, abs=0.2)
        assert all(span.start < seconds for span in spans)
        assert [s.start for s in spans] == sorted(s.start for s in spans)

    run_in_virtual_time(main())


def test_a_voice_that_waits_for_text_is_not_late(breakers: BreakerRegistry) -> None:
    async def main() -> None:
        a, b = Voice("a"), Voice("b")
        words, _, _ = await listen(resilient_tts([a, b], breakers=breakers), written("Slow as can be.", 3.0))
        assert words.lower().split() == ["slow", "as", "can", "be."]
        assert not b.given

    run_in_virtual_time(main())


def test_rates_that_cannot_be_converted_are_refused(breakers: BreakerRegistry) -> None:
    odd = FakeTextToSpeech(rate=24_000)
    odd.rate = 12_345
    with pytest.raises(ConfigError, match="cannot be converted"):
        resilient_tts([FakeTextToSpeech(), odd], breakers=breakers)


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), BaseException("odd")])
def test_a_provider_that_exits_is_passed_over(breakers: BreakerRegistry, fault: BaseException) -> None:
    class Exits(Stt):
        async def transcribe(self, pcm: bytes, **options: Any) -> Any:
            raise fault

        async def warm(self) -> None:
            raise fault

    class ExitingVoice(Voice):
        async def stream(self, text: Any, **options: Any) -> AsyncIterator[Any]:
            for error in [fault]:
                raise error
            yield

    async def main() -> None:
        stt = resilient_stt([Exits("a"), Stt("b", "hello")], breakers=breakers)
        assert (await stt.transcribe(bytes(3200))).text == "hello"
        await stt.warm()
        voice = resilient_tts([ExitingVoice("a"), Voice("b")], breakers=breakers)
        assert (await listen(voice, "Good morning."))[0] == "Good morning."
        with pytest.raises(ProviderError, match=f"a failed: {type(fault).__name__}"):
            await resilient_stt([Exits("a")], breakers=BreakerRegistry()).transcribe(bytes(3200))

    run_in_virtual_time(main())


def test_a_stream_that_exits_is_followed_by_one_of_the_next_provider(breakers: BreakerRegistry) -> None:
    class ExitingStream(FakeStreamingSpeechToText):
        def stream(self, *, language: str | None = None) -> Any:
            raise SystemExit(3)

    async def main() -> None:
        stt = resilient_stt([ExitingStream(name="a"), FakeStreamingSpeechToText(name="b")], breakers=breakers)
        stream = stt.stream()
        assert getattr(stream, "provider").name == "b"  # noqa: B009 - the Protocol does not have it
        await stream.aclose()

    run_in_virtual_time(main())


def test_a_hedged_call_that_exits_does_not_end_the_loop() -> None:
    async def main() -> None:
        hedge = Hedge(HedgeSettings(min_calls=5), name="a")
        outcomes = iter([*[None] * 5, SystemExit(3), None])

        async def call() -> str:
            outcome = next(outcomes)
            await asyncio.sleep(0.1)
            if outcome is not None:
                raise outcome
            return "yes"

        for _ in range(5):
            assert await hedge.call(call) == "yes"
        with pytest.raises(ProviderError, match="a failed: SystemExit"):
            await hedge.call(call)  # in a task of its own
        assert await hedge.call(call) == "yes"

    run_in_virtual_time(main())


def test_a_connection_whose_dial_exits_fails_who_waits_for_it() -> None:
    async def dial() -> Any:
        raise SystemExit(3)

    async def main() -> None:
        pool: ProviderPool[Any] = ProviderPool(dial, name="a", size=2)
        with pytest.raises(ProviderError, match="a failed: SystemExit"):
            await pool.acquire()
        await pool.aclose()

    run_in_virtual_time(main())


@pytest.mark.parametrize(("second", "estimates"), [(True, True), (False, False)])
def test_a_list_estimates_the_sound_if_all_of_it_do(breakers: BreakerRegistry, second: bool, estimates: bool) -> None:
    members = [Stt("a"), Stt("b")]
    for member, can in zip(members, (True, second), strict=True):
        member.capabilities = SttCapabilities(estimates_sound=can)
    assert resilient_stt(members, breakers=breakers).capabilities.estimates_sound is estimates
