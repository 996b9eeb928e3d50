"""What comes from outside is read or refused, whatever it is: messages, frames, WAV files, settings, tokens, keys.

FUZZ_EXAMPLES in the environment is the number of examples of each test; `make soak` runs many.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from duologue.audio.wav import read_wav
from duologue.errors import AuthenticationError, ConfigError, InputError, InvalidAudioError, InvalidMessageError
from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.tokens import verify_token
from duologue.server.resume.state import SavedCall
from duologue.settings.load import load_settings
from duologue.settings.schema import Settings
from duologue.wire import frames
from duologue.wire.messages import ClientMessage, dump, parse_client, parse_server

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 0, 2**31, 2**53, 2**64, 10**40])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
CLIENT = {kind.model_fields["type"].default: kind for kind in get_args(ClientMessage)}


@st.composite
def almost_messages(draw: st.DrawFn) -> str:
    """A message of the protocol in which some fields have other values."""
    name = draw(st.sampled_from(sorted(CLIENT)))
    known = st.sampled_from([*CLIENT[name].model_fields, "more"])
    fields = draw(st.dictionaries(known, JSON, max_size=4))
    return json.dumps({"version": 1, "token": "t", "text": "Hi.", "position": 0, "id": 0, **fields, "type": name})


@fuzzed
@given(almost_messages() | st.text(max_size=200) | JSON.map(json.dumps))
@example("[" * 60_000)
@example('{"type":"start","version":1,"metadata":' + '{"a":' * 9_000 + "1" + "}" * 9_001)
@example('{"type":"text","text":"\\ud800"}')
def test_messages(text: str) -> None:
    for parse in (parse_client, parse_server):
        try:
            message = parse(text)
        except InvalidMessageError as error:
            told = str(error)
        else:
            told = ""
            assert parse(dump(message)) == message
        assert len(told) < 2000


@fuzzed
@given(
    st.lists(
        st.tuples(NUMBERS.map(lambda n: int(n) % 2**64 if n == n and abs(n) < 1e300 else 0), st.binary(max_size=40))
    )
)
def test_frames(sent: list[tuple[int, bytes]]) -> None:
    stream = frames.Continuity(rate=8000, bytes_per_sample=2)
    for position, audio in sent:
        before = stream.position
        try:
            gap, new = stream.accept(frames.unpack(struct.pack("<QI", position, 0) + audio, 2))
        except InvalidAudioError:
            assert stream.position == before
        else:
            assert stream.position == before + gap + len(new) // 2
            assert 0 <= gap <= 8000 * frames.MAX_GAP_S


U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
CODES = st.sampled_from([1, 3, 6, 7, 0xFFFE]) | U16


@st.composite
def almost_wavs(draw: st.DrawFn) -> bytes:
    """RIFF with chunks in any order, whose sizes and formats may be wrong."""
    form = struct.pack(
        "<HHIIHH", draw(CODES), draw(st.integers(0, 9) | U16), draw(st.sampled_from([8000, 16_000, 44_100]) | U32),
        draw(U32), draw(U16), draw(st.sampled_from([8, 16, 24, 32, 64]) | U16),
    )  # fmt: skip
    chunks = []
    for name in draw(st.lists(st.sampled_from([b"fmt ", b"data", b"LIST", b"fact"]), min_size=1, max_size=5)):
        body = form + draw(st.binary(max_size=30)) if name == b"fmt " else draw(st.binary(max_size=300))
        size = draw(st.just(len(body)) | st.sampled_from([0, 0x7FFFF000, 0xFFFFFFFF]) | U32)
        chunks.append(name + struct.pack("<I", size) + body + b"\0" * draw(st.integers(0, 1)))
    whole = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", draw(st.just(len(whole)) | U32)) + whole


@fuzzed
@given(almost_wavs() | st.binary(max_size=200))
def test_wav_files(data: bytes) -> None:
    try:
        wav = read_wav(data)
    except InvalidAudioError:
        return
    assert len(wav.samples) <= len(data)
    assert wav.rate > 0


TABLES = {
    name: sorted(getattr(field.annotation, "model_fields", {"stt": 0})) for name, field in Settings.model_fields.items()
}
VALUES = (
    st.sampled_from(
        ["1", "-1", "0.5", "1e400", "nan", "inf", "true", '"x"', "[]", '["a", 1]', "{}", "1979-05-27", '"\\u0000"']
    )
    | st.integers().map(str)
    | st.text(max_size=10).map(lambda text: json.dumps(text))
)


@st.composite
def almost_settings(draw: st.DrawFn) -> str:
    """TOML with tables and keys of the settings, and any values."""
    lines = []
    for table in draw(st.lists(st.sampled_from([*sorted(TABLES), "other"]), max_size=4)):
        lines.append(f"[{table}]")
        keys = draw(st.lists(st.sampled_from([*TABLES.get(table, []), "more"]), max_size=4))
        lines += [f"{key} = {draw(VALUES)}" for key in keys]
    return "\n".join(lines)


@fuzzed
@given(text=almost_settings() | st.text(max_size=60))
def test_settings(text: str, tmp_path: Path) -> None:
    file = tmp_path / "duologue.toml"
    file.write_text(text, "utf-8", errors="replace")
    try:
        load_settings(file, environment={})
    except ConfigError as error:
        told = str(error)
    else:
        told = "duologue.toml"
    assert "duologue.toml" in told


@fuzzed
@given(st.dictionaries(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_", max_size=20), st.text(max_size=20), max_size=4))
def test_the_environment(variables: dict[str, str]) -> None:
    names = {f"DUOLOGUE_{name}": value.replace("\0", "") for name, value in variables.items()}
    with suppress(ConfigError):
        load_settings(environment=names)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    path = tmp_path_factory.mktemp("keys") / "keys"
    add_key(path)
    return KeyFile(path)


@st.composite
def almost_tokens(draw: st.DrawFn) -> str:
    """Three parts, of which the first two are JSON."""
    parts = [json.dumps(draw(JSON)).encode() for _ in range(2)] + [draw(st.binary(max_size=40))]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@fuzzed
@given(almost_tokens() | st.text(max_size=100))
def test_tokens(keys: KeyFile, token: str) -> None:
    with pytest.raises(AuthenticationError):
        verify_token(keys, token, "call")


@fuzzed
@given(st.text(max_size=100) | st.lists(st.text(alphabet="ab0 -_=#\n", max_size=60)).map("\n".join))
def test_key_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text, "utf-8", errors="replace")
    with pytest.raises(ConfigError):
        KeyFile(path)


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from(["start", "call", "client", "query", "claims", "bound", "position", "checkpoint"]), JSON
    )
)
def test_stored_calls(value: dict[str, Any]) -> None:
    with suppress(InputError):
        SavedCall.from_json(value)
