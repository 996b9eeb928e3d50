"""Lists of providers in Python: the next one answers when the first fails; names and objects stand side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.client import connect
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.resilience import ResilienceSettings
from duologue.resilience.breaker import BREAKERS
from duologue.resilience.tts import FallbackTextToSpeech
from duologue.server.provider_lists import ProviderList, check_source, source_of
from duologue.settings.load import load_settings
from duologue.testing.fakes import FakeTextToSpeech
from duologue.testing.voices import StreamingVoice
from serving import heard, serving, use_fakes

pytestmark = pytest.mark.anyio


async def agent(text: str) -> str:
    return f"You said: {text}"


class Voice(FakeTextToSpeech):
    """Notes what was closed."""

    closed: list[str] = []  # noqa: RUF012 - of all

    def __init__(self, name: str = "second-voice") -> None:
        super().__init__()
        self.name = name

    async def aclose(self) -> None:
        self.closed.append(self.name)


async def test_the_next_of_a_list_answers_and_only_what_was_made_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setattr(Voice, "closed", [])
    broken = StreamingVoice(faults=[ProviderUnavailableError("down")] * 100)
    broken.name = "broken-of-the-list"
    given = Voice("given")
    async with serving(agent, tts=[broken, Voice, given]) as stream, connect(stream) as call:
        assert await heard(call, "Hello.") == "You said: Hello."
        assert call.started.session
    states = {status.key.provider: status.failures for status in BREAKERS.states()}
    assert states["broken-of-the-list"] >= 1
    assert Voice.closed == ["second-voice"]


def test_a_list_of_one_is_that_one_unless_there_are_limits() -> None:
    voice = Voice()
    source = source_of("tts", [voice], "tts")
    assert isinstance(source, ProviderList)
    assert source.compose(source.members, None) is voice
    assert isinstance(source.compose(source.members, ResilienceSettings()), FallbackTextToSpeech)


def test_workers_need_what_makes_each_of_a_list() -> None:
    check_source(source_of("tts", ["hibari", Voice], "tts"), "tts", workers=2)
    with pytest.raises(ConfigError, match=r"tts\[1\] is one object, and each of the 2 workers"):
        check_source(source_of("tts", ["hibari", Voice()], "tts"), "tts", workers=2)


def test_limits_of_the_file_hold_for_a_list_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    real = duologue.server.run.Application  # type: ignore[attr-defined]  # loaded by what is tested

    def note(*args: Any, **options: Any) -> Any:
        made.append(options["resilience"])
        return real(*args, **options)

    monkeypatch.setattr("duologue.server.run.Application", note)
    (tmp_path / "duologue.toml").write_text("[resilience]\nfirst_chunk = 0.7\n")
    duologue.asgi(agent, settings=load_settings(tmp_path / "duologue.toml", environment={}), tts=["hibari", Voice])
    assert made == [ResilienceSettings(first_chunk=0.7)]
