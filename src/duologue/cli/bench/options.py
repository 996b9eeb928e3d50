"""Options that several benchmarks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue.bench.corpus import Half

__all__ = ["HalfName", "the_half"]

HalfName = Annotated[str, typer.Option("--half", help="The half of the corpus: dev to tune on, test to report.")]


def the_half(name: str) -> Half:
    """The half of that name; ConfigError where there is none."""
    from duologue.bench.corpus import HALVES

    if name not in HALVES:
        raise ConfigError(f"The corpus has no half {name!r}.", hint=f"Ask for one of: {', '.join(HALVES)}.")
    return cast("Any", name)  # type: ignore[no-any-return]  # checked above
