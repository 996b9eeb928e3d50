"""The programs in examples/ do what they say, and stay short."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from duologue.client import Conversation, connect
from duologue.errors import ConfigError
from duologue.testing.openai_server import OpenAIServer, calls, says
from duologue.wire import messages as wire
from serving import heard, run_by_uvicorn, serving, use_fakes

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The examples can be imported, over fakes."""
    use_fakes(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    yield
    for name in names:
        sys.modules.pop(name, None)


def test_each_is_short() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in EXAMPLES.glob("*.py")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length >= 60} == {}


async def ended(call: Conversation) -> tuple[list[str], str]:
    """What is heard until the call ends, and why it ends."""
    said: list[str] = []
    async with asyncio.timeout(30):
        async for message in call:
            if isinstance(message, wire.AgentHeard):
                said.append(message.text)
            if isinstance(message, wire.Ended):
                return said, message.reason
    raise AssertionError("the call did not end")


async def test_the_restaurant(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [
        calls("book_table", day="Friday", people=2), says("It is booked."),
        calls("hand_over", agent="manager"), says("I connect you."),
        says("I am sorry to hear that."),
    ]  # fmt: skip
    async with OpenAIServer(*script) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        restaurant: Any = importlib.import_module("restaurant")
        async with (
            serving(agents=restaurant.AGENTS, user_data=restaurant.guest) as url,
            connect(f"{url}?from=%2B15550100") as call,
        ):
            assert await heard(call) == "Good evening, Ada."
            assert await heard(call, "A table for two on Friday, please.") == "It is booked."
            assert restaurant.BOOKED == ["Ada: Friday, 2 people, by the window"]
            assert await heard(call, "And last time the soup was cold.") == "I connect you."
            assert await heard(call) == "The manager speaking."
            assert await heard(call, "It was cold.") == "I am sorry to hear that."
        await restaurant.model().client.close()
        sent = str(model.requests[-1]["messages"])
        assert "You manage a restaurant" in sent
        assert "A table for two on Friday" in sent  # the manager knows what was said


async def test_the_restaurant_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAIServer(calls("hang_up"), says("Goodbye.")) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        restaurant: Any = importlib.import_module("restaurant")
        async with serving(agents=restaurant.AGENTS, user_data=restaurant.guest) as url, connect(url) as call:
            assert await heard(call) == "Good evening, our guest."
            await call.text("That is all, goodbye.")
            assert await ended(call) == (["Goodbye."], "agent_done")
        await restaurant.model().client.close()


async def test_the_fastapi_application() -> None:
    module: Any = importlib.import_module("fastapi_app")
    async with run_by_uvicorn(module.app) as address:
        for token, known in (("?token=let-me-in", "ada"), ("", "a stranger")):
            async with connect(f"ws://{address}/voice/v1/stream{token}") as call:
                assert await heard(call, "Hello.") == f"You said: Hello. I know you as {known}."
                await call.end()
                await ended(call)
        async with httpx.AsyncClient(trust_env=False) as client:
            listed = (await client.get(f"http://{address}/calls")).json()
            assert (await client.get(f"http://{address}/voice/")).status_code == 200
    assert [(call["reason"], call["turns"]) for call in listed] == [("client_end", 1), ("client_end", 1)]


def test_the_manager_is_no_agent_for_clients() -> None:
    """What the program serves, without serving it."""
    import duologue

    restaurant: Any = importlib.import_module("restaurant")
    served: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duologue, "serve", lambda **options: served.append(options))
        exec(
            compile((EXAMPLES / "restaurant.py").read_text("utf-8"), "restaurant.py", "exec"), {"__name__": "__main__"}
        )
    (options,) = served
    assert list(options["agents"]) == list(restaurant.AGENTS)
    with pytest.raises(ConfigError, match="no agent 'manager' here"):
        options["policy"].choose("agent", "manager", list(options["agents"]), options["policy"].agents)
