from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from duologue.audio.g711 import decode, encode
from duologue.audio.resample import FILE_RATES
from duologue.audio.wav import Wav, read_wav, read_wav_16k, write_wav
from duologue.errors import ConfigError, InvalidAudioError
from duologue.store import package_file

PCM, FLOAT, ALAW, MULAW = 1, 3, 6, 7
SUBTYPE_TAIL = bytes.fromhex("000000001000800000aa00389b71")
SAMPLES = np.array([0, 1, -1, 1000, -1000, 32767, -32768, 12345], "<i2")


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + bytes(len(body) & 1)


def form(tag: int = PCM, channels: int = 1, rate: int = 16000, bits: int = 16, frame_bytes: int | None = None) -> bytes:
    frame_bytes = channels * bits // 8 if frame_bytes is None else frame_bytes
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame_bytes, frame_bytes, bits)


def extensible(tag: int, bits: int, channels: int = 1, tail: bytes = SUBTYPE_TAIL) -> bytes:
    return form(0xFFFE, channels, bits=bits) + struct.pack("<HHIH", 22, bits, 0, tag) + tail


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def wav(data: bytes, fmt: bytes | None = None, *, data_size: int | None = None, riff_size: int | None = None) -> bytes:
    return riff(chunk(b"fmt ", fmt or form()), chunk(b"data", data, data_size), size=riff_size)


def int24(values: NDArray[np.int16], low: int = 0) -> bytes:
    return b"".join((int(value) * 256 + low).to_bytes(3, "little", signed=True) for value in values)


@pytest.mark.parametrize(
    ("fmt", "data", "expected"),
    [
        (form(PCM), SAMPLES.tobytes(), SAMPLES),
        (form(PCM, bits=8), bytes([128, 0, 255, 129]), [0, -32768, 32512, 256]),
        (form(PCM, bits=24), int24(SAMPLES, low=3), SAMPLES),
        (form(PCM, bits=32), (SAMPLES.astype("<i4") * 65536 + 99).tobytes(), SAMPLES),
        (form(FLOAT, bits=32), (SAMPLES / 32768).astype("<f4").tobytes(), SAMPLES),
        (form(FLOAT, bits=64), (SAMPLES / 32768).astype("<f8").tobytes(), SAMPLES),
        (form(FLOAT, bits=32), np.array([1, -1, 3e38, -3e38], "<f4").tobytes(), [32767, -32768, 32767, -32768]),
        (extensible(PCM, 16), SAMPLES.tobytes(), SAMPLES),
        (extensible(PCM, 24), int24(SAMPLES), SAMPLES),
        (extensible(FLOAT, 32), (SAMPLES / 32768).astype("<f4").tobytes(), SAMPLES),
        (form(MULAW, bits=8), encode(SAMPLES.tobytes(), "mulaw"), None),
        (form(ALAW, bits=8), encode(SAMPLES.tobytes(), "alaw"), None),
    ],
)
def test_every_encoding(fmt: bytes, data: bytes, expected: list[int] | NDArray[np.int16] | None) -> None:
    if expected is None:
        law = "mulaw" if fmt[0] == MULAW else "alaw"
        expected = np.frombuffer(decode(data, law), "<i2")  # type: ignore[arg-type]  # one of the two
    read = read_wav(wav(data, fmt))
    assert read.samples.tolist() == list(expected)
    assert read.samples.dtype == np.int16
    assert (read.rate, read.truncated) == (16000, False)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_the_standard_library_writes(width: int, channels: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, 44100, 0, "NONE", ""))
        writer.writeframes(bytes([200]) * (width * channels * 50))
    read = read_wav(file.getvalue())
    assert (len(read.samples), read.rate, read.truncated) == (50, 44100, False)
    assert len(set(read.samples.tolist())) == 1


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_by_their_mean(channels: int) -> None:
    frames = np.random.default_rng(channels).integers(-32768, 32768, (300_000, channels)).astype("<i2")
    read = read_wav(wav(frames.tobytes(), form(channels=channels)))
    assert np.array_equal(read.samples, np.rint(frames.mean(axis=1)))
    as_float = (frames / 32768).astype("<f8")
    again = read_wav(wav(as_float.tobytes(), form(FLOAT, channels, bits=64)))
    assert np.array_equal(again.samples, read.samples)


@pytest.mark.parametrize("rate", FILE_RATES)
def test_every_rate_and_16_khz(rate: int) -> None:
    data = wav(bytes(2 * (rate // 10)), form(rate=rate))
    assert read_wav(data).rate == rate
    assert read_wav(data).duration == pytest.approx(0.1, abs=1e-3)
    read = read_wav_16k(data)
    assert (read.rate, len(read.samples)) == (16000, round(rate // 10 * 16000 / rate))


def test_other_chunks_are_passed_over() -> None:
    odd = chunk(b"LIST", b"INFOx")
    data = riff(odd, chunk(b"fmt ", form() + b"\x00\x00"), chunk(b"fact", bytes(4)), odd, chunk(b"data", b"1234"), odd)
    read = read_wav(data)
    assert (read.samples.tobytes(), read.truncated) == (b"1234", False)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize("whole", [0, 0xFFFFFFFF])
def test_a_streamed_header_is_read_to_the_end(size: int, whole: int) -> None:
    read = read_wav(wav(SAMPLES.tobytes(), data_size=size, riff_size=whole))
    assert (read.samples.tolist(), read.truncated) == (SAMPLES.tolist(), False)
    cut = read_wav(wav(SAMPLES.tobytes(), data_size=size, riff_size=whole)[:-1])
    assert (cut.samples.tolist(), cut.truncated) == (SAMPLES[:-1].tolist(), True)


def test_truncated_data_is_read_and_told() -> None:
    data = wav(SAMPLES.tobytes())
    for n_bytes, n_samples in ((1, 7), (2, 7), (3, 6)):
        read = read_wav(data[:-n_bytes])
        assert (read.samples.tolist(), read.truncated) == (SAMPLES[:n_samples].tolist(), True)
    half_frame = read_wav(wav(b"123456", form(channels=2)))
    assert (len(half_frame.samples), half_frame.truncated) == (1, True)
    assert read_wav_16k(data[:-1]).truncated


def test_paths_bytes_and_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SAMPLES.tobytes()))
    with path.open("rb") as file:
        for source in (path, str(path), path.read_bytes(), file):
            assert read_wav(source).samples.tolist() == SAMPLES.tolist()
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


def test_a_file_that_comes_in_small_pieces() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(5, size or 5))

    assert read_wav(Slow(wav(SAMPLES.tobytes()))).samples.tolist() == SAMPLES.tolist()


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    data = wav(SAMPLES.tobytes())
    path.write_bytes(data)
    assert len(read_wav(path, max_bytes=len(data)).samples) == 8
    for source in (path, data, io.BytesIO(data)):
        with pytest.raises(InvalidAudioError, match="longer than 59 bytes"):
            read_wav(source, max_bytes=len(data) - 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file is empty"),
        (b"RIFF", "not a WAV"),
        (b"ID3\x03 an mp3 of some length", "not a WAV"),
        (b"RIFX" + wav(b"12")[4:], "not a WAV"),
        (riff(), "no data chunk"),
        (riff(chunk(b"fmt ", form())), "no data chunk"),
        (riff(chunk(b"data", b"1234")), "data before its format"),
        (wav(b""), "no sound"),
        (wav(b"1"), "no sound"),
        (riff(chunk(b"fmt ", form()), chunk(b"data", b""), chunk(b"LIST", b"INFO")), "no sound"),
        (wav(b"", data_size=0xFFFFFFFF), "no sound"),
        (wav(b"12", form()[:14]), "14 bytes; it must have 16"),
        (wav(b"12", form(channels=0)), "0 channels"),
        (wav(bytes(18), form(channels=9)), "9 channels"),
        (wav(b"12", form(rate=0)), "rate of 0 Hz"),
        (wav(b"12", form(rate=4000)), "rate of 4000 Hz"),
        (wav(b"12", form(0x55)), "format 0x0055"),
        (wav(b"12", form(bits=12, frame_bytes=2)), "with 12 bits"),
        (wav(b"12", form(FLOAT, bits=16)), "format 0x0003 with 16 bits"),
        (wav(b"12", form(frame_bytes=4)), "frames have 4 bytes; its format makes them 2"),
        (wav(b"12", extensible(PCM, 16)[:30]), "extensible"),
        (wav(b"12", extensible(PCM, 16, tail=bytes(14))), "extensible"),
        (wav(struct.pack("<2f", 0, float("nan")), form(FLOAT, bits=32)), "NaN or infinity"),
        (wav(struct.pack("<2d", float("-inf"), 0), form(FLOAT, bits=64)), "NaN or infinity"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, message: str) -> None:
    with pytest.raises(InvalidAudioError, match=message):
        read_wav(data)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 59), st.binary(max_size=4))
def test_any_bytes_are_read_or_refused(body: bytes, at: int, noise: bytes) -> None:
    good = bytearray(wav(SAMPLES.tobytes()))
    good[at : at + len(noise)] = noise
    for data in (body, riff(body), riff(chunk(b"fmt ", form()), body), bytes(good)):
        try:
            read = read_wav(data)
        except InvalidAudioError:
            continue
        assert len(read.samples) > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50), st.sampled_from(FILE_RATES))
def test_what_is_written_is_read(samples: list[int], rate: int) -> None:
    expected = np.array(samples, np.int16)
    for pcm in (expected, expected.astype("<i2").tobytes()):
        file = io.BytesIO()
        write_wav(file, pcm, rate)
        read = read_wav(file.getvalue())
        assert (read.samples.tolist(), read.rate, read.truncated) == (samples, rate, False)
        with wave.open(io.BytesIO(file.getvalue())) as standard:
            assert standard.readframes(99) == expected.tobytes()


def test_writing_to_a_path(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", SAMPLES, 16000)
    assert read_wav(tmp_path / "a.wav").samples.tolist() == SAMPLES.tolist()


def test_what_cannot_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidAudioError, match="1 bytes are not whole samples"):
        write_wav(tmp_path / "a.wav", b"1", 16000)
    with pytest.raises(InvalidAudioError, match="one-dimensional int16"):
        write_wav(tmp_path / "a.wav", np.zeros(3, np.int32), 16000)
    with pytest.raises(ConfigError, match="12345 is not one of"):
        write_wav(tmp_path / "a.wav", b"12", 12345)
    monkeypatch.setattr("duologue.audio.wav.MAX_WAV_BYTES", 3)
    with pytest.raises(InvalidAudioError, match="too long for one WAV file: at most 3"):
        write_wav(tmp_path / "a.wav", b"1234", 16000)
    assert not (tmp_path / "a.wav").exists()


def test_real_speech() -> None:
    read = read_wav(package_file("moonshine_voice", "assets", "beckett.wav"))
    assert isinstance(read, Wav)
    assert (len(read.samples), read.rate, read.truncated) == (159414, 16000, False)
    assert read.duration == pytest.approx(9.963, abs=0.001)
