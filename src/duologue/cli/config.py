"""`duologue config`: the settings, checked and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from duologue.cli.options import Config
from duologue.cli.output import AsJson, console, print_json

if TYPE_CHECKING:
    from duologue.settings.load import Loaded

__all__ = ["config"]

config: Final = typer.Typer(no_args_is_help=True, help="The settings in duologue.toml and the environment.")


@config.command()
def check(file: Config = None, as_json: AsJson = False) -> None:
    """Check the settings as `serve` would: values, the agent, providers with their options and keys.

    No model is loaded and no connection is opened. Exits with status 1 if something is wrong, and says where.
    """
    from duologue.server.configured import check_configuration
    from duologue.settings.load import load_settings

    loaded = load_settings(file)
    check_configuration(loaded)
    if as_json:
        print_json({"ok": True, "file": _file(loaded), "set": len(loaded.origins)})
    else:
        console.print(f"{_file(loaded) or 'No file'}: {len(loaded.origins)} settings, all right")


@config.command()
def show(
    file: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Also settings that have their defaults.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the settings in force, and where each was set. Secrets are not shown."""
    from duologue.settings.load import load_settings

    loaded = load_settings(file)
    rows = [(keys, value, loaded.origin(keys)) for keys, value in loaded.values.items()]
    if as_json:
        print_json({".".join(keys): {"value": _plain(keys, value), "from": origin} for keys, value, origin in rows})
        return
    chosen = [
        (".".join(keys), _line(keys, value), origin)
        for keys, value, origin in rows
        if everything or origin != "default"
    ]
    widths = [max((len(row[column]) for row in chosen), default=0) for column in (0, 1)]
    for name, text, origin in chosen:
        typer.echo(f"{name:{widths[0]}}  {text:{widths[1]}}  {origin}")
    if not chosen:
        typer.echo("All settings have their defaults; --all shows them.")


@config.command()
def schema() -> None:
    """Print the JSON schema of duologue.toml, for editors."""
    from duologue.settings.reference import json_schema

    print_json(json_schema())


@config.command()
def example() -> None:
    """Print a duologue.toml with every setting, commented out, and its default."""
    from duologue.settings.reference import example_toml

    typer.echo(example_toml(), nl=False)


def _file(loaded: Loaded) -> str | None:
    return None if loaded.file is None else str(loaded.file)


def _line(keys: tuple[str, ...], value: Any) -> str:
    """A value as the file has it."""
    from duologue.settings.reference import toml_value

    return "(not set)" if value is None else toml_value(_plain(keys, value))


def _plain(keys: tuple[str, ...], value: Any) -> Any:
    """A value as JSON has it; a secret is replaced."""
    from duologue.settings.problems import REDACTED
    from duologue.settings.toml_file import KEY_FILE, is_secret

    if keys != KEY_FILE and is_secret(keys[-1]) and value is not None:
        return REDACTED
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float | list | dict) else str(value)
