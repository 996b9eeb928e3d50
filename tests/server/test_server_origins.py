"""Which pages may connect, and what those are told that may not."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fake_backend import DEADLINE, FakeBackend, listening
from starlette.requests import HTTPConnection

from duologue.client import connect
from duologue.errors import AuthenticationError, ConfigError, StreamError
from duologue.server.address import address_of, exposure
from duologue.server.app import create_app
from duologue.server.listener import WEBSOCKETS
from duologue.server.origins import Origins
from duologue.server.run import serve

PORT = 8000


def request(client: str = "127.0.0.1", port: int = PORT, **headers: str | None) -> HTTPConnection:
    named = {name.replace("_", "-"): text for name, text in headers.items() if text is not None}
    raw = [(name.encode(), text.encode("latin-1")) for name, text in named.items()]
    return HTTPConnection({"type": "http", "headers": raw, "client": (client, 5), "server": ("127.0.0.1", port)})


def may(origins: Origins, **headers: Any) -> bool:
    return origins.refusal(request(**headers)) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[0:0::1]:8000", "[::1]:8000"),
        ("http://192.168.1.9:8000", "192.168.1.9:8000"),
        ("http://mybox:8000", "mybox:8000"),
        ("http://mybox.local:8000", "mybox.local:8000"),
        # A proxy, which keeps the Host.
        ("https://talk.example", "talk.example"),
        ("https://talk.example", "talk.example:443"),
        ("https://talk.example:443", "talk.example"),
        ("http://talk.example", "talk.example:80"),
        ("http://talk.example:80", "talk.example"),
        ("https://talk.example:8443", "talk.example:8443"),
        ("HTTPS://Talk.Example", "talk.EXAMPLE"),
        ("https://talk.example", "talk.example."),
    ],
)
def test_the_page_of_the_servers_own_host_may_connect(origin: str, host: str) -> None:
    assert may(Origins(), origin=origin, host=host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "talk.example"),
        ("https://talk.example.evil.example", "talk.example"),
        ("https://talk.example:8443", "talk.example"),
        ("http://talk.example", "talk.example:443"),
        ("http://localhost:3000", "localhost:8000"),
        ("null", "localhost:8000"),
        ("null", None),
        ("null", "null"),
        ("", "localhost:8000"),
        ("", ""),
        ("http://localhost:8000", None),
        ("http://", ""),
        ("http://[", "localhost:8000"),
        ("http://[", "["),
        ("http://]", "]"),
        ("http://[::1", "[::1"),
        ("http://a:99999", "a:99999"),
        ("http://a:b", "a:b"),
        ("http://a@b", "a@b"),
        ("http://a/b", "a/b"),
        ("http://a b", "a b"),
        ("http://\xe4", "\xe4"),
        ("localhost:8000", "localhost:8000"),
        ("file://", ""),
    ],
)
def test_other_pages_may_not(origin: str, host: str | None) -> None:
    assert not may(Origins(), origin=origin, host=host)


def test_who_is_no_page_sends_no_origin_and_may_connect() -> None:
    assert may(Origins(), host="anything.example:8000")
    assert may(Origins())


@pytest.mark.parametrize("port", [PORT, 80, 443])
def test_a_name_that_points_here_by_surprise_is_not_the_servers_own(port: int) -> None:
    """A page of evil.example, which resolves to this machine now: the browser connects to our port itself."""
    host = "evil.example" if port in (80, 443) else f"evil.example:{port}"
    scheme = "https" if port == 443 else "http"
    refusal = Origins().refusal(request(origin=f"{scheme}://{host}", host=host, port=port))
    assert refusal is not None
    assert (refusal.status, refusal.code) == (421, "host_refused")
    assert "--allow-origin evil.example" in refusal.hint
    assert Origins().host_refusal(request(host=host, port=port)) is not None
    # What a page may send itself makes it no friend.
    assert Origins().host_refusal(request(host=host, port=port, x_forwarded_host="localhost")) is not None
    for allowed in (f"{scheme}://{host}", host, "*"):
        assert Origins([allowed]).refusal(request(origin=f"{scheme}://{host}", host=host, port=port)) is None
    assert Origins(["evil.example"]).host_refusal(request(host=host, port=port)) is None


@pytest.mark.parametrize(
    ("allowed", "origin", "lets_in"),
    [
        ("https://talk.example", "https://talk.example", True),
        ("https://talk.example/", "https://talk.example", True),
        ("https://Talk.Example:443", "https://talk.example", True),
        ("https://talk.example", "https://talk.example:443", True),
        ("https://talk.example", "http://talk.example", False),
        ("https://talk.example", "https://talk.example:8443", False),
        ("https://talk.example:8443", "https://talk.example:8443", True),
        ("talk.example", "https://talk.example", True),
        ("talk.example", "http://talk.example", True),
        ("talk.example", "https://talk.example:8443", False),
        ("talk.example/", "https://talk.example", True),
        ("talk.example:8443", "https://talk.example:8443", True),
        ("[::1]:3000", "http://[::1]:3000", True),
        ("localhost:3000", "http://localhost:3000", True),
        ("https://talk.example", "https://talk.example.evil", False),
        ("chrome-extension://abcdef", "chrome-extension://abcdef", True),
        ("null", "null", True),
        ("*", "null", True),
        ("*", "http://[", True),
    ],
)
def test_pages_that_are_allowed_by_name(allowed: str, origin: str, lets_in: bool) -> None:
    assert may(Origins([allowed]), origin=origin, host="127.0.0.1:8000") is lets_in


@pytest.mark.parametrize(
    "allowed",
    ["", "https://", "https://talk.example/page", "https://*.example", "talk example", "http://[", "a@b", "a?b", "a#b"],
)
def test_what_is_no_origin_is_told_at_the_start(allowed: str) -> None:
    with pytest.raises(ConfigError, match="not the origin of a page"):
        Origins([allowed])
    with pytest.raises(ConfigError):
        serve(lambda text: text, allowed_origins=[allowed], port=0)


def test_what_is_no_proxy_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match="no address of a proxy"):
        Origins(trusted_proxies=["my-proxy"])


FORWARDED = [
    {"x_forwarded_host": "talk.example"},
    {"x_forwarded_host": "Talk.Example:443"},
    {"x_forwarded_host": "talk.example, inner.example"},
    {"forwarded": "for=1.2.3.4;host=talk.example;proto=https"},
    {"forwarded": 'host="talk.example:443"'},
]


@pytest.mark.parametrize("headers", FORWARDED, ids=str)
def test_a_trusted_proxy_may_rewrite_the_host(headers: dict[str, str]) -> None:
    page = {"origin": "https://talk.example", "host": "127.0.0.1:8000", **headers}
    assert may(Origins(), client="127.0.0.1", **page)
    assert may(Origins(), client="::1", **page)
    assert may(Origins(), client="::ffff:127.0.0.1", **page)
    assert not may(Origins(), client="10.1.2.3", **page)
    assert may(Origins(trusted_proxies=["10.0.0.0/8"]), client="10.1.2.3", **page)
    assert not may(Origins(trusted_proxies=[]), client="127.0.0.1", **page)
    assert not may(Origins(), client="127.0.0.1", **{**page, "origin": "https://evil.example"})


def test_a_proxy_on_another_port_names_it() -> None:
    page = {"origin": "https://talk.example:8443", "host": "app:8000", "x_forwarded_host": "talk.example"}
    assert not may(Origins(), **page)
    assert may(Origins(), **page, x_forwarded_port="8443")


def test_each_refusal_is_logged_with_what_was_compared_and_what_to_set(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        refusal = Origins().refusal(
            request(client="10.1.2.3", origin="https://talk.example", host="app:8000", x_forwarded_host="talk.example")
        )
    for said in ("https://talk.example", "app:8000", "--allow-origin https://talk.example", "--trusted-proxy"):
        assert said in caplog.text
    assert refusal is not None
    assert "--allow-origin https://talk.example" in refusal.hint


def test_what_a_client_sends_breaks_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not may(Origins(), origin="http://a\x1b[2J\xff" + "b" * 5000, host="\t" * 5000)
    assert "\x1b" not in caplog.text
    assert len(caplog.text) < 1000


# --- over a socket ---


@pytest.fixture(scope="module", params=WEBSOCKETS)
async def address(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    app = create_app(FakeBackend().build, allowed_origins=["https://friend.example/"])
    async with listening(app, websockets=request.param) as (_, address):
        yield address


async def shake(address: str, host: str | None, origin: str, path: str = "/v1/stream") -> tuple[int, Any]:
    """The status of the answer to a handshake, and its body where it has one."""
    name, _, port = address.partition(":")
    lines = [
        f"GET {path} HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Origin: {origin}",
        *([] if host is None else [f"Host: {host}"]),
    ]
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        body = b"" if status == 101 else await reader.read()
        writer.close()
    return status, json.loads(body) if body.startswith(b"{") else body


@pytest.mark.anyio
async def test_a_handshake_is_answered_with_why_it_is_refused(address: str) -> None:
    assert (await shake(address, "talk.example:443", "https://talk.example"))[0] == 101
    assert (await shake(address, address, "https://friend.example"))[0] == 101
    status, body = await shake(address, address, "http://evil.example")
    assert (status, body["code"]) == (403, "origin_refused")
    assert "--allow-origin http://evil.example" in body["hint"]
    assert (await shake(address, address, "http://["))[0] == 403
    port = address.partition(":")[2]
    assert (await shake(address, f"evil.example:{port}", f"http://evil.example:{port}"))[0] == 421
    assert (await shake(address, None, "null"))[0] in (400, 403)


@pytest.mark.anyio
async def test_a_page_can_ask_why_it_was_refused(address: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=DEADLINE, trust_env=False) as client:
        refused = await client.post("/v1/stream", headers={"Origin": "http://evil.example"})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_refused")
        fine = await client.post("/v1/stream", headers={"Origin": f"http://{address}"})
        assert (fine.status_code, fine.json()["code"]) == (426, "upgrade_required")
        port = address.partition(":")[2]
        assert (await client.get("/ops", headers={"Host": f"evil.example:{port}"})).status_code == 421
        assert (await client.get("/ops")).status_code == 200
        page = await client.get("/", headers={"X-Forwarded-Host": "talk.example"})
        assert "wss://talk.example " in page.headers["content-security-policy"].replace(";", " ")


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/streams", "/v1/stream/", "/", "/v2/stream", "/v1/stream/x"])
async def test_a_path_without_a_stream_is_told_as_such(address: str, path: str) -> None:
    with pytest.raises(StreamError, match=r"HTTP status 404 .*Check the address\. The path is /v1/stream\."):
        async with connect(f"ws://{address}{path}"):
            pass


@pytest.mark.anyio
async def test_the_client_says_what_the_server_answered() -> None:
    async with listening(create_app(FakeBackend().build)) as (_, address):
        conversation = connect(f"ws://{address}/v1/stream")
        assert await conversation.__aenter__()
        await conversation.aclose()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"message": "A page may not.", "hint": "Set this."}'
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AuthenticationError, match=r"A page may not\. Set this\."):
            async with connect(f"ws://127.0.0.1:{port}/v1/stream"):
                pass


# --- where the server is ---


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost:80"),
        ("0.0.0.0", "http://localhost:80"),
        ("::", "http://localhost:80"),
        ("::1", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("10.0.0.7", "http://10.0.0.7:80"),
        ("mybox", "http://mybox:80"),
    ],
)
def test_an_address_is_one_that_a_browser_takes(host: str, address: str) -> None:
    assert address_of(host, 80) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_this_machine_needs_no_keys(host: str) -> None:
    assert exposure(host, 80) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_a_server_that_others_reach_says_so(host: str) -> None:
    with pytest.raises(ConfigError, match="Everyone who reaches"):
        exposure(host, 80)
    warned = exposure(host, 80, insecure=True)[0]
    assert "http://" in warned
    assert "0.0.0.0" not in warned
    assert "HTTPS" in exposure(host, 80, authenticates=True)[0]
    assert exposure(host, 80, authenticates=True, tls=True) == []
