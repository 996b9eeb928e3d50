"""Mounted in a FastAPI application under a path, behind a real nginx that ends TLS and rewrites the Host header."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from console_page import MICROPHONE, browser, opened, until, write_tone

from duologue.client import connect
from serving import heard, run_by_uvicorn, use_fakes

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

DEADLINE = 30.0

CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://{backend};
      proxy_http_version 1.1;
      proxy_set_header Host internal.example;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-For "203.0.113.7";
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
}}
"""


class Site(NamedTuple):
    """What is before the application."""

    host: str
    """`localhost:port`, as a browser asks for it."""
    certificate: Path
    metadata: list[Any]
    """What the agent was told of each call."""


async def run(*command: str) -> None:
    """Run a program to its end."""
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await child.communicate()
    assert child.returncode == 0, told.decode()


async def make_certificate(folder: Path) -> None:
    """A certificate for localhost that it signs itself."""
    await run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem",
    )  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_port: int) -> AsyncIterator[Site]:
    import duologue

    calls: list[Any] = []

    async def agent(text: str, turn: duologue.Turn) -> str:
        calls.append(turn.call.info)
        return f"You said: {text}"

    use_fakes(monkeypatch)
    fastapi = importlib.import_module("fastapi")
    voice = duologue.asgi(agent)
    app = fastapi.FastAPI(lifespan=voice.lifespan)
    app.mount("/talk/voice", voice)
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert nginx, "the tests need nginx: see .ci/run"
    await make_certificate(tmp_path)
    async with run_by_uvicorn(app) as backend:
        config = tmp_path / "nginx.conf"
        config.write_text(CONFIG.format(folder=tmp_path, port=unused_port, backend=backend))
        proxy = await asyncio.create_subprocess_exec(nginx, "-p", str(tmp_path), "-c", str(config))
        try:
            await _listens(unused_port, proxy)
            yield Site(f"localhost:{unused_port}", tmp_path / "certificate.pem", calls)
        finally:
            proxy.terminate()
            await proxy.wait()


async def _listens(port: int, proxy: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(DEADLINE):
        while proxy.returncode is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.02)
    raise AssertionError(f"nginx ended with {proxy.returncode}")


async def test_page_stream_and_client_work(site: Site, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=str(site.certificate))
    async with httpx.AsyncClient(trust_env=False, verify=context, timeout=DEADLINE) as client:
        page = await client.get(f"https://{site.host}/talk/voice/")
        assert page.status_code == 200
        assert f"wss://{site.host}" in page.headers["content-security-policy"]
        async with asyncio.timeout(DEADLINE):
            while (await client.get(f"https://{site.host}/talk/voice/ready")).status_code != 200:
                await asyncio.sleep(0.02)

    async with connect(f"wss://{site.host}/talk/voice/v1/stream", ssl_context=context, metadata={"order": 7}) as call:
        assert await heard(call, "Hello.") == "You said: Hello."
    (info,) = site.metadata
    assert (info.client, info.metadata) == ("203.0.113.7", {"order": 7})
    assert info.headers["host"] == "internal.example"

    tone = tmp_path / "tone.wav"
    write_tone(tone)
    async with (
        browser(*MICROPHONE, f"--use-file-for-fake-audio-capture={tone}") as chromium,
        opened(chromium, f"https://{site.host}/talk/voice/?keep=1&aec=0", ignore_https_errors=True) as shown,
    ):
        await shown.click("#talk")
        await until(shown, "duologue.phase === 'live'")
        acks = await until(shown, "duologue.log.filter(({type}) => type === 'ack').length > 2 && duologue.log")
        assert [message["type"] for message in acks if message["type"] == "started"] == ["started"]
