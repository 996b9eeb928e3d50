"""Who may call: tokens, tickets, limits, and keys that change while the server runs, over both listeners."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from fake_backend import DEADLINE, FakeBackend, listening
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus

from duologue.client import connect
from duologue.errors import AuthenticationError, ConfigError, RateLimitedError
from duologue.server.app import create_app
from duologue.server.auth.authenticator import Authenticator
from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.options import Security
from duologue.server.auth.tokens import MAX_OPS_TTL, make_token, verify_token
from duologue.server.listener import WEBSOCKETS
from duologue.server.store.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Guarded:
    """A server that asks for tokens."""

    def __init__(self, folder: Path) -> None:
        self.backend = FakeBackend()
        add_key(folder / "keys")
        self.keys = KeyFile(folder / "keys")
        self.clock = Clock()
        security = Security(keys=folder / "keys", max_calls_per_token=2, max_calls_per_address=3)
        self.authenticator = Authenticator(security, MemoryStore(clock=self.clock))
        self.address = ""

    def token(self, **options: Any) -> str:
        return make_token(self.keys, **options)

    async def request(self, method: str, path: str, token: str | None = None, **headers: str) -> httpx.Response:
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        base = f"http://{self.address}"
        async with httpx.AsyncClient(base_url=base, timeout=DEADLINE, trust_env=False) as client:
            return await client.request(method, path, headers=headers)

    async def ticket(self) -> str:
        answer = await self.request("POST", "/tickets", self.token())
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        return str(answer.json()["ticket"])

    def connect(self, query: str = "", **options: Any) -> Any:
        return connect(f"ws://{self.address}/v1/stream{query}", timeout=DEADLINE, **options)


@pytest.fixture(scope="module", params=WEBSOCKETS)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("keys"))
    app = create_app(
        guarded.backend.build, authenticator=guarded.authenticator, allowed_origins=["https://ours.example"]
    )
    async with listening(app, websockets=request.param) as (_, guarded.address):
        yield guarded


async def test_without_a_token_nothing_but_probes_and_the_page_is_answered(server: Guarded) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_websocket(f"ws://{server.address}/v1/stream", proxy=None):
            pass
    assert refused.value.response.status_code == 401
    with pytest.raises(AuthenticationError, match="asks for a token"):
        await server.connect().__aenter__()
    for method, path in (("POST", "/v1/stream"), ("POST", "/tickets"), ("GET", "/ops"), ("GET", "/metrics")):
        answer = await server.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert [(await server.request("GET", path)).status_code for path in ("/live", "/ready", "/")] == [200, 200, 200]


async def test_a_token_lets_in_and_its_claims_reach_the_call(server: Guarded) -> None:
    token = server.token(subject="anna", agent="desk", claims={"order": 17})
    async with server.connect(token=token):
        request = (await server.backend.session()).request
    assert (request.claims["sub"], request.claims["order"], request.agent) == ("anna", 17, "desk")
    # `Authorization` itself reaches the server only.
    assert token not in repr(request)


@pytest.mark.parametrize("bound", ["agent", "voice", "language"])
async def test_a_call_cannot_be_what_its_token_does_not_allow(server: Guarded, bound: str) -> None:
    with pytest.raises(ConfigError, match=f"does not allow the {bound}"):
        await server.connect(token=server.token(**{bound: "one"}), **{bound: "two"}).__aenter__()


async def test_a_ticket_opens_one_stream(server: Guarded) -> None:
    ticket = await server.ticket()
    async with server.connect(f"?ticket={ticket}&page=7"):
        request = (await server.backend.session()).request
    assert request.query == {"page": "7"}
    assert request.claims["scope"] == "call"
    for used in (ticket, "", "x" * 5000):
        with pytest.raises(AuthenticationError, match="unknown, used or too old"):
            await server.connect(f"?ticket={used}").__aenter__()


async def test_a_ticket_is_short_lived(server: Guarded) -> None:
    ticket = await server.ticket()
    server.clock.now += 31.0
    with pytest.raises(AuthenticationError):
        await server.connect(f"?ticket={ticket}").__aenter__()


async def test_pages_of_strangers_get_no_ticket(server: Guarded) -> None:
    answer = await server.request("POST", "/tickets", server.token(), origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    answer = await server.request("POST", "/tickets", server.token(), origin="https://ours.example")
    assert answer.status_code == 200


async def test_a_token_does_what_its_scope_says(server: Guarded) -> None:
    ops = server.token(scopes=("ops",), ttl=MAX_OPS_TTL)
    for path in ("/ops", "/metrics"):
        assert (await server.request("GET", path, ops)).status_code == 200
    assert (await server.request("POST", "/tickets", ops)).status_code == 401
    assert (await server.request("GET", "/ops", server.token())).status_code == 401


async def test_calls_are_counted_by_token_and_by_address(server: Guarded) -> None:
    token = server.token()
    async with server.connect(token=token), server.connect(token=token):
        with pytest.raises(RateLimitedError):
            await server.connect(token=token).__aenter__()
        async with server.connect(token=server.token()):
            with pytest.raises(RateLimitedError):
                await server.connect(token=server.token()).__aenter__()
    while server.authenticator._of_address:
        await server.request("GET", "/live")
    assert server.authenticator.over_limit % 2 == 0


def secret() -> bytes:
    return os.urandom(32)


def forged(
    keys: KeyFile, *, key: bytes | None = None, kid: str | None = None, alg: str = "HS256", **claims: Any
) -> str:
    now = int(time.time())
    payload = {"aud": "duologue", "iat": now, "exp": now + 60, "jti": "j", "scope": "call", **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    signing = keys.signing
    return jwt.encode(payload, key or signing.secret, algorithm="HS256", headers={"kid": kid or signing.name})


def unsigned(keys: KeyFile) -> str:
    header = {"alg": "none", "kid": keys.signing.name}
    parts = [header, jwt.decode(forged(keys), options={"verify_signature": False})]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def otherwise_signed(keys: KeyFile) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS512", "kid": keys.signing.name}).encode()).decode()
    return ".".join([header, *forged(keys).split(".")[1:]])


def deep(keys: KeyFile) -> str:
    header = base64.urlsafe_b64encode(b'{"kid":' + b"[" * 2500).decode()
    return f"{header}.e30.x"


@pytest.mark.parametrize(
    "make",
    [
        lambda keys: forged(keys, exp=int(time.time()) - 60),
        lambda keys: forged(keys, exp=None),
        lambda keys: forged(keys, exp=int(time.time()) + 10**6),
        lambda keys: forged(keys, scope=None),
        lambda keys: forged(keys, aud="other"),
        lambda keys: forged(keys, nbf=int(time.time()) + 60),
        lambda keys: forged(keys, key=secret()),
        lambda keys: forged(keys, kid="unknown"),
        otherwise_signed,
        lambda keys: forged(keys, agent=7),
        lambda keys: forged(keys)[:-4] + "AAAA",
        unsigned,
        deep,
        lambda keys: "x" * 5000,
        lambda keys: "eyJ.e30.x",
        lambda keys: "ä.b.c",
        lambda keys: "",
    ],
)
def test_what_is_no_token_of_this_server_is_refused(tmp_path: Path, make: Callable[[KeyFile], str]) -> None:
    add_key(tmp_path / "keys")
    keys = KeyFile(tmp_path / "keys")
    assert verify_token(keys, forged(keys), "call")["jti"] == "j"
    token = make(keys)
    with pytest.raises(AuthenticationError) as refused:
        verify_token(keys, token, "call")
    assert not token or token not in str(refused.value)


def test_keys_are_rotated_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.server.auth.keys.CHECK_EVERY", 0.0)
    path = tmp_path / "keys"
    old = add_key(path)
    keys = KeyFile(path)
    before = make_token(keys)
    new = add_key(path)
    after = make_token(keys)
    assert jwt.get_unverified_header(after)["kid"] == new
    assert verify_token(keys, before, "call")
    assert verify_token(keys, after, "call")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(old)))
    assert verify_token(keys, after, "call")
    with pytest.raises(AuthenticationError, match="does not have"):
        verify_token(keys, before, "call")
    path.write_text("broken")  # What was read last stays valid.
    assert verify_token(keys, after, "call")
    path.unlink()
    assert verify_token(keys, after, "call")


LONG = base64.urlsafe_b64encode(b"s" * 32).decode()


@pytest.mark.parametrize(
    "text",
    ["", "# none\n", "one", f"a {LONG} b", "a c2hvcnQ", f"a {LONG}\na {LONG}", f"a!b {LONG}", "a ä", "a ###",
     "\n".join(f"k{n} {LONG}" for n in range(17))],
)  # fmt: skip
def test_a_file_without_good_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        KeyFile(path)
    assert LONG not in str(refused.value)


def test_a_new_file_of_keys_is_its_owners_only(tmp_path: Path) -> None:
    add_key(tmp_path / "keys")
    add_key(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    assert repr(KeyFile(tmp_path / "keys").signing).startswith("Key('20")


@pytest.mark.parametrize(
    "options",
    [{"ttl": 0}, {"ttl": 86_401}, {"scopes": ("call", "ops"), "ttl": 86_401}, {"scopes": ("root",)},
     {"claims": {"exp": 1}}, {"claims": {"much": "x" * 5000}}],
)  # fmt: skip
def test_a_token_that_cannot_be_is_not_made(tmp_path: Path, options: dict[str, Any]) -> None:
    add_key(tmp_path / "keys")
    with pytest.raises(ConfigError):
        make_token(KeyFile(tmp_path / "keys"), **options)


@pytest.mark.parametrize("options", [{"ticket_ttl": 0}, {"max_calls_per_token": 0}, {"max_calls_per_address": -1}])
def test_limits_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Security(**options)
