"""Speech that is kept ready for failures: bounded, by voice and rate, and no reason to fail."""

from __future__ import annotations

import pytest

from duologue.engine import standby
from duologue.engine.standby import MAX_BYTES, MAX_TEXTS, StandbySpeech
from duologue.errors import ProviderUnavailableError
from duologue.testing.fakes import FOREVER, FakeTextToSpeech

pytestmark = pytest.mark.anyio


async def test_texts_are_spoken_once() -> None:
    kept, voice = StandbySpeech(), FakeTextToSpeech()
    await kept.prepare(voice, ["One moment.", "", "One moment."])
    assert len(kept) == 1
    pcm = kept.get(voice.name, voice.rate, "One moment.")
    assert pcm
    assert kept.bytes == len(pcm)
    assert kept.get(voice.name, 8_000, "One moment.") is None


@pytest.mark.parametrize(
    ("fault", "code"), [(ProviderUnavailableError("down"), "provider_unavailable"), (FOREVER, "timeout")]
)
async def test_a_voice_that_fails_is_logged_and_tried_when_it_is_needed(
    fault: Exception | float, code: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(standby, "SPEAKING_S", 0.01)
    kept = StandbySpeech()
    await kept.prepare(FakeTextToSpeech(faults=[fault]), ["One moment.", "Sorry."])
    assert len(kept) == 0
    assert f"cannot speak ahead what is said when something fails: {code}" in caplog.text


def test_what_was_used_longest_ago_goes_first() -> None:
    kept = StandbySpeech()
    for number in range(MAX_TEXTS):
        kept.put("voice", 8_000, str(number), b"\1\0")
    assert kept.get("voice", 8_000, "0")
    kept.put("voice", 8_000, "new", b"\1\0")
    assert (len(kept), kept.bytes) == (MAX_TEXTS, 2 * MAX_TEXTS)
    assert kept.get("voice", 8_000, "0")
    assert kept.get("voice", 8_000, "1") is None


@pytest.mark.parametrize("pcm", [b"", bytes(MAX_BYTES // 8 + 1), b"\2\0"])
def test_what_is_empty_too_long_or_there_already_is_not_kept(pcm: bytes) -> None:
    kept = StandbySpeech()
    kept.put("voice", 8_000, "One moment.", b"\1\0")
    kept.put("voice", 8_000, "One moment." if len(pcm) == 2 else "More.", pcm)
    assert (len(kept), kept.get("voice", 8_000, "One moment.")) == (1, b"\1\0")
