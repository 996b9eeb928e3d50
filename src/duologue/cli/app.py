"""All commands in one place."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from duologue import __version__
from duologue.cli.call import call
from duologue.cli.doctor import doctor
from duologue.cli.models import models
from duologue.cli.output import fail
from duologue.cli.serve import serve
from duologue.cli.speech import say, transcribe
from duologue.errors import DuologueError

__all__ = ["app", "run"]

app = typer.Typer(
    name="duologue",
    help="Spoken conversations between people and software agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, call, transcribe, say, doctor):
    app.command()(command)
app.add_typer(models, name="models")


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def run() -> None:
    """Run a command; errors of ours become one line and exit status 1, Ctrl-C becomes 130."""
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except DuologueError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(130)
