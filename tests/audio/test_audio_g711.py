from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio.format import Encoding
from duologue.audio.g711 import decode, encode
from duologue.errors import ConfigError, InvalidAudioError

LAWS: tuple[Encoding, ...] = ("mulaw", "alaw")
RAMP = np.arange(-32768, 32768, dtype=np.int32).astype("<i2")


@pytest.mark.parametrize("law", LAWS)
def test_every_code_survives_a_round_trip(law: Encoding) -> None:
    codes = bytes(range(256))
    back = encode(decode(codes, law), law)
    # mu-law has two zeros, which both decode to 0.
    assert [a for a, b in zip(codes, back, strict=True) if a != b] == ([0x7F] if law == "mulaw" else [])


@pytest.mark.parametrize("law", LAWS)
def test_the_error_is_a_small_part_of_the_sample(law: Encoding) -> None:
    coded = encode(RAMP.tobytes(), law)
    assert len(coded) == len(RAMP)
    back = np.frombuffer(decode(coded, law), "<i2").astype(float)
    assert (np.abs(back - RAMP) <= np.maximum(16, np.abs(RAMP.astype(float)) / 16)).all()
    assert (np.diff(back) >= 0).all()


def test_codes_that_the_standard_names() -> None:
    assert encode(bytes(2), "mulaw") == b"\xff"
    assert encode(bytes(2), "alaw") == b"\xd5"
    assert decode(b"\x00\x80", "mulaw") == np.array([-32124, 32124], "<i2").tobytes()
    assert decode(b"\x2a\xaa", "alaw") == np.array([-32256, 32256], "<i2").tobytes()


@given(st.binary(max_size=200))
def test_any_bytes_are_g711(data: bytes) -> None:
    for law in LAWS:
        assert len(decode(data, law)) == 2 * len(data)


def test_pcm_is_left_as_it_is() -> None:
    assert encode(b"1234", "pcm_s16le") == decode(b"1234", "pcm_s16le") == b"1234"


def test_bad_input_is_refused() -> None:
    for encoding in ("pcm_s16le", *LAWS):
        with pytest.raises(InvalidAudioError, match="3 bytes are not whole samples"):
            encode(b"123", encoding)
    with pytest.raises(InvalidAudioError, match="3 bytes are not whole samples"):
        decode(b"123", "pcm_s16le")
    for convert in (decode, encode):
        with pytest.raises(ConfigError, match="'opus' is not one of"):
            convert(b"12", "opus")  # type: ignore[arg-type]  # wrong on purpose
