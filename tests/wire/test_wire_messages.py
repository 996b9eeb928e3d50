from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from duologue.conversation.state import AgentState, SessionState, UserState
from duologue.errors import InvalidMessageError, OverloadedError
from duologue.wire import messages as wire
from duologue.wire.fields import Audio, Model

CLIENT: tuple[type[Model], ...] = get_args(wire.ClientMessage)
SERVER: tuple[type[Model], ...] = get_args(wire.ServerMessage)


@given(st.one_of(*[st.from_type(kind) for kind in (wire.Mark, wire.Interrupt, wire.Clear, wire.Ping, wire.End)]))
def test_small_client_messages_survive_the_wire(message: wire.ClientMessage) -> None:
    assert wire.parse_client(wire.dump(message)) == message


@given(text=st.text(min_size=1, max_size=50).filter(str.strip))
def test_text_survives_the_wire(text: str) -> None:
    message = wire.Text(text=text)
    assert wire.parse_client(wire.dump(message)) == message


def test_what_is_no_character_survives_as_a_question_mark() -> None:
    message = wire.parse_server(wire.dump(wire.AgentText(generation=3, text="Caf\u00e9 \ud83d!")))
    assert message == wire.AgentText(generation=3, text="Caf\u00e9 ?!")


@given(
    encoding=st.sampled_from(["mulaw", "alaw", "pcm_s16le"]),
    agent=st.none() | st.text(max_size=64),
    marks=st.booleans(),
)
def test_start_survives_the_wire(encoding: Any, agent: str | None, marks: bool) -> None:
    message = wire.Start(version=1, audio_in=Audio(encoding=encoding, rate=8000), agent=agent, marks=marks)
    assert wire.parse_client(wire.dump(message)) == message


@given(
    processing=st.floats(0, 100),
    voice=st.none() | st.floats(0, 100),
    stages=st.dictionaries(st.text(max_size=8), st.floats(0, 10), max_size=5),
    fields=st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=9) | st.floats(-9, 9),
    ),
)
def test_server_messages_survive_the_wire(
    processing: float, voice: float | None, stages: dict[str, float], fields: dict[str, Any]
) -> None:
    for message in (
        wire.Latency(
            turn=1,
            generation=2,
            processing_s=processing,
            voice_to_voice_s=voice,
            stages=stages,
            speculation="hit",
        ),
        wire.Decision(name="turn_scored", reason="words", at_s=processing, fields=fields),
    ):
        assert wire.parse_server(wire.dump(message)) == message


def nested(levels: int) -> dict[str, Any]:
    """An object with so many levels, lists among them."""
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level == levels - 1 or level % 2 else [value]
    assert isinstance(value, dict)
    return value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=9) | st.floats(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_metadata_survives_the_wire_or_is_refused(metadata: dict[str, Any]) -> None:
    try:
        message = wire.make_start(version=1, metadata=metadata)
    except InvalidMessageError:
        with pytest.raises(InvalidMessageError, match=r"start\.metadata"):
            wire.parse_client(json.dumps({"type": "start", "version": 1, "metadata": metadata}))
    else:
        assert wire.parse_client(wire.dump(message)) == message


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (nested(8), ""),
        (nested(9), "start.metadata: is nested more than 8 levels deep"),
        (nested(150), "start.metadata: is nested more than 8 levels deep"),
        ({"a": "x" * 16_376}, ""),
        ({"a": [float("nan")]}, "start.metadata: has a number that is not finite, which is no JSON"),
        ({"a": {"b": float("-inf")}}, "start.metadata: has a number that is not finite, which is no JSON"),
        ({"a": "x" * 16_377}, "start.metadata: has 16385 bytes as JSON, and may have 16384"),
        ({"a": "\u00e9" * 10_000}, "start.metadata: has 20008 bytes"),
        ([], "start.metadata: Input should be an object"),
    ],
)
def test_metadata_is_bounded(metadata: Any, said: str) -> None:
    text = json.dumps({"type": "start", "version": 1, "metadata": metadata}, ensure_ascii=False)
    if said:
        with pytest.raises(InvalidMessageError) as refused:
            wire.parse_client(text)
        assert said in refused.value.message
        assert "xxx" not in refused.value.message
    else:
        parsed = wire.parse_client(text)
        assert isinstance(parsed, wire.Start)
        assert parsed.metadata == metadata
        assert "xxx" not in repr(parsed)


def test_a_start_needs_only_its_version() -> None:
    start = wire.parse_client('{"type": "start", "version": 1}')
    assert start == wire.Start(version=1, audio_in=Audio(rate=16000), audio_out=Audio(rate=24000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Invalid JSON"),
        ("hello", "Invalid JSON"),
        ('{"type": "mark", "position": 1', "Invalid JSON"),
        ("[]", "should be an object"),
        ("{}", "Unable to extract tag"),
        ('{"type": "dance"}', "'dance' found"),
        ('{"type": "started"}', "'started' found"),
        ('{"type": "start"}', "start.version: Field required"),
        ('{"type": "start", "version": 2}', "version 2 is not spoken here; this side speaks version 1"),
        ('{"type": "start", "version": "1"}', "start.version: Input should be a valid integer"),
        (
            '{"type": "start", "version": 1, "audio_in": {"rate": 12345}}',
            "start.audio_in: rate 12345 is not one of 8000",
        ),
        ('{"type": "start", "version": 1, "audio_out": {"encoding": "opus"}}', "start.audio_out.encoding"),
        (
            '{"type": "start", "version": 1, "audio_in": {"encoding": "mulaw", "rate": 16000}}',
            "mulaw is spoken at 8000 samples a second, not at 16000",
        ),
        ('{"type": "start", "version": 1, "volume": 11}', "start.volume: Extra inputs are not permitted"),
        ('{"type": "mark"}', "mark.position: Field required"),
        ('{"type": "mark", "position": -1}', "mark.position: Input should be greater than or equal to 0"),
        ('{"type": "mark", "position": 1.5}', "mark.position"),
        ('{"type": "mark", "position": 9007199254740992}', "mark.position"),
        ('{"type": "mark", "position": null}', "mark.position"),
        ('{"type": "text", "text": " \\n"}', "text.text"),
        ('{"type": "text", "text": 5}', "text.text: Input should be a valid string"),
        ('{"type": "ping", "id": NaN}', "ping.id"),
    ],
)
def test_what_is_no_message_is_refused_with_the_fault_named(text: str, said: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        wire.parse_client(text)
    assert said in caught.value.message
    assert caught.value.hint


def test_text_may_not_be_too_long() -> None:
    with pytest.raises(InvalidMessageError, match="at most 4000 characters"):
        wire.parse_client(json.dumps({"type": "text", "text": "a" * 4001}))


def test_a_refusal_is_short_whatever_was_sent() -> None:
    nonsense = {f"field{n}" * 100: "x" * 1000 for n in range(20)}
    with pytest.raises(InvalidMessageError) as caught:
        wire.parse_client(json.dumps({"type": "ping", "id": 1, **nonsense}))
    assert len(caught.value.message) < 1200
    assert "and 17 more" in caught.value.message


def test_a_message_of_thousands_of_wrong_fields_is_told_in_one_line() -> None:
    with pytest.raises(InvalidMessageError, match="it has 5000 fields that are unknown or wrong"):
        wire.parse_client(json.dumps({"type": "ping", "id": 1, **{f"{n}": 1 for n in range(5000)}}))


@pytest.mark.parametrize("filling", ["x", "—", "\U0001f642"])
def test_a_text_message_has_a_longest_length_in_bytes(filling: str) -> None:
    longest = '{"type": "text", "text": "%s"}'
    with pytest.raises(InvalidMessageError, match="may have 65536 bytes"):
        wire.parse_client(longest % (filling * (65_536 // len(filling.encode()))))
    with pytest.raises(InvalidMessageError, match="text"):  # Looked at, and refused by the length of its field.
        wire.parse_client(longest % (filling * (65_000 // len(filling.encode()))))
    assert wire.parse_client(json.dumps({"type": "text", "text": filling * 4000})) == wire.Text(text=filling * 4000)


@pytest.mark.parametrize("model", [*CLIENT, *SERVER, Audio, wire.Limits])
def test_every_field_says_what_it_means(model: type[Model]) -> None:
    assert model.__doc__
    for name, field in model.model_fields.items():
        assert name == "type" or field.description


@pytest.mark.parametrize("kinds", [CLIENT, SERVER])
def test_types_are_told_apart(kinds: tuple[type[Model], ...]) -> None:
    names = [kind.model_fields["type"].default for kind in kinds]
    assert len(set(names)) == len(names)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        wire.Pong(id=1).id = 2


def test_the_states_are_those_of_the_conversation() -> None:
    fields = wire.State.model_fields
    assert set(get_args(fields["session"].annotation)) == {state.value for state in SessionState}
    assert set(get_args(fields["user"].annotation)) == {state.value for state in UserState}
    assert set(get_args(fields["agent"].annotation)) == {state.value for state in AgentState}


def test_an_error_tells_all_that_it_knows() -> None:
    message = wire.Error.of(OverloadedError("Full.", retry_after=2.0, provider="engine"), fatal=True, turn=3)
    assert message == wire.Error(
        code="overloaded",
        message="Full.",
        hint="Try again later or on another machine.",
        retryable=True,
        fatal=True,
        retry_after_s=2.0,
        provider="engine",
        turn=3,
    )
