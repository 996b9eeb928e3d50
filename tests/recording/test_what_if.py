"""Other settings: exact up to the first divergence, and from there turn by turn."""

from pathlib import Path
from typing import Any

import pytest

from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording.counterfactual import what_if
from duologue.recording.recording import read_recording
from duologue.recording.settings import (
    change_settings,
    decode_settings,
    encode_settings,
    parse_assignments,
    setting_names,
)
from duologue.session import SessionConfig
from duologue.testing.agents import ScriptedAgent
from recorded_call import RecordedCall, recordings

pytestmark = pytest.mark.anyio


def test_the_same_settings_change_nothing(recorded: Path) -> None:
    result = what_if(read_recording(recorded))
    assert (result.difference, result.divergence) == (None, None)
    assert [turn.turn for turn in result.turns] == [1, 2, 3, 4, 5]
    assert not any(turn.is_changed or turn.counterfactual for turn in result.turns)


@pytest.mark.parametrize(
    ("setting", "silences", "counterfactual"),
    [
        # Turn 1 sounds finished with 0.68, because it is the first; the others with 0.79.
        ("endpointing.action_delay=0.7", [0.704] * 5, 5),
        ("endpointing.action_delay=0.2", [0.224] * 5, 5),
        ("endpointing.threshold=0.75", [0.832, 0.352, 0.352, 0.352, 0.352], 5),
        ("speech.hangover=0.3", [0.448, 0.416, 0.416, 0.416, 0.384], 5),
        ("barge_in.pause_after=0.2", [0.352] * 5, 3),
        ("max_history=7", [0.352] * 5, 0),
    ],
)
def test_a_changed_setting_shows_its_difference(
    setting: str, silences: list[float], counterfactual: int, recorded: Path
) -> None:
    result = what_if(read_recording(recorded), parse_assignments([setting]))
    assert [turn.now and round(turn.now.silence, 3) for turn in result.turns] == silences
    assert [turn.recorded.silence for turn in result.turns] == [0.352] * 5
    assert [turn.counterfactual for turn in result.turns].count(True) == counterfactual
    assert (result.divergence is None) == (counterfactual == 0)
    assert not any(turn.unanswered for turn in result.turns)


def test_what_differs_before_it_matters_is_told_apart(recorded: Path) -> None:
    """The score of the first turn changes at once, and what the session is asked for 0.13 s later."""
    result = what_if(read_recording(recorded), {"endpointing.opening": "3"})
    assert result.difference is not None
    assert result.divergence is not None
    assert result.difference.seconds < result.divergence.seconds
    assert "TurnScored(probability=0.49" in str(result.difference)
    assert [turn.is_changed for turn in result.turns] == [True, False, False, False, False]


def test_a_barge_in_that_is_not_allowed_leaves_its_turn_open(recorded: Path) -> None:
    result = what_if(read_recording(recorded), {"barge_in.enabled": "false"})
    third = result.turns[2]
    assert third.now is None
    assert third.is_changed
    assert [turn.turn for turn in result.turns if not turn.is_changed] == [1, 2, 4, 5]


async def test_a_turn_that_is_decided_in_a_pause_is_marked(tmp_path: Path) -> None:
    """The user pauses for 0.6 s in mid-sentence, and goes on."""
    config = SessionConfig(rules=ConversationConfig(), seed=1)
    into = recordings(tmp_path)
    async with RecordedCall(into, ScriptedAgent("Yes.", "Good."), config=config) as call:
        await call.speak("I would like")
        await call.silence(0.6)
        await call.say("a table for two please.")
        await call.say("At seven.")
    into.close()
    assert len(call.turns) == 2
    hasty = ["endpointing.timeout=0.3", "endpointing.action_delay=0.2", "endpointing.likely_delay=0.2"]
    result = what_if(read_recording(call.path), parse_assignments(hasty))
    first, second = result.turns
    assert first.cuts_off
    assert first.now is not None
    assert first.now.text == "I would like"
    assert second.counterfactual
    assert not second.cuts_off
    assert second.now is not None
    assert second.now.silence < second.recorded.silence


# --- settings by name ---


def test_every_setting_has_a_name_and_is_written_and_read() -> None:
    config = ConversationConfig(
        greeting="Hello.", apology=None, fillers=("Hm.",), endpointing=Endpointing(eagerness=0.5)
    )
    record = encode_settings(config)
    assert decode_settings(record) == (config, [])
    assert {"endpointing.threshold", "speech.hangover", "barge_in.enabled", "turns"} <= set(setting_names())
    del record["max_turn"]
    record["endpointing"]["patience"] = 1.0
    read, notes = decode_settings(record)
    assert read == config
    assert sorted(notes) == [
        "endpointing.patience is recorded, and this release has no such setting",
        "max_turn is not recorded, and has its default",
    ]


def test_values_are_read_by_their_type() -> None:
    changed = change_settings(
        ConversationConfig(),
        parse_assignments(
            ["endpointing.doubt=0.2, 0.9", "barge_in.enabled=False", "turns=manual", "max_history=9", "apology=Sorry.",
             "speech.hangover = 0.2", "endpointing.eagerness=high", "fillers=One moment., Let me see., "]
        ),
    )  # fmt: skip
    assert (changed.endpointing.eagerness, changed.fillers) == ("high", ("One moment.", "Let me see."))
    assert change_settings(changed, {"endpointing.eagerness": "0.5"}).endpointing.eagerness == 0.5
    assert changed.endpointing.doubt == (0.2, 0.9)
    assert (changed.barge_in.enabled, changed.turns, changed.max_history) == (False, "manual", 9)
    assert (changed.apology, changed.speech.hangover) == ("Sorry.", 0.2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("endpointing.threshold", "is no setting"),
        ("=1", "is no setting"),
        ("endpointing.treshold=1", "Did you mean endpointing.threshold"),
        ("threshold=1", "Did you mean endpointing.threshold"),
        ("endpointing.threshold=high", "must be a number"),
        ("max_history=1.5", "must be an integer"),
        ("barge_in.enabled=maybe", "must be true or false"),
        ("turns=never", "must be one of auto, manual"),
        ("endpointing.doubt=0.5", "must be 2 values"),
        ("endpointing.doubt=0.9,0.1", "the lower one first"),
        ("endpointing.eagerness=huge", "must be a number"),
        ("endpointing.threshold=-1", "must be a number of at least 0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        change_settings(ConversationConfig(), parse_assignments([setting]))
    assert message in str(refused.value)


def test_recorded_settings_that_cannot_be_are_refused() -> None:
    record = encode_settings(ConversationConfig())
    wrong: list[Any] = [[], {**record, "speech": 1}, {**record, "max_utterance": 1.0}, {**record, "turns": "never"}]
    for broken in wrong:
        with pytest.raises(InvalidRecordingError):
            decode_settings(broken)
