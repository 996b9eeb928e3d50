"""All commands in one place."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Final

import typer

from duologue import __version__
from duologue.cli.call import call
from duologue.cli.callers import callers
from duologue.cli.config import config
from duologue.cli.doctor import doctor
from duologue.cli.extensions import ExtensibleGroup
from duologue.cli.init import init
from duologue.cli.models import models
from duologue.cli.output import discard_output, fail, open_closed_streams
from duologue.cli.recordings import recordings
from duologue.cli.replay import replay
from duologue.cli.serve import serve
from duologue.cli.speech import say, transcribe
from duologue.cli.token import token
from duologue.cli.top import top
from duologue.errors import ConfigError, DuologueError

__all__ = ["app", "run"]

app: Final = typer.Typer(
    name="duologue",
    cls=ExtensibleGroup,
    help="Spoken conversations between people and software agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (init, serve, call, callers, token, transcribe, say, replay, doctor, top):
    app.command()(_command)
app.add_typer(recordings, name="recordings")
app.add_typer(models, name="models")
app.add_typer(config, name="config")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None: ...


def run() -> None:
    """Run a command; a DuologueError becomes one line and exit status 1, Ctrl-C becomes 130.

    So does a standard output that cannot be written; one that was closed is done without.
    """
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our characters shows others, and goes on
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except DuologueError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is not None:
            raise
        discard_output()
        fail(ConfigError(f"The output cannot be written: {error.strerror}.", hint="Write it elsewhere."), as_json=False)
