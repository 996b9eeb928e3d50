"""Inputs to the rules as JSON and back: every one of them, and nothing else."""

import json
from contextlib import suppress
from dataclasses import fields, is_dataclass
from io import BytesIO
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duologue.conversation import inputs
from duologue.conversation.history import Segment
from duologue.conversation.inputs import Input, Now
from duologue.errors import InvalidRecordingError
from duologue.recording.codec import MAX_ITEMS, MAX_TEXT
from duologue.recording.inputs import MAX_LINE_BYTES, VERSION, decode, encode, from_line, read, to_line

repeatable = settings(
    derandomize=True, deadline=None, database=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow]
)

LARGEST = 2**63 - 1
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-LARGEST, LARGEST),
    float: st.floats(),
    str: st.text(st.characters(exclude_categories=()), max_size=30),
    type(None): st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may have."""
    if hint in SCALARS:
        return SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (UnionType, Union):
        return st.one_of(*map(values, args))
    if origin is tuple and args[-1] is ...:
        return st.lists(values(args[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, args))
    hints = get_type_hints(hint)
    names = [f.name for f in fields(hint)] if is_dataclass(hint) else hint._fields
    return st.builds(hint, **{name: values(hints[name]) for name in names})


any_input = st.one_of(*map(values, get_args(Input)))
any_now = st.builds(Now, values(int), values(float))


@repeatable
@given(input_=any_input, now=any_now)
def test_every_input_comes_back_as_it_was(input_: Input, now: Now) -> None:
    record = encode(input_, now)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    backs: list[tuple[Input, Now]] = [decode(record), from_line(to_line(input_, now))]
    for back in backs:
        assert repr(back) == repr((input_, now))  # one nan is not equal to another
        assert type(back[0]) is type(input_)


def test_the_format_of_a_record_is_fixed() -> None:
    """Recordings on disk depend on it: a change of names or fields needs a new version."""
    window = inputs.VadScored(15_872, 16_384, 0.5)
    assert to_line(window, Now(16_384, 1.024)) == (
        b'{"version":1,"pos":16384,"wall":1.024,"input":"VadScored",'
        b'"fields":{"start":15872,"end":16384,"probability":0.5,"echo_ratio":0.0}}\n'
    )


def test_numbers_that_are_whole_stay_numbers_with_a_fraction() -> None:
    record = encode(inputs.SoundScored(1, 1), Now(0, 0))
    assert type(record["fields"]["probability"]) is float
    assert type(decode({**record, "wall": 3})[1].wall) is float


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@repeatable
@given(garbage=JSON)
def test_garbage_is_refused(garbage: Any) -> None:
    with pytest.raises(InvalidRecordingError) as refused:
        decode(garbage)
    assert refused.value.next_step


@repeatable
@given(input_=any_input, now=any_now, garbage=JSON, data=st.data())
def test_one_wrong_value_is_refused_or_taken_as_it_is(
    input_: Input, now: Now, garbage: Any, data: st.DataObject
) -> None:
    """A value in one place of a record is replaced: what is accepted is written again as it was read."""
    record = encode(input_, now)
    places = [(record, key) for key in record] + [(record["fields"], key) for key in record["fields"]]
    place, key = data.draw(st.sampled_from(places))
    place[key] = garbage
    try:
        back = decode(record)
    except InvalidRecordingError:
        return
    assert encode(*back) == record


@repeatable
@given(line=st.binary(max_size=60))
def test_bytes_that_are_no_record_are_refused(line: bytes) -> None:
    with pytest.raises(InvalidRecordingError):
        from_line(line)


LINE = to_line(inputs.PartialArrived(1, "A secret."), Now(0, 0.0))


@repeatable
@given(at=st.integers(0, len(LINE) - 1), by=st.binary(max_size=3), until=st.integers(0, 3))
def test_a_damaged_line_is_refused_or_another_record(at: int, by: bytes, until: int) -> None:
    damaged = LINE[:at] + by + LINE[at + until :]
    with suppress(InvalidRecordingError):
        back = from_line(damaged)
        assert from_line(to_line(*back)) == back


RECORD = encode(inputs.PartialArrived(1, "A secret."), Now(0, 0.0))
WORDS = encode(inputs.WordsArrived(1, "a", 0.5), Now(0, 0.0))
SPEECH = encode(inputs.SpeechQueued(1, Segment("Yes.", 0.0, 1.0, (("Yes.", 0.0, 1.0),), say=2)), Now(0, 0.0))


def replace(record: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The record with other fields."""
    return {**record, "fields": {**record["fields"], **values}}


def segment(**values: Any) -> dict[str, Any]:
    """A record of a segment with other fields."""
    return replace(SPEECH, segment={**SPEECH["fields"]["segment"], **values})


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "A record is null, and must be an object."),
        ({}, f"The record has version null; this release reads version {VERSION}."),
        ({**RECORD, "version": 2}, "The record has version 2; this release reads version 1."),
        ({**RECORD, "version": True}, "has version true or false"),
        ({**RECORD, "version": 1.0}, "has version a number"),
        ({**RECORD, "version": 10**30}, "has version an integer"),
        ({**RECORD, "more": 1}, "must have exactly the keys fields, input, pos, version, wall"),
        ({**RECORD, "input": "TextDeparted"}, "names no input that this release knows"),
        ({**RECORD, "input": ["x"]}, "names no input that this release knows"),
        ({**RECORD, "pos": 1.5}, "pos is a number, and must be an integer."),
        ({**RECORD, "pos": 2**63}, "pos does not fit into 64 bits."),
        ({**RECORD, "wall": "soon"}, "wall is a string, and must be a number."),
        ({**RECORD, "fields": []}, "PartialArrived is a list, and must be an object."),
        ({**RECORD, "fields": {"ask": 1}}, "PartialArrived must have exactly the fields ask, text."),
        (replace(RECORD, ask=True), "PartialArrived.ask is true or false, and must be an integer."),
        (replace(RECORD, text=["A secret."]), "PartialArrived.text is a list, and must be a single value."),
        (replace(RECORD, text="x" * (MAX_TEXT + 1)), "has 250001 characters; the limit is 250000."),
        (segment(words="A secret."), "SpeechQueued.segment.words is a string, and must be a list."),
        (segment(words=[["A secret.", 0.0]]), "SpeechQueued.segment.words has 2 elements, and must have 3."),
        (segment(words=[["a", 0.0, 1.0]] * (MAX_ITEMS + 1)), "has 10001 elements; the limit is 10000."),
        (segment(asks_from=False), "asks_from is true or false, and must be a number."),
        (replace(WORDS, response="yes"), "response is a string, and must be one of"),
    ],
)  # fmt: skip
def test_each_fault_is_named_without_the_callers_words(record: Any, message: str) -> None:
    with pytest.raises(InvalidRecordingError) as refused:
        decode(record)
    assert message in refused.value.message
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [b"", b"[" * 100_000, b"1" * 5_000, b"\xff\xfe", b'{"version":NaN}', LINE * 2, b" " * (MAX_LINE_BYTES + 1)],
    ids=["empty", "deep", "long number", "no text", "no JSON", "two", "too long"],
)
def test_a_line_that_cannot_be_parsed_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidRecordingError):
        from_line(line)


def test_what_cannot_be_read_is_not_written() -> None:
    with pytest.raises(InvalidRecordingError, match="str is not an input"):
        encode("hello", Now(0, 0.0))  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidRecordingError, match=r"PartialArrived.text has 250001 characters"):
        encode(inputs.PartialArrived(1, "x" * (MAX_TEXT + 1)), Now(0, 0.0))
    with pytest.raises(InvalidRecordingError, match=r"PartialArrived.text is null, and must be a string"):
        encode(inputs.PartialArrived(1, None), Now(0, 0.0))  # type: ignore[arg-type]  # a provider that lies
    with pytest.raises(InvalidRecordingError, match=r"SpeechQueued.segment is null, and must be Segment"):
        encode(inputs.SpeechQueued(1, None), Now(0, 0.0))  # type: ignore[arg-type]  # the same
    timed = ((chr(0x1F600) * 100, 0.0, 0.0),) * MAX_ITEMS
    with pytest.raises(InvalidRecordingError, match=r"The record has \d+ bytes; the limit is 4194304"):
        to_line(inputs.SpeechQueued(1, Segment("", 0.0, 1.0, timed)), Now(0, 0.0))


def test_a_file_is_read_line_by_line_and_its_faults_are_numbered() -> None:
    good: list[Input] = [inputs.TurnBegun(), inputs.TextArrived("Hello."), inputs.TurnEnded()]
    lines = [to_line(input_, Now(n, float(n))) for n, input_ in enumerate(good)]
    assert [input_ for input_, _ in read(BytesIO(b"".join(lines)))] == good
    broken = read(BytesIO(lines[0] + b"{}\n"))
    assert next(broken) == (good[0], Now(0, 0.0))
    with pytest.raises(InvalidRecordingError, match="Line 2: The record has version null"):
        next(broken)
    with pytest.raises(InvalidRecordingError, match="Line 1: A record has 4194305 bytes"):
        list(read(BytesIO(b" " * (2 * MAX_LINE_BYTES))))
