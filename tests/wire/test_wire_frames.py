from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.errors import InvalidAudioError
from duologue.wire.frames import HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_POSITION, Continuity, Frame, pack, unpack


@given(
    position=st.integers(0, MAX_POSITION),
    generation=st.integers(0, 2**32 - 1),
    samples=st.lists(st.integers(0, 65535), min_size=1, max_size=50),
)
def test_what_is_packed_is_unpacked(position: int, generation: int, samples: list[int]) -> None:
    audio = struct.pack(f"<{len(samples)}H", *samples)
    frame = unpack(pack(position, generation, audio), 2)
    assert frame == (position, generation, memoryview(audio))


def test_the_header_is_little_endian_and_twelve_bytes() -> None:
    message = pack(0x0102030405060708, 0x0A0B0C0D, b"\x11\x22")
    assert message.hex() == "0807060504030201" + "0d0c0b0a" + "1122"
    assert HEADER_BYTES == 12


def test_unpacking_copies_nothing() -> None:
    message = pack(0, 0, bytes(640))
    assert unpack(message, 2).audio.obj is message


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"", "0 bytes, and must have a header of 12 bytes and samples"),
        (b"\0" * 11, "11 bytes, and must have a header"),
        (b"\0" * 12, "12 bytes, and must have a header"),
        (b"\0" * 13, "1 bytes after the header are not whole samples of 2 bytes"),
        (b"\0" * (MAX_MESSAGE_BYTES + 2), "1048578 bytes, and may have 1048576"),
        (struct.pack("<QI", 2**53, 0) + b"\0\0", "positions end at 9007199254740991"),
    ],
)
def test_what_is_no_frame_is_refused(message: bytes, said: str) -> None:
    with pytest.raises(InvalidAudioError, match=said):
        unpack(message, 2)


def test_one_byte_is_a_sample_of_g711() -> None:
    assert bytes(unpack(pack(7, 0, b"\xff"), 1).audio) == b"\xff"


@pytest.mark.parametrize(("position", "generation"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**32)])
def test_numbers_that_do_not_fit_are_refused(position: int, generation: int) -> None:
    with pytest.raises(InvalidAudioError, match="cannot be packed"):
        pack(position, generation, b"\0\0")


def frame(position: int, values: bytes) -> Frame:
    return Frame(position, 0, memoryview(values))


def test_frames_in_order_pass() -> None:
    stream = Continuity(rate=8000, bytes_per_sample=1)
    assert stream.accept(frame(0, b"abc")) == (0, memoryview(b"abc"))
    assert stream.accept(frame(3, b"de")) == (0, memoryview(b"de"))
    assert (stream.position, stream.gaps, stream.duplicates) == (5, 0, 0)


def test_a_position_ahead_is_a_gap() -> None:
    stream = Continuity(rate=8000, bytes_per_sample=2)
    assert stream.accept(frame(100, b"abcd")) == (100, memoryview(b"abcd"))
    assert (stream.position, stream.gaps) == (102, 100)


def test_a_position_behind_is_a_duplicate_as_far_as_it_overlaps() -> None:
    stream = Continuity(rate=8000, bytes_per_sample=2)
    stream.accept(frame(0, b"aabbcc"))
    assert stream.accept(frame(1, b"bbccddee")) == (0, memoryview(b"ddee"))
    assert stream.accept(frame(0, b"aabb")) == (0, memoryview(b""))
    assert (stream.position, stream.gaps, stream.duplicates) == (5, 0, 4)


def test_an_hour_may_be_missing_and_no_more() -> None:
    stream = Continuity(rate=8000, bytes_per_sample=1)
    with pytest.raises(InvalidAudioError, match="more than 3600 s cannot be missing"):
        stream.accept(frame(3600 * 8000 + 1, b"a"))
    assert stream.position == 0
    assert stream.accept(frame(3600 * 8000, b"a")) == (3600 * 8000, memoryview(b"a"))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=30))
def test_every_sample_is_new_missing_or_a_duplicate(frames: list[tuple[int, int]]) -> None:
    stream = Continuity(rate=8000, bytes_per_sample=1)
    source = bytes(range(100))
    got = bytearray()
    for position, samples in frames:
        gap, audio = stream.accept(frame(position, source[position : position + samples]))
        got += bytes(gap) + audio
    assert len(got) == stream.position
    assert all(value in (0, place) for place, value in enumerate(got))
    new = len(got) - stream.gaps
    assert sum(samples for _, samples in frames) == new + stream.duplicates
