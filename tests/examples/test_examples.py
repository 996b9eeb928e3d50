"""The programs in examples/ do what they say, and stay short."""

from __future__ import annotations

import asyncio
import importlib
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import duologue
from duologue.audio.wav import write_wav
from duologue.client import Conversation, connect
from duologue.errors import ConfigError
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.openai_server import OpenAIServer, calls, says
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
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


async def test_the_survey() -> None:
    survey: Any = importlib.import_module("survey")
    async with serving(survey.Survey, on_start=survey.on_start) as url, connect(url) as call:
        assert await heard(call) == "Thank you for your visit. How did you like the food?"
        assert await heard(call, "Very much.") == "Thank you. Was the staff friendly?"
        assert await heard(call, "Mostly.") == "Thank you. Would you come again?"
        await call.text("Gladly.")
        assert await ended(call) == (["That was all. Goodbye."], "survey_done")
    assert survey.RESULTS == [["Very much.", "Mostly.", "Gladly."]]


async def test_the_survey_asks_the_silent() -> None:
    survey: Any = importlib.import_module("survey")
    async with VirtualCall(survey.Survey()) as call:
        watching = asyncio.create_task(survey.ask_the_silent(call.session))
        await call.silence(20.0)
        await call.settle()
        assert "Are you still there?" in call.heard
    await watching


async def test_a_recording_is_sent() -> None:
    sender: Any = importlib.import_module("send_recording")

    async def agent(text: str) -> str:
        return f"You said: {text}"

    async with serving(agent) as url:
        texts, audio, rate = await sender.converse(url, speak("Is it well?"), silence=2.0)
    assert texts == ["You said: Is it well?"]
    assert len(audio) > rate  # more than half a second of PCM16


def test_a_session_without_a_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recording = tmp_path / "caller.wav"
    write_wav(recording, speak("Is it well?") + bytes(32_000), 16_000)
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    monkeypatch.setattr(duologue, "load_local", lambda: models)
    monkeypatch.setattr(sys, "argv", ["own_session.py", str(recording)])
    runpy.run_path(str(EXAMPLES / "own_session.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "text='Hello!'" in printed
    # In real time: on a busy machine some of the audio may be late, and then fewer words are understood.
    assert "TurnDecided(" in printed
    assert "text='You said: " in printed


async def test_a_voice_that_hums() -> None:
    hum: Any = importlib.import_module("tone_voice")
    speech = await hum.ToneVoice().synthesize("One two three")
    assert (speech.duration, speech.timings, [w.start for w in speech.words]) == (0.75, "exact", [0.0, 0.25, 0.5])

    async def agent(text: str) -> str:
        return "Hm hm hm."

    async with serving(agent, tts=hum.ToneVoice) as url, connect(url) as call:
        assert await heard(call, "Sing.") == "Hm hm hm."


def test_each_is_on_the_page_of_examples() -> None:
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f"examples/{path.name}" not in page] == []
