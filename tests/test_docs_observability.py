"""The examples of docs/observability.md do what the page says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from duologue.session import BudgetExceeded, SessionConfig, TurnMeasured
from duologue.settings.load import load_settings
from duologue.telemetry import LatencyBudget, Price, TelemetryConfig
from duologue.telemetry.waterfall import PARTS
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs" / "observability.md").read_text("utf-8")
WATERFALL, BUDGET, COSTS, COLLECTOR = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def names(source: str) -> dict[str, Any]:
    """What an example defines."""
    defined: dict[str, Any] = {}
    exec(compile(source, "observability.md", "exec"), defined)
    return defined


async def test_the_parts_of_each_turn_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        printing = asyncio.create_task(names(WATERFALL)["print_parts"](call.session))
        await asyncio.sleep(0)
        await call.say("Hello.")
        measured = call.one(TurnMeasured)
    await printing
    assert capsys.readouterr().out == f"1 {round(measured.voice_to_voice, 3)} {measured.parts}\n"
    rows = re.findall(r"^\| `(\w+)` \|", PAGE[: PAGE.index("A part that was done in advance")], re.MULTILINE)
    assert rows == list(PARTS)


async def test_a_budget() -> None:
    budget = names(BUDGET)["budget"]
    assert budget == LatencyBudget(voice_to_voice=0.8, agent=0.4, voice=0.25)

    async def slow(text: str) -> str:
        await asyncio.sleep(1.0)
        return "Yes."

    async with VirtualCall(slow, config=SessionConfig(budget=budget)) as call:
        await call.say("Hello.")
        assert [event.reason for event in call.of(BudgetExceeded)] == ["voice_to_voice", "agent"]


def test_prices_in_python_and_in_a_file(tmp_path: Path) -> None:
    costs = names(COSTS)["costs"]
    assert costs.price("speech_to_text", "deepgram/nova-3") == Price(per_audio_hour=0.30)
    (tables,) = re.findall(r"^```toml\n(# duologue.toml\n\[costs.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "duologue.toml").write_text(tables)
    written = load_settings(tmp_path / "duologue.toml", environment={}).settings.costs.table()
    assert (written.stt["deepgram/nova-3"], written.llm) == (costs.stt["deepgram/nova-3"], costs.llm)
    assert written.price("text_to_speech", "elevenlabs/eleven_flash_v2_5") == Price(per_1000_characters=0.05)


def test_a_collector() -> None:
    assert names(COLLECTOR)["telemetry"] == TelemetryConfig(otlp_endpoint="http://127.0.0.1:4318", sample=0.1)
