from __future__ import annotations

import math
import struct

import pytest
from fake_backend import FakeBackend, FakeSession
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio import g711
from duologue.errors import InvalidAudioError
from duologue.server.audio_io import AudioInput, AudioOutput
from duologue.server.outbox import Outbox
from duologue.session import CallRequest
from duologue.wire.fields import Audio
from duologue.wire.frames import pack, unpack

pytestmark = pytest.mark.anyio

AUDIOS = [
    Audio(),
    Audio(rate=8000),
    Audio(rate=24000),
    Audio(rate=44100),
    Audio(rate=48000),
    Audio(encoding="mulaw", rate=8000),
    Audio(encoding="alaw", rate=8000),
]


def tone(rate: int, seconds: float) -> bytes:
    count = round(rate * seconds)
    return struct.pack(f"<{count}h", *(round(8000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(count)))


def new_session() -> FakeSession:
    outbox = new_outbox()
    return FakeSession(CallRequest(), AudioOutput(Audio(), outbox), FakeBackend())


@pytest.mark.parametrize("audio", AUDIOS, ids=str)
async def test_a_second_in_is_a_second_heard(audio: Audio) -> None:
    session = new_session()
    sound = AudioInput(audio, session)
    data = g711.encode(tone(audio.rate, 1), audio.encoding)
    step = audio.rate // 50 * audio.bytes_per_sample
    seconds = sum(
        sound.take(pack(at // audio.bytes_per_sample, 0, data[at : at + step])) for at in range(0, len(data), step)
    )
    assert seconds == pytest.approx(1)
    assert session.accepted == pytest.approx(16_000, abs=48)
    heard = struct.unpack(f"<{len(session.heard) // 2}h", session.heard)
    assert max(heard) == pytest.approx(8000, rel=0.05)


async def test_pcm_at_the_sessions_rate_is_handed_over_as_it_is() -> None:
    session = new_session()
    AudioInput(Audio(), session).take(pack(0, 0, b"\1\2\3\4"))
    assert session.heard == b"\1\2\3\4"


@settings(max_examples=30, deadline=None)
@given(audio=st.sampled_from(AUDIOS), gaps=st.lists(st.integers(0, 3000), min_size=1, max_size=8))
async def test_gaps_keep_the_time(audio: Audio, gaps: list[int]) -> None:
    session = new_session()
    sound = AudioInput(audio, session)
    position = 0
    for gap in gaps:
        position += gap
        sound.take(pack(position, 0, bytes(100 * audio.bytes_per_sample)))
        position += 100
    assert session.accepted == pytest.approx(position * 16_000 / audio.rate, abs=10)


async def test_a_frame_holds_a_second_at_most() -> None:
    session = new_session()
    sound = AudioInput(Audio(rate=8000), session)
    with pytest.raises(InvalidAudioError, match=r"holds 2\.0 s of sound, and may hold 1 s"):
        sound.take(pack(0, 0, bytes(32_000)))
    assert sound.take(pack(0, 0, bytes(16_000))) == 1


async def test_duplicates_are_heard_once() -> None:
    session = new_session()
    sound = AudioInput(Audio(), session)
    assert sound.take(pack(0, 0, b"aabb")) == 2 / 16_000
    assert sound.take(pack(0, 0, b"aabb")) == 0
    assert sound.take(pack(1, 0, b"bbcc")) == 1 / 16_000
    assert session.heard == b"aabbcc"


async def test_an_acknowledgement_is_due_each_200_ms_of_sound() -> None:
    sound = AudioInput(Audio(rate=8000), new_session())
    acks = []
    for number in range(100):
        sound.take(pack(number * 160, 0, bytes(320)))
        if (ack := sound.ack()) is not None:
            acks.append(ack)
    assert [ack.position for ack in acks] == [1600 * number for number in range(1, 11)]
    sound.take(pack(16_500, 0, bytes(3200)))
    sound.take(pack(16_000, 0, bytes(320)))
    ack = sound.ack()
    assert ack is not None
    assert (ack.position, ack.gaps, ack.duplicates) == (18_100, 500, 160)


async def test_what_is_no_frame_is_refused_and_changes_nothing() -> None:
    session = new_session()
    sound = AudioInput(Audio(), session)
    for message in (b"", bytes(12), bytes(13)):
        with pytest.raises(InvalidAudioError):
            sound.take(message)
    assert session.calls == []


def new_outbox() -> Outbox:
    return Outbox(lambda _: None, lambda _: None, progress_timeout=1)


def sent(outbox: Outbox) -> list[tuple[int, int, bytes]]:
    """The frames that wait in the outbox."""
    frames = [unpack(data, 1) for _, data in outbox._frames]
    return [(frame.position, frame.generation, bytes(frame.audio)) for frame in frames]


@pytest.mark.parametrize("audio", AUDIOS, ids=str)
async def test_a_second_said_is_a_second_out(audio: Audio) -> None:
    outbox = new_outbox()
    sink = AudioOutput(audio, outbox)
    sink.rate = 24_000
    pcm = tone(24_000, 1)
    for at in range(0, len(pcm), 960):
        sink.send(pcm[at : at + 960], at // 2, 1)
    frames = sent(outbox)
    expected = 0
    for position, generation, data in frames:
        assert (position, generation) == (expected, 1)
        expected += len(data) // audio.bytes_per_sample
    assert expected == pytest.approx(audio.rate, abs=0.003 * audio.rate)
    assert sink.played(audio.rate) == 24_000


async def test_a_new_reply_begins_with_nothing_of_the_old_one_in_the_filter() -> None:
    outbox = new_outbox()
    sink = AudioOutput(Audio(rate=8000), outbox)
    sink.rate = 24_000
    loud = tone(24_000, 0.1)
    sink.send(loud, 0, 1)
    sink.send(bytes(960), 2400, 2)
    frames = sent(outbox)
    assert [(position, generation) for position, generation, _ in frames] == [(0, 1), (800, 2)]
    assert not any(frames[1][2])


async def test_a_flush_drops_the_sound_here_and_tells_the_client() -> None:
    outbox = new_outbox()
    sink = AudioOutput(Audio(rate=24_000), outbox)
    sink.rate = 24_000
    sink.send(b"\1\0", 0, 1)
    sink.send(b"\2\0", 1, 2)
    sink.pause(2)
    sink.resume(2)
    sink.flush(1)
    assert list(outbox._messages) == [
        '{"type":"pause","generation":2}',
        '{"type":"resume","generation":2}',
        '{"type":"interrupted","generation":1}',
    ]
    assert sent(outbox) == [(1, 2, b"\2\0")]
