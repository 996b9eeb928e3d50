"""Recordings of real people through the whole stack: understood, and answered."""

import asyncio

import numpy as np
import pytest

from duologue.cli.call import Caller
from duologue.settings.agents import agent_factory
from duologue.settings.local import LocalModels
from duologue.testing.speech import real_speech
from duologue.testing.wer import word_errors

pytestmark = pytest.mark.models


def test_real_speech_is_understood_and_each_recording_is_answered(models: LocalModels) -> None:
    errors = words = 0
    make_agent = agent_factory("echo")
    caller = Caller(models, seed=1)
    for clip in real_speech():
        pcm = (clip.samples() * 32767).astype(np.int16).tobytes()
        record = asyncio.run(caller.call(pcm, make_agent())).record
        assert not record.errors, clip.name
        assert record.turns, clip.name
        assert all(turn.agent_text for turn in record.turns), clip.name
        assert not record.turns[-1].interrupted, clip.name
        wrong, said = word_errors(clip.text, " ".join(turn.user_text for turn in record.turns))
        errors += wrong
        words += said
    assert words > 200
    # 11 of 237 on an idle machine. Texts that are decoded together are quantized together, so that a word on the edge
    # depends on its company.
    assert errors / words <= 0.06
