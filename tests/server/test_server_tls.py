"""HTTPS by options, and a token over it, with both listeners."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from test_server_behind_nginx import make_certificate

from duologue.client import connect
from duologue.errors import ConfigError
from duologue.server.address import TlsFiles
from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import make_token
from duologue.server.listener import WEBSOCKETS
from serving import DEADLINE, heard, serving, use_fakes

pytestmark = pytest.mark.anyio


async def echo(text: str) -> str:
    return text


async def test_pages_and_calls_are_served_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    await make_certificate(tmp_path)
    add_key(tmp_path / "keys")
    certfile, keyfile = tmp_path / "certificate.pem", tmp_path / "key.pem"
    context = ssl.create_default_context(cafile=str(certfile))
    token = make_token(KeyFile(tmp_path / "keys"))
    for listener in WEBSOCKETS:
        security = Security(keys=tmp_path / "keys", certfile=certfile, keyfile=keyfile)
        async with serving(echo, listener=listener, security=security) as url:
            assert url.startswith("wss://localhost:")
            async with connect(url, ssl_context=context, token=token, timeout=DEADLINE) as call:
                assert await heard(call, "Hello there.") == "Hello there."
                await call.end()
            async with httpx.AsyncClient(verify=context, trust_env=False, timeout=DEADLINE) as client:
                page = await client.get(url.replace("wss", "https").removesuffix("v1/stream"))
            assert page.status_code == 200
            reader, writer = await asyncio.open_connection("localhost", httpx.URL(url).port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not await reader.read()
            writer.close()
    with pytest.raises(ConfigError, match="cannot be used"):
        TlsFiles(keyfile, certfile).check()
