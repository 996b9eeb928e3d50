"""A real Prometheus scrapes a server that holds calls: every metric arrives, and the alerts are about them.

Prometheus and promtool are Debian's.
"""

from __future__ import annotations

import asyncio
import configparser
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from duologue.client import connect
from duologue.conversation.config import ConversationConfig
from duologue.engine import Admission, EngineConfig
from duologue.session import SessionConfig
from duologue.telemetry import LatencyBudget
from duologue.telemetry.names import METRICS
from duologue.telemetry.prometheus import prometheus_name
from duologue.testing.spoken import speak
from duologue.wire import messages as wire
from serving import serving, use_fakes

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "duologue.json").read_text())
PAGE = (ROOT / "docs" / "observability.md").read_text()
DEADLINE = 40.0
CALLERS = 3
FRAME = 640


def documented() -> list[str]:
    """The names in Prometheus that the document's table gives."""
    return re.findall(r"^\| `[\w.]+` \| `(\w+)` \|", PAGE, re.MULTILINE)


def sample_names() -> set[str]:
    """The names of all samples that the server exports."""
    found = set()
    for metric in METRICS.values():
        name = prometheus_name(metric)
        found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if metric.kind == "histogram" else {name}
    return found


def expressions(found: Any) -> Iterator[str]:
    """All queries of the dashboard."""
    if isinstance(found, dict):
        if "expr" in found:
            yield found["expr"]
        found = list(found.values())
    if isinstance(found, list):
        for each in found:
            yield from expressions(each)


async def agent(text: str) -> AsyncIterator[str]:
    if text.startswith("block"):
        time.sleep(0.7)
    yield "Here is a first long sentence of the answer. "
    yield "And a second one, which nobody will hear to its end."


async def caller(url: str) -> None:
    """Say something, interrupt the answer, and hang up as soon as that is answered as well."""
    answered = 0
    async with connect(url) as call:

        async def listen() -> None:
            nonlocal answered
            async for message in call:
                answered += isinstance(message, wire.Latency)
                if answered == 2:
                    return

        listening = asyncio.create_task(listen())
        sound = bytes(16_000) + speak("A table please.") + bytes(40_000) + speak("No, wait, for four people.")
        loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        for at in range(0, 100 * 32_000, FRAME):
            if listening.done():
                break
            await call.send_audio(sound[at : at + FRAME].ljust(FRAME, b"\0"))
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))
        await listening


class Prometheus:
    """A server of Prometheus, and what can be asked of it."""

    def __init__(self, port: int) -> None:
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=DEADLINE)

    async def get(self, path: str, **query: str) -> Any:
        answer = (await self._client.get(f"/api/v1/{path}", params=query)).json()
        assert answer["status"] == "success", (query, answer)
        return answer["data"]

    async def values(self, query: str) -> list[tuple[dict[str, str], float]]:
        found = await self.get("query", query=query)
        return [(series["metric"], float(series["value"][1])) for series in found["result"]]

    async def value(self, query: str) -> float:
        """The one value that a query gives; 0 if it gives none."""
        found = await self.values(query)
        assert len(found) <= 1, found
        return found[0][1] if found else 0.0

    async def until(self, query: str, wanted: float) -> None:
        while await self.value(query) < wanted:
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    config = config.replace("15s", "250ms").replace("127.0.0.1:8000", target)
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(ALERTS, folder)
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    server = Prometheus(port)
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    await server.get("query", query="up")
                    break
                except (httpx.HTTPError, ValueError):  # it starts
                    await asyncio.sleep(0.05)
            yield server
    finally:
        await server.close()
        process.kill()
        await process.wait()


async def test_a_real_prometheus_scrapes_a_server_that_holds_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_fakes(monkeypatch)
    patient = Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0)
    config = SessionConfig(budget=LatencyBudget(end_of_turn=0.001), rules=ConversationConfig())
    async with serving(agent, config=config, engine=EngineConfig(stall_warning=0.3, admission=patient)) as url:
        target = url.removeprefix("ws://").partition("/")[0]
        async with prometheus(tmp_path, target) as server:
            await asyncio.gather(*(caller(url) for _ in range(CALLERS)))
            async with connect(url) as call:
                await call.text("block")
                async for message in call:
                    if isinstance(message, wire.Latency):
                        break
            await server.until("sum(voice_session_ended_total)", CALLERS + 1)

            # Every metric that the document names is there, as the kind that it says.
            about = await server.get("metadata")
            for metric in METRICS.values():
                name = prometheus_name(metric)
                assert about[name][0]["type"] == metric.kind
                suffix = "_count" if metric.kind == "histogram" else ""
                assert await server.values(name + suffix) or metric.kind == "gauge", name
            assert documented() == [prometheus_name(metric) for metric in METRICS.values()]

            # What they say of this load is so.
            value = server.value
            assert await value("voice_session_started_total") == CALLERS + 1
            turns = await value("voice_session_latency_seconds_count")
            assert turns >= 2 * CALLERS
            assert await value("sum(voice_stage_duration_seconds_sum)") == pytest.approx(
                await value("voice_session_latency_seconds_sum"), abs=0.001 * turns
            )
            assert await value('voice_barge_in_count_total{result="interrupted"}') == CALLERS
            assert await value("sum(voice_barge_in_yield_latency_seconds_count)") >= CALLERS
            assert await value('voice_budget_overruns_total{voice_stage="end_of_turn"}') >= CALLERS
            assert await value("voice_session_throughput_total") > 100 * CALLERS
            assert await value('voice_inference_items_total{gen_ai_request_model="fake-stt-model"}') >= turns
            assert await value("max(voice_session_memory_bytes)") >= 0
            assert await value("process_memory_usage_bytes") > 50e6
            assert await value("sum(process_cpu_time_seconds_total)") > 0.1
            await server.until("sum(voice_event_loop_blocks_total)", 1)  # it is counted once the loop goes on
            blocked = await server.values('voice_event_loop_blocks_total{code_function_name!=""}')
            assert f"{__name__}.agent" in {labels["code_function_name"] for labels, _ in blocked}

            # The dashboard and the rules can be evaluated, and the rule about blocking code fires for that agent.
            for query in expressions(DASHBOARD):
                await server.get("query", query=query.replace("$__rate_interval", "1m"))
            firing = 'ALERTS{alertname="DuologueEventLoopBlocked", alertstate="firing"}'
            while not any(labels["code_function_name"].endswith(".agent") for labels, _ in await server.values(firing)):
                await asyncio.sleep(0.1)
            groups = (await server.get("rules"))["groups"]
            assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_the_dashboard_and_the_alerts_name_only_metrics_that_there_are() -> None:
    known = sample_names()
    for text in (*expressions(DASHBOARD), re.sub(r"(?m)^\s*(summary|action|#).*", "", ALERTS.read_text())):
        named = set(re.findall(r"\b(?:voice|process|gen_ai_client)_\w+", text))
        labels = {attribute.replace(".", "_") for metric in METRICS.values() for attribute in metric.attributes}
        assert named - labels <= known, named - labels - known
    labels_used = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(DASHBOARD)))
    assert labels_used <= labels


def test_each_alert_fires_by_its_fault_and_none_for_a_server_that_is_well() -> None:
    tests = DEPLOY / "prometheus" / "alerts.test.yml"
    checked = subprocess.run(["promtool", "test", "rules", tests], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    *faults, well = re.split(r"(?m)^  - name: ", tests.read_text())[1:]
    assert [re.findall(r"alertname: (\w+)", fault) for fault in faults] == [[alert] for alert in alerts]
    assert all("exp_labels" in fault for fault in faults)
    assert re.findall(r"alertname: (\w+), exp_alerts: \[\]", well) == alerts


def test_the_unit_of_systemd_starts_what_there_is() -> None:
    unit = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "duologue.service")
    command = unit["Service"]["ExecStart"].split()
    assert command[1] == "serve"
    usage = subprocess.run(
        [sys.executable, "-m", "duologue", "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(option in usage for option in command if option.startswith("--"))
    assert float(unit["Service"]["TimeoutStopSec"]) > 15
