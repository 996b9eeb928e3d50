"""The parts from which streaming recognizers are built: queue, positions, buffered streams, base classes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.errors import (
    ConfigError,
    DeadlineError,
    InvalidAudioError,
    InvalidStateError,
    OverloadedError,
    ProviderError,
    UnsupportedLanguageError,
)
from duologue.stt import Final, Partial, RecognitionStream, SttCapabilities, Transcript, base
from duologue.stt.base import BatchSpeechToText, StreamingSpeechToText
from duologue.stt.buffered import BufferedStream
from duologue.stt.streaming import AudioQueue, PositionMap
from duologue.testing.fakes import FOREVER, FakeSpeechToText, pause
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeStreamingSpeechToText, StreamFault

pytestmark = pytest.mark.anyio


# --- what a provider declares ---


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"typical_latency": -1.0}, "typical_latency is -1.0"),
        ({"typical_latency": float("nan")}, "typical_latency is nan"),
        ({"latency_per_s": float("inf")}, "latency_per_s is inf"),
        ({"rates": ()}, "at least one sample rate"),
        ({"rates": (16_000, 0)}, "at least one sample rate"),
    ],
)
def test_capabilities_are_checked(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        SttCapabilities(**wrong)


# --- audio that waits to be sent ---


async def test_a_queue_gives_back_what_was_pushed_and_has_a_bound() -> None:
    queue = AudioQueue("slow", max_seconds=0.05)
    queue.push(bytes(640), 0)
    queue.push(bytes(640), 320)
    with pytest.raises(OverloadedError, match=r"slow has 0.0 s of audio waiting"):
        queue.push(bytes(640), 640)
    assert await anext(queue) == (bytes(640), 0)
    queue.push(bytes(640), 640)
    queue.finalize(960)
    queue.finalize(960)
    assert [await anext(queue) for _ in range(3)] == [(bytes(640), 320), (bytes(640), 640), (b"", 960)]
    assert queue.samples == 0
    waiting = asyncio.ensure_future(anext(queue))
    await asyncio.sleep(0)
    queue.push(b"", 960)
    queue.push(bytes(2), 960)
    assert await waiting == (bytes(2), 960)
    queue.push(bytes(2), 961)
    queue.close()
    assert [piece async for piece in queue] == []


async def test_a_queue_collects_audio_until_it_is_enough_for_a_message() -> None:
    queue = AudioQueue("collects", least=400)
    waiting = asyncio.ensure_future(anext(queue))
    queue.push(b"\x01\x00" * 320, 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.push(b"\x02\x00" * 320, 320)
    assert await waiting == (b"\x01\x00" * 320 + b"\x02\x00" * 320, 0)
    queue.push(bytes(2 * 320), 640)
    queue.push(bytes(2 * 320), 5000)  # audio was left out
    queue.push(bytes(2 * 40), 5320)
    queue.finalize(5360)
    queue.push(bytes(2 * 500), 5360)
    assert [await anext(queue) for _ in range(4)] == [
        (bytes(2 * 320), 640),
        (bytes(2 * 360), 5000),
        (b"", 5360),
        (bytes(2 * 500), 5360),
    ]
    queue.push(bytes(2), 5860)
    assert queue.samples == 1
    queue.close()
    assert [piece async for piece in queue] == []


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 50_000)), min_size=1, max_size=30), st.data())
def test_the_clock_of_a_provider_maps_to_positions(pushes: list[tuple[int, int]], data: st.DataObject) -> None:
    mapped, position = PositionMap(), 5_000
    expected: list[int] = []
    for samples, jump in pushes:
        position += jump
        mapped.sent(samples, position)
        expected += range(position, position + samples)
        position += samples
    at = data.draw(st.integers(0, len(expected) - 1))
    assert mapped.position(at / 16_000) == expected[at]
    assert mapped.end((at + 1) / 16_000) == expected[at] + 1
    assert mapped.end(0.0) == expected[0]


def test_a_map_forgets_and_has_an_answer_for_all() -> None:
    mapped = PositionMap()
    assert mapped.position(1.0) == 16_000
    for i in range(3 * PositionMap.MAX_JUMPS):
        mapped.sent(10, 100 * i)
    last = 3 * PositionMap.MAX_JUMPS - 1
    assert mapped.position(last * 10 / 16_000) == last * 100
    assert mapped.position(0.0) < 100 * last


# --- a stream over a recognizer of whole utterances ---


async def test_finals_come_on_request_and_cover_what_was_asked() -> None:
    stream = BufferedStream(FakeSpeechToText(), partial_every=0)
    sound = speak("One two.")
    stream.push(sound[:6_400], 1_000)
    stream.push(sound[6_400:], 1_000 + 3_200)
    end = 1_000 + len(sound) // 2
    stream.finalize(end)
    events = aiter(stream)
    assert await anext(events) == Final("One two.", 1_000, end)
    stream.finalize(end)
    assert await anext(events) == Final("", end, end)
    await stream.aclose()
    assert [event async for event in events] == []
    with pytest.raises(InvalidStateError):
        stream.push(b"", end)


async def test_partials_come_as_audio_does() -> None:
    stream = BufferedStream(FakeSpeechToText(), partial_every=0.5)
    sound = speak("One two three four.")
    events = aiter(stream)
    stream.push(sound[:16_000], 0)
    partial = await anext(events)
    assert partial == Partial(partial.text, 0, 8_000)
    assert "One two three four.".startswith(partial.text)
    stream.push(sound[16_000:], 8_000)
    stream.finalize(len(sound) // 2)
    assert await anext(events) == Final("One two three four.", 0, len(sound) // 2)


async def test_a_stream_keeps_at_most_half_a_minute() -> None:
    stream = BufferedStream(FakeSpeechToText())
    stream.push(bytes(30 * 32_000), 0)
    with pytest.raises(InvalidAudioError, match="At most 30 s"):
        stream.push(bytes(2), 480_000)
    with pytest.raises(InvalidAudioError, match="3 bytes"):
        stream.push(b"abc", 480_000)


async def test_audio_that_was_left_out_is_silence_of_at_most_a_second() -> None:
    stt = FakeSpeechToText()
    stream = BufferedStream(stt, partial_every=0)
    stream.push(speak("One"), 0)
    stream.push(speak("two."), 10 * 16_000)
    stream.finalize(20 * 16_000)
    final = await anext(aiter(stream))
    assert (final.text, final.end) == ("One two.", 20 * 16_000)
    assert stt.asked[0] < 2.0


# --- base classes ---


class Whole(BatchSpeechToText):
    name = "whole"
    capabilities = SttCapabilities(languages=frozenset(["en"]))

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        return Transcript("Words.")


async def test_of_a_batch_recognizer_one_method_is_enough() -> None:
    stt = Whole()
    await stt.warm()
    assert [t.text for t in await stt.transcribe_batch([b"", b""])] == ["Words."] * 2
    stream = stt.stream(language="en-US")
    stream.push(bytes(320), 0)
    stream.finalize(160)
    assert (await anext(aiter(stream))).text == "Words."  # type: ignore[union-attr]
    with pytest.raises(UnsupportedLanguageError, match="whole knows en"):
        stt.stream(language="de")
    await stt.aclose()


async def test_a_streaming_recognizer_transcribes_through_a_stream() -> None:
    stt = FakeStreamingSpeechToText()
    transcript = await stt.transcribe(speak("One two three."), language="en")
    assert transcript.text == "One two three."
    assert transcript.audio_s == pytest.approx(len(speak("One two three.")) / 32_000)
    assert stt.streams[0].closed
    assert [t.text for t in await stt.transcribe_batch([speak("One."), speak("Two.")])] == ["One.", "Two."]


async def test_a_stream_that_ends_or_hangs_has_no_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = FakeStreamingSpeechToText(faults=[StreamFault("end"), StreamFault("stall")])
    with pytest.raises(ProviderError, match="ended its stream before the last final"):
        await stt.transcribe(speak("One."))
    monkeypatch.setattr(base, "UTTERANCE_TIMEOUT_S", 0.02)
    with pytest.raises(DeadlineError, match="gave no final"):
        await stt.transcribe(speak("One."))
    assert all(stream.closed for stream in stt.streams)


async def test_the_protocol_is_met_by_a_stream_of_ones_own() -> None:
    class Own:
        def push(self, pcm: bytes, position: int) -> None: ...

        def finalize(self, position: int) -> None: ...

        async def __aiter__(self) -> AsyncIterator[Final]:
            await pause(FOREVER)
            yield Final("", 0, 0)

        async def aclose(self) -> None: ...

    class Streams(StreamingSpeechToText):
        name = "own"
        capabilities = SttCapabilities(streaming=True)

        def stream(self, *, language: str | None = None) -> RecognitionStream:
            return Own()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Streams().transcribe(b""), 0.01)
