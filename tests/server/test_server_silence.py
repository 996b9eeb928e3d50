"""The whole stack asks nothing of the network, and writes nothing outside its cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os, sys
import duologue
from duologue.client import connect
from duologue.engine import Admission, EngineConfig

# Under strace everything is late.
PATIENT = EngineConfig(admission=Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0))

async def agent(text):
    return "A table for two, then."

async def main():
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        duologue.aserve(
            agent, port=0, engine=PATIENT, smart_turn=False, on_ready=lambda address, _: ready.set_result(address)
        )
    )
    await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
    url = ready.result().replace("http://localhost", "ws://127.0.0.1") + "/v1/stream"
    async with connect(url, greeting=False, timeout=60.0) as call:
        await call.text("Hello.")
        async for message in call:
            if type(message).__name__ == "Latency":
                break
    await asyncio.sleep(2.0)  # What reports to somebody does so after a while.
    serving.cancel()
    await asyncio.wait([serving])
    print("answered")

asyncio.run(main())
"""


@pytest.mark.models
def test_a_conversation_looks_nothing_up_and_leaves_no_foreign_file(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    hidden = ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "DUOLOGUE_CACHE")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    calls = "trace=connect,sendto,sendmsg,sendmmsg,openat"
    command = [strace, "-f", "-qq", "-s", "200", "-e", calls, "-o", str(trace), sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.splitlines()[-1:] == ["answered"], done.stderr[-2000:]
    lines = trace.read_text(errors="replace").splitlines()
    assert any("connect(" in line and "127.0.0.1" in line for line in lines)  # It sees what it is to see.
    reached = [line for line in lines if re.search(r"(connect|sendto|sendm+sg)\(.*AF_INET", line)]
    assert [line for line in reached if "127.0.0.1" not in line] == []
    assert [line for line in lines if re.search(r"resolv\.conf|machine-id|microsoft", line, re.IGNORECASE)] == []
    left = {path.relative_to(home).parts[:2] for path in home.rglob("*") if path.is_file()}
    assert left <= {(".cache", "duologue")}
