"""The models run again on the recorded audio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording.counterfactual import WhatIf, what_if
from duologue.recording.models import ModelEvidence, Models, RerunCounts
from duologue.recording.recording import read_recording
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, PeakVad, SentenceEnd
from recorded_call import SECRET, RecordedCall, recordings

pytestmark = pytest.mark.anyio


def rerun(path: Path, changes: dict[str, str] | None = None, **models: Any) -> tuple[WhatIf, RerunCounts]:
    """The call with these models in place of its own."""
    recording = read_recording(path)
    chosen = Models(**{"vad": PeakVad(), "stt": FakeSttModel(), "words": SentenceEnd(), **models})
    with ModelEvidence(recording, chosen) as evidence:
        inputs = evidence.inputs()
        result = what_if(recording, changes or {}, evidence=evidence, inputs=inputs)
    return result, evidence.counts


class Deaf(FakeSttModel):
    """Mistakes one word for another."""

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        return [text.replace(SECRET, "two") for text in super().run(items)]


class SoftVad(PeakVad):
    """Less sure than PeakVad."""

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        return super().score(rows, windows) * np.float32(0.9)


def test_the_same_models_decide_alike(recorded: Path) -> None:
    result, counts = rerun(recorded)
    assert result.difference is None
    assert counts.largest_change == 0.0
    assert (counts.transcripts, counts.changed_transcripts) == (5, 0)


def test_a_service_takes_the_place_of_a_model(recorded: Path) -> None:
    result, counts = rerun(recorded, stt=FakeSpeechToText())
    assert result.difference is None
    assert counts.transcripts == 5


def test_another_transcript_is_a_divergence_of_its_turn_alone(recorded: Path) -> None:
    result, counts = rerun(recorded, stt=Deaf())
    assert counts.changed_transcripts == 1
    assert result.divergence is not None
    first, *others = result.turns
    assert first.now is not None
    assert first.now.text == "A table for two please."
    assert first.now.silence == first.recorded.silence
    assert not any(turn.is_changed for turn in others)


def test_other_scores_that_change_no_decision_are_no_divergence(recorded: Path) -> None:
    result, counts = rerun(recorded, vad=SoftVad())
    assert 0.05 < counts.largest_change < 0.11
    assert result.divergence is None


def test_settings_that_ask_for_other_audio_have_it_transcribed(recorded: Path) -> None:
    result, _ = rerun(recorded, {"speech.hangover": "0.9", "speech.tail_padding": "0.6"})
    assert not any(turn.unanswered for turn in result.turns)
    assert all(turn.now is not None and turn.now.text == turn.text for turn in result.turns)
    assert min(turn.now.silence for turn in result.turns if turn.now) > 0.8


async def test_what_models_cannot_run_on_is_refused(recorded: Path, tmp_path: Path) -> None:
    vad = PeakVad()
    vad.window = 256
    with pytest.raises(ConfigError, match="was recorded with 512"):
        rerun(recorded, vad=vad)
    into = recordings(tmp_path, audio=False)
    async with RecordedCall(into) as call:
        await call.settle()
    into.close()
    with pytest.raises(InvalidRecordingError, match="has no audio"):
        rerun(call.path)
