"""Commands and data that other distributions add: `duologue-bench` adds `bench`, `soak` and recordings for callers.

A distribution names them as entry points of COMMANDS, each a `typer.Typer` or a function, or of another group.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from duologue.errors import ConfigError, NotInstalledError, with_cause

__all__ = ["COMMANDS", "RECORDINGS", "ExtensibleGroup", "load_extension"]

COMMANDS: Final = "duologue.commands"
RECORDINGS: Final = "duologue.recordings"
"""Functions that take `dev` or `test` and return what people say in recordings: (n,) int16 at 16 kHz by text."""

_HINT: Final = "Install duologue-bench: `pip install ./benchmarks` in a checkout of duologue."
_OF_BENCH: Final = ("bench", "soak")


def load_extension(group: str, name: str) -> Any:
    """What an installed distribution adds to `group` under `name`.

    Raises:
        NotInstalledError: No distribution has it, or a package that it needs is missing.
        ConfigError: The distribution cannot be loaded.
    """
    for point in entry_points(group=group, name=name):
        return _load(point)
    raise NotInstalledError(f"{name!r} comes from the package duologue-bench, which is not installed.", hint=_HINT)


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ImportError as error:
        missing = error.name or str(error)
        raise NotInstalledError(
            f"{point.name!r} needs {missing}, which is missing.", hint="Reinstall the package that adds it."
        ) from error
    except Exception as error:
        message = f"{point.name!r} cannot be loaded: {type(error).__name__} in {point.value}."
        raise with_cause(ConfigError(message, hint="This is a fault of the package that adds it."), error) from error


class ExtensibleGroup(TyperGroup):
    """The top-level group of commands; finds those it lacks among the entry points, and only when they are asked for.

    Reading the entry points takes milliseconds and loading them more, which `duologue serve` does not need.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, those of other distributions last."""
        own = super().list_commands(ctx)
        return own + sorted({point.name for point in entry_points(group=COMMANDS)} - set(own))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command; raises NotInstalledError for one that duologue-bench would add."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or not (cmd_name in _OF_BENCH or entry_points(group=COMMANDS, name=cmd_name)):
            return own
        return _as_command(load_extension(COMMANDS, cmd_name), cmd_name)


def _as_command(added: Any, name: str) -> Any:
    if isinstance(added, typer.Typer):
        group = get_group(added)
        group.name = name
        return group
    single = typer.Typer(add_completion=False)
    single.command(name)(added)
    return get_command(single)
