"""`duologue token`: keys, and tokens for callers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from duologue.cli.output import AsJson, notes, print_json
from duologue.errors import ConfigError

__all__ = ["token"]


def token(
    keys: Annotated[Path, typer.Option(metavar="FILE", envvar="DUOLOGUE_KEYS", help="The file of keys.")] = Path(
        "duologue.keys"
    ),
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key", help="Put a new key first in FILE, which is created if it does not exist; makes no token."
        ),
    ] = False,
    ttl: Annotated[float, typer.Option(min=1.0, help="Seconds that the token is valid.")] = 600.0,
    subject: Annotated[str | None, typer.Option(help="Who calls, as your application names it.")] = None,
    agent: Annotated[str | None, typer.Option(help="The only agent that the call may have.")] = None,
    voice: Annotated[str | None, typer.Option(help="The only voice that the call may have.")] = None,
    language: Annotated[str | None, typer.Option(help="The only language that the call may have.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it allows: call (by default), or ops, to read /ops and /metrics.")
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A claim for the agent; VALUE is JSON, or else text. May be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token for a caller, signed with the first key of FILE, or a key.

    The token is the only line on standard output. To rotate keys, add a new one; delete the old line once the tokens
    that it signed have expired. Servers read the file again by themselves.
    """
    from duologue.server.auth.keys import KeyFile, add_key
    from duologue.server.auth.tokens import make_token

    if new_key:
        name = add_key(keys)
        if as_json:
            print_json({"key": name, "file": str(keys)})
        else:
            notes.print(f"{keys} signs with the key {name} from now on. Serve with it: duologue serve --keys {keys}")
        return
    made = make_token(
        KeyFile(keys),
        ttl=ttl,
        subject=subject,
        agent=agent,
        voice=voice,
        language=language,
        scopes=scope or ("call",),  # type: ignore[arg-type]  # make_token checks them
        claims=dict(_claim(text) for text in claim or ()),
    )
    if as_json:
        print_json({"token": made, "expires_s": ttl})
    else:
        sys.stdout.write(made + "\n")


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise ConfigError(f"{text!r} is not a claim.", hint="A claim looks like order=17.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
