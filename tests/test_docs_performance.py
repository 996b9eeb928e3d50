"""docs/performance.md: its programs run, and what it names exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

import duologue
from duologue.cli.app import app
from duologue.engine import EngineConfig
from duologue.session import SessionConfig
from duologue.telemetry.names import METRICS
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs" / "performance.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def load(name: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": name}
    exec(compile(SNIPPETS[name], f"{name}.py", "exec"), module)
    return module


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) == PAGE.count("```python")
    source = Path(__file__).read_text("utf-8")
    assert [name for name in SNIPPETS if f'"{name}"' not in source] == []


@pytest.mark.parametrize(
    ("name", "agent", "answer"),
    [
        ("streaming", "agent", "Let me see. You asked about is it open."),
        ("optimized", "Agent", "Certainly. You said: Is it open?"),
        ("limited", "agent", "You said: Is it open?"),
    ],
)
async def test_agents_answer(name: str, agent: str, answer: str) -> None:
    made = load(name)[agent]
    async with VirtualCall(made() if isinstance(made, type) else made) as call:
        await call.say("Is it open?")
        assert call.heard[-1] == answer


@pytest.mark.parametrize(("name", "agent"), [("limited", "agent"), ("optimized", "Agent")])
def test_options_are_those_of_serve(name: str, agent: str) -> None:
    module = load(name)
    duologue.asgi(module[agent], **module["OPTIONS"])


def test_sizes_of_chunks() -> None:
    chunk_bytes = load("chunks")["chunk_bytes"]
    stated = re.findall(r"^\| (\d+) ms \| ([\d,]+) \|", PAGE, re.MULTILINE)
    assert len(stated) == 4
    assert all(chunk_bytes(int(ms) / 1000) == int(size.replace(",", "")) for ms, size in stated)


def test_a_pool_is_used() -> None:
    load("pooled")  # asserts by itself


async def test_recordings_are_transcribed_at_once() -> None:
    module = load("batched")
    assert await module["transcribe"](module["RECORDINGS"]) == ["Good morning.", "Good night."]


@pytest.mark.parametrize("config", [SessionConfig(), EngineConfig()], ids=lambda config: type(config).__name__)
def test_bounds_are_the_defaults(config: Any) -> None:
    kind = type(config).__name__
    stated = re.findall(rf"^\| `{kind}\.(\w+)` \| ([\d.,]+)", PAGE, re.MULTILINE)
    assert stated
    assert {name: float(value.replace(",", "")) for name, value in stated} == {
        name: float(getattr(config, name)) for name, _ in stated
    }
    assert {name for name, _ in stated} <= {field.name for field in fields(config)}


def test_metrics_exist() -> None:
    assert set(re.findall(r"`(voice\.[\w.]+)`", PAGE)) - set(METRICS) == set()


def test_commands_exist() -> None:
    cli = typer.main.get_command(app)
    context = typer.Context(cli)
    for command in re.findall(r"duologue ((?:bench|soak) [\w-]+|callers|call|serve|transcribe|doctor)", PAGE):
        group: Any = cli
        for word in command.split():
            group = group.get_command(context, word)
            assert group is not None, command
