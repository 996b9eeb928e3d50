"""The Python of docs/agents.md does what the page says, as it is printed."""

import asyncio
import importlib
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.agent.function import agents_from
from duologue.audio.wav import write_wav
from duologue.errors import ConfigError
from duologue.session import ErrorRaised, SessionConfig
from duologue.testing.openai_server import OpenAIServer, says
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs" / "agents.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with all snippets, from which they are imported."""
    for name, source in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in SNIPPETS:
        sys.modules.pop(name, None)


async def heard(agent: Any, *texts: str, **options: Any) -> list[str]:
    """What the user hears in answer to these texts."""
    async with VirtualCall(agent, **options) as call:
        for text in texts:
            await call.say(text)
        assert call.of(ErrorRaised) == []
        return call.heard


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) == PAGE.count("```python")
    source = Path(__file__).read_text("utf-8")
    assert [name for name in SNIPPETS if f'"{name}"' not in source] == []


@pytest.mark.usefixtures("folder")
async def test_a_function() -> None:
    agent = importlib.import_module("weather").agent
    assert await heard(agent, "How is the weather?", "Thank you.") == [
        "Let me have a look. It is sunny.",
        "You said: Thank you.",
    ]


@pytest.mark.parametrize(("name", "agent"), [("weather", "agent"), ("counter", "Counter"), ("dentist", "agent")])
def test_programs_serve_what_they_say(name: str, agent: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr(duologue, "serve", served.append)
    module = runpy.run_path(str(folder / f"{name}.py"), run_name="__main__")
    assert served == [module[agent]]
    agents_from(served[0])


@pytest.mark.usefixtures("folder")
async def test_history() -> None:
    agent = importlib.import_module("echo").agent
    assert await heard(agent, "One.", "Two.") == [
        "You said: One.",
        "You said: Two. Before, you heard me say: You said: One.",
    ]


@pytest.mark.usefixtures("folder")
async def test_the_end_of_the_call() -> None:
    async with VirtualCall(importlib.import_module("goodbye").agent) as call:
        await call.say("One more thing.")
        await call.say("Good bye.")
        assert await call.session.wait_ended() == "agent_done"
        assert call.heard == ["Go on.", "Goodbye."]


async def test_the_call(folder: Path) -> None:
    write_wav(folder / "music.wav", speak("la la la ", 24_000), 24_000)
    module = importlib.import_module("reception")
    async with VirtualCall(module.Reception, agents=module.AGENTS) as call:
        await call.say("Some music, please.")
        await call.say("Speak slowly.")
        await call.say("The workshop, please.")
        await call.say("Hello.")
        assert call.heard == [
            "Here it is.", "(music)", "Take your time.", "I connect you.", "Workshop here.",
            "Workshop. You said to my colleague: Some music, please.",
        ]  # fmt: skip
    async with VirtualCall(module.Reception) as call:
        await call.say("Anything else.")
        assert await call.session.wait_ended() == "agent_done"
        assert call.heard == [f"This is call {call.session.id}."]


@pytest.mark.usefixtures("folder")
async def test_state() -> None:
    counter = importlib.import_module("counter").Counter
    make = agents_from(counter)
    assert make().greeting == "Hello, I count."  # type: ignore[attr-defined]  # as the page has it
    for _ in range(2):
        assert await heard(make(), "One.", "Two.") == ["That was number 1.", "That was number 2."]
    with pytest.raises(ConfigError, match="would be shared"):
        agents_from(counter())


@pytest.mark.usefixtures("folder")
async def test_speculation() -> None:
    agent = importlib.import_module("orders").Orders()
    said = await heard(agent, "A pizza.", "A salad.")
    assert said == ["One moment, please. That is order number 1.", "One moment, please. That is order number 2."]
    state = agent.snapshot()
    agent.orders.append("more")
    agent.restore(state)
    assert agent.orders == ["A pizza.", "A salad."]


@pytest.mark.usefixtures("folder")
async def test_a_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAIServer(says("For when?")) as server:
        monkeypatch.setenv("MODEL_URL", server.base_url)
        agent = importlib.import_module("dentist").agent
        assert agent.greeting == "Hello, how may I help you?"
        assert await heard(agents_from(agent)(), "An appointment, please.") == ["For when?"]


@pytest.mark.usefixtures("folder")
async def test_progress() -> None:
    agent = importlib.import_module("slow").agent
    config = SessionConfig(first_text_timeout=0.15, stall_timeout=0.15)
    assert await heard(agent, "Where is it?", config=config) == ["Let me look that up. It is in the second drawer."]


@pytest.mark.parametrize("name", ["test_weather", "test_desk", "test_tables"])
@pytest.mark.usefixtures("folder")
async def test_tests_of_agents(name: str) -> None:
    module = importlib.import_module(name)
    tests = [
        value for key, value in vars(module).items() if key.startswith("test_") and asyncio.iscoroutinefunction(value)
    ]
    assert len(tests) == 1
    await tests[0]()
    assert {"weather", "reception", "tables"} & set(sys.modules)


def test_what_the_page_says_of_settings_is_so() -> None:
    config = SessionConfig()
    for name, default in re.findall(r"^\| `(\w+_timeout)` \| `--[a-z-]+` \| (\d+) s", PAGE, re.MULTILINE):
        assert getattr(config, name) == float(default)
    for name, default in re.findall(r"^\| `SessionConfig\.(\w+)` \| ([\d,]+) characters", PAGE, re.MULTILINE):
        assert getattr(config, name) == int(default.replace(",", ""))
