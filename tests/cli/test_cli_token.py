"""`duologue token` makes keys and tokens, and `serve` does not listen to everybody without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine
from duologue.server.auth.keys import KeyFile
from duologue.server.auth.tokens import verify_token


def test_a_key_and_a_token(duologue: CommandLine, tmp_path: Path) -> None:
    made = duologue("token", "--new-key", "--json")
    assert made.code == 0
    key = json.loads(made.out)["key"]
    token = duologue(
        "token", "--ttl", "60", "--agent", "desk", "--claim", "order=17", "--claim", "name=Anna"
    ).out.strip()
    keys = KeyFile(tmp_path / "duologue.keys")
    claims = verify_token(keys, token, "call")
    assert (keys.signing.name, claims["agent"], claims["order"], claims["name"]) == (key, "desk", 17, "Anna")
    assert claims["exp"] - claims["iat"] in (60, 61)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["token"], "cannot be read"),
        (["token", "--keys", "ours", "--claim", "order"], "is not a claim"),
        (["token", "--keys", "ours", "--scope", "root"], "no scope 'root'"),
        (["serve", "--host", "0.0.0.0", "--port", "0", "--agent", "echo"], "--insecure"),
        (["serve", "--host", "::", "--port", "0", "--agent", "echo"], "--keys FILE"),
        (["serve", "--port", "0", "--agent", "echo", "--keys", "missing"], "cannot be read"),
        (["serve", "--port", "0", "--agent", "echo", "--keyfile", "ours"], "without a certificate"),
        (["serve", "--port", "0", "--agent", "echo", "--certfile", "ours"], "cannot be used"),
        (["serve", "--port", "0", "--agent", "echo", "--store", "http://x"], "kind of store"),
    ],
)
def test_what_cannot_be_is_told(duologue: CommandLine, arguments: list[str], told: str) -> None:
    duologue("token", "--keys", "ours", "--new-key")
    done = duologue(*arguments)
    assert done.code == 1
    assert told in done.err
