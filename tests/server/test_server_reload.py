"""SIGHUP: what changes while calls run, what is told to need a start, and what is refused."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from duologue.client import connect
from duologue.errors import OverloadedError
from duologue.server.application import Application
from duologue.server.configured import options_of
from duologue.server.reload import Reload, in_force, is_live
from duologue.settings.load import load_settings
from duologue.settings.schema import Settings
from duologue.telemetry import Price

pytestmark = pytest.mark.anyio

DEADLINE = 60.0
BEFORE = """\
[server]
port = 0
workers = {workers}
[agent]
name = "echo"
[log]
level = "warning"
[limits]
max_sessions = 8
[limits.admission]
max_tick_lag = 60
"""


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A server whose settings and log are in a folder."""
    (folder / "duologue.toml").write_text(BEFORE.format(workers=workers))
    program = Path(__file__).with_name("reloading.py")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, program, "duologue.toml"], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process, folder / "log"
    finally:
        process.kill()
        process.communicate()


async def told(log: Path, words: str) -> str:
    """The line of the log that has these words, once it is there."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for line in log.read_text().splitlines():
                if words in line:
                    return line
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
async def test_settings_are_read_again(workers: int, tmp_path: Path) -> None:
    file = tmp_path / "duologue.toml"
    with served(tmp_path, workers) as (process, log):
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        url = f"{address.replace('http', 'ws')}/v1/stream"
        file.write_text("[server]\nport = 'x'\n")
        process.send_signal(signal.SIGHUP)
        refused = await told(log, "The settings are not changed")
        assert 'duologue.toml, line 2: server.port is "x", and must be a whole number.' in refused

        after = BEFORE.replace('"warning"', '"info"').replace("= 8", f"= {workers}").replace("port = 0", "port = 1")
        file.write_text(after.format(workers=workers))
        process.send_signal(signal.SIGHUP)
        line = await told(log, "Settings read again from duologue.toml.")
        assert "Changed: limits.max_sessions, log.level. Keys read: 0." in line
        assert (await told(log, "with the next start")).endswith("of the server: server.port.")
        async with asyncio.timeout(DEADLINE), AsyncExitStack() as calls:
            # A worker takes the signal at its next tick: until then it admits as many calls as before.
            while True:
                try:
                    for _ in range(workers + 1):
                        await calls.enter_async_context(connect(url))
                except OverloadedError:
                    break
                await calls.aclose()
        await told(log, "INFO duologue.calls: Call")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE) == 0


def test_prices_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.server.reload.set_log_level", lambda _: None)
    file = tmp_path / "duologue.toml"
    price = "[costs.stt]\nmoonshine = {{ per_audio_hour = {} }}\n"
    file.write_text(price.format(1))

    async def agent(text: str) -> str:
        return text

    loaded = load_settings(file, environment={})
    application = Application(say=print, **options_of(loaded, agent))
    telemetry = application.app().registry.telemetry
    assert telemetry.metrics.costs.price("speech_to_text", "moonshine") == Price(per_audio_hour=1)
    file.write_text(price.format(2))
    assert Reload(loaded, application, {}).run()
    assert telemetry.metrics.costs.price("speech_to_text", "moonshine") == Price(per_audio_hour=2)


def test_what_is_not_live_stays_as_it_was() -> None:
    old, new = (
        Settings(),
        Settings.model_validate(
            {"session": {"keep_alive_interval": 5, "timeout": 9}, "limits": {"batch": 1, "max_sessions": 3}}
        ),
    )
    settings = in_force(old, new)
    assert settings.session_config().timeout == 9
    assert settings.session_config().keep_alive_interval == 30
    assert (settings.engine_config().max_sessions, settings.engine_config().batch) == (3, 64)
    live = {("session", "timeout"): True, ("session", "keep_alive_interval"): False, ("limits", "batch"): False}
    assert {keys: is_live(keys) for keys in live} == live
