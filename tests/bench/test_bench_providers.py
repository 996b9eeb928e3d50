"""`bench providers`: conversations on stand-ins of services in a second process, through the real adapters."""

import asyncio
import json

import numpy as np
import pytest

from duologue.errors import ConfigError, ProviderError
from duologue.testing.fakes import PeakVad
from duologue_bench.load import heard_line
from duologue_bench.providers.line import TURN_EVERY_S, turns_line
from duologue_bench.providers.process import StandInProcess
from duologue_bench.providers.run import measure_providers
from duologue_bench.providers.script import Latencies

RATE = 16_000
TONE = 24_000 * np.sin(2 * np.pi * 200 * np.arange(round(0.4 * RATE)) / RATE)
LINE = heard_line(np.concatenate([TONE, np.zeros(round(1.6 * RATE))]).astype(np.int16))
QUICK = Latencies(stt=0.02, llm=0.02, tts=0.02)


def test_conversations_are_held_on_services_and_their_own_time_is_subtracted() -> None:
    found = asyncio.run(measure_providers(PeakVad(), LINE, sessions=3, seconds=2.0, warm=0.5, latencies=QUICK))
    assert found.run.errors == 0
    assert found.run.starved_frames == 0
    assert found.added.count == found.reply.count >= 1
    assert found.words.count >= 1
    assert 0 < found.reply.p50 == pytest.approx(found.run.processing.p50 - QUICK.llm - QUICK.tts)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["scripted_ms"] == {"stt": 20, "llm": 20, "tts": 20}
    assert told["stand_ins"]["audio_messages"] > 100
    assert min(told["stand_ins"][each] for each in ("finals", "completions", "texts")) >= 1
    assert told["stand_ins_cores"] > 0


def test_stand_ins_that_cannot_be_started_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        async with StandInProcess(QUICK):
            pass

    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ProviderError, match="ended"):
        asyncio.run(start())


def test_a_latency_that_no_service_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="llm"):
        Latencies(llm=3.0)


def test_callers_speak_four_times_a_minute() -> None:
    line = turns_line()
    starts = [onset / RATE for onset in line.onsets]
    assert len(line.sound) / 2 / RATE == TURN_EVERY_S * len(starts) > 100
    assert [start // TURN_EVERY_S for start in starts] == list(range(len(starts)))
    assert all(start % TURN_EVERY_S < 0.2 for start in starts)
