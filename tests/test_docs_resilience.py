"""The examples of docs/resilience.md run, and its limits are those of the code."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.models.function import FunctionModel

from duologue.resilience import BREAKERS, ProviderPool, ResilienceSettings
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
from duologue.testing.virtual_time import run_in_virtual_time

PAGE = (Path(__file__).parent.parent / "docs" / "resilience.md").read_text("utf-8")
LISTS, STATES, POOL, FAULTS, CHAOS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def names(source: str) -> dict[str, Any]:
    defined: dict[str, Any] = {}
    exec(compile(source, "resilience.md", "exec"), defined)
    return defined


async def words(*_: Any) -> Any:
    yield "Hello."


def test_lists_become_one_provider_each() -> None:
    async def main() -> None:
        model = FunctionModel(stream_function=words)
        stt, tts, agent = names(LISTS)["providers"]([FakeSpeechToText("Hi.")], [FakeTextToSpeech()], [model])
        assert (await stt.transcribe(bytes(640))).text == "Hi."
        assert (await tts.synthesize("Hello.")).pcm
        assert agent.speculative

    try:
        run_in_virtual_time(main())
    finally:
        BREAKERS._breakers.clear()


def test_states_can_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    names(STATES)
    assert capsys.readouterr().out == ""
    assert not BREAKERS._watchers


def test_a_pool_is_used() -> None:
    class Connection:
        is_open = True
        sent = ""

        async def send(self, text: str) -> None:
            self.sent = text

    async def dial() -> Connection:
        await asyncio.sleep(0.1)
        return Connection()

    run_in_virtual_time(names(POOL)["use"](dial))


def test_a_fault_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    names(FAULTS)
    assert capsys.readouterr().out == "['For when?']\n"
    assert "`['For when?']`" in PAGE


def test_a_server_with_faults_is_served(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[str] = []

    def serve(agent: object, *, stt: Any, tts: Any) -> None:
        made.extend((stt().name, tts().name))

    monkeypatch.setattr("duologue.serve", serve)
    names(CHAOS)["serve_with_faults"](None, FakeSpeechToText, FakeTextToSpeech)
    assert [name.partition("-")[0] for name in made] == ["faulty", "faulty"]
    assert capsys.readouterr().out == "{'calls': {'stt': 0, 'tts': 0}, 'faults': {}}\n"


def test_defaults_are_those_of_the_code() -> None:
    settings = ResilienceSettings()
    for name in ("first_chunk", "next_chunk", "last_chunk", "whole", "max_wait"):
        assert re.search(rf"^\| `{name}` \| {getattr(settings, name)} \|", PAGE, re.MULTILINE), name
    for part in ("breaker", "hedge"):
        for field, value in getattr(settings, part):
            assert field in PAGE
            if value is not None:
                assert str(value) in PAGE, field
    for parameter in inspect.signature(ProviderPool).parameters.values():
        if parameter.name not in ("factory", "name", "close"):
            assert f"`{parameter.name}`" in PAGE
