"""The Python of docs/serving.md does what the page says, as it is printed."""

import asyncio
import importlib
import inspect
import json
import logging
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.client import connect
from duologue.errors import ConfigError
from duologue.server.application_options import ApplicationOptions
from duologue.server.policy import CallPolicy
from duologue.wire import messages as wire
from duologue.wire.fields import TurnTaking
from serving import heard, run_by_uvicorn, serving, use_fakes

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs" / "serving.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))

DEADLINE = 30.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with all snippets, from which they are imported."""
    for name, source in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in SNIPPETS:
        sys.modules.pop(name, None)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) == PAGE.count("```python")
    source = Path(__file__).read_text("utf-8")
    assert [name for name in SNIPPETS if f'"{name}"' not in source] == []


@pytest.mark.usefixtures("folder", "models")
async def test_agents_know_their_call() -> None:
    desk = importlib.import_module("desk")
    async with serving(agents=desk.AGENTS, user_data=desk.guest) as url:
        async with connect(f"{url}?guest=17", metadata={"order": 9}) as call:
            assert await heard(call) == "Welcome, Ada."
            assert await heard(call, "Hello.") == "You are Ada, your order is 9."
        async with connect(url, agent="kitchen") as call:
            assert await heard(call, "Hello.") == "The kitchen is closed."


@pytest.mark.usefixtures("folder", "models")
async def test_a_client(capsys: pytest.CaptureFixture[str]) -> None:
    desk, caller = importlib.import_module("desk"), importlib.import_module("caller")
    async with serving(agents=desk.AGENTS, user_data=desk.guest) as url, asyncio.timeout(DEADLINE):
        await caller.main(url)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["Welcome, a new guest.", "You are a new guest, your order is 9."]


@pytest.mark.usefixtures("folder", "models")
async def test_providers_voices_and_the_policy() -> None:
    module = importlib.import_module("voices")
    async with serving(module.agent, **module.OPTIONS) as url:
        async with connect(url, voice="bob") as call:
            assert await heard(call, "Hello.") == "You said: Hello."
        refused: list[dict[str, Any]] = [{"voice": "eve"}, {"turn_taking": TurnTaking(timeout_s=4.0)}]
        for asked in refused:
            with pytest.raises(ConfigError):
                async with connect(url, **asked):
                    pass


@pytest.mark.usefixtures("folder", "models")
async def test_hooks() -> None:
    module = importlib.import_module("hooked")
    async with serving(module.agent, **module.OPTIONS) as url:
        async with connect(url) as call:
            assert await heard(call) == f"This is call {call.started.session}."
            assert await heard(call, "Hello.") == "You said: Hello."
            await call.end()
            assert [type(each) for each in [each async for each in call]][-1] is wire.Ended
        async with asyncio.timeout(DEADLINE):
            while not module.ended:
                await asyncio.sleep(0.01)
    assert module.ended == [("client_end", ["Hello."])]


@pytest.mark.parametrize("listener", ["uvicorn", "picows"])
@pytest.mark.usefixtures("models")
async def test_records_hold_what_the_page_says(listener: str, tmp_path: Path) -> None:
    async def agent(text: str) -> str:
        return f"You said: {text}"

    async with (
        serving(agent, records=tmp_path / "calls", listener=listener) as url,
        connect(url, metadata={"order": 9}) as call,
    ):
        assert await heard(call, "Hello.") == "You said: Hello."
        await call.end()
        assert [type(each) for each in [each async for each in call]][-1] is wire.Ended
    (file,) = (tmp_path / "calls").glob("calls-*.jsonl")
    (record,) = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (record["call"], record["reason"], record["metadata"]) == (call.started.session, "client_end", {"order": 9})
    assert [(message["role"], message["text"]) for message in record["transcript"]] == [
        ("user", "Hello."),
        ("agent", "You said: Hello."),
    ]
    table = PAGE[PAGE.index("## Records of calls") : PAGE.index("A file has up to")]
    fields_column = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", " ".join(fields_column))
    assert set(named) == set(record)


@pytest.mark.usefixtures("folder", "models")
async def test_mounting() -> None:
    module = importlib.import_module("app")
    async with run_by_uvicorn(module.app) as address, connect(f"ws://{address}/voice/v1/stream") as call:
        assert await heard(call, "Hello.") == "You said: Hello."


def test_a_log_of_json(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(agent: object) -> None:
        logging.getLogger("duologue.calls").info("A call started.")

    name = "logged"
    monkeypatch.setattr(duologue, "serve", serve)
    runpy.run_path(str(folder / f"{name}.py"), run_name="__main__")
    (line,) = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["logger"], json.loads(line)["message"]) == ("duologue.calls", "A call started.")


def test_the_page_has_every_option() -> None:
    table = PAGE[PAGE.index("| option | default |") : PAGE.index("All three also take")]
    rows = [line.split("|")[1] for line in table.splitlines() if line]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {"agent", *ApplicationOptions.__annotations__}
    beside = PAGE[PAGE.index("All three also take") :].partition("An unknown")[0]
    for start in (duologue.serve, duologue.aserve, duologue.asgi):
        named = set(inspect.signature(start).parameters) - {"agent", "options"}
        assert {name for name in named if f"`{name}`" not in beside and f"`{name}(" not in beside} == set()


def test_what_the_page_says_of_the_policy_is_so() -> None:
    table = PAGE[PAGE.index("| `CallPolicy`") : PAGE.index("Any other choice is refused")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)[1:] == [field.name for field in fields(CallPolicy)]
