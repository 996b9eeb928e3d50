"""Noise suppression: takes noise out of the user's audio before speech is detected and recognized."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError, NotInstalledError

__all__ = ["Denoiser", "check_denoiser", "installed_denoisers", "make_denoiser"]

BUILT_IN: Final = {"webrtc": "duologue.denoise.webrtc:WebRtcDenoiser"}
GROUP: Final = "duologue.denoise"
"""The group of entry points in which other packages register theirs: a class or function without arguments."""


class Denoiser(Protocol):
    """Takes noise out of one call's audio, piece by piece. Plain calls on the loop's thread, a few per 32 ms."""

    name: str
    delay: int
    """Samples by which what it returns lags behind what it is given."""

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the next piece, as long as `samples`, which are (n,) int16 at 16 kHz."""
        ...

    def reset(self) -> None:
        """Forget what was heard, as after a gap."""
        ...


def make_denoiser(name: str) -> Denoiser:
    """A new denoiser for one call, by its name, such as "webrtc".

    Raises ConfigError for a name that is not registered, NotInstalledError for a missing package.
    """
    denoiser: Denoiser = _factory(name)()
    return denoiser


def check_denoiser(name: str) -> None:
    """Load what a denoiser needs, so that no call has to. Raises as `make_denoiser` does."""
    make_denoiser(name)


@cache
def installed_denoisers() -> tuple[str, ...]:
    """The built-in denoisers whose packages are installed. They are loaded, so that no call has to."""
    found = []
    for name in BUILT_IN:
        try:
            check_denoiser(name)
        except NotInstalledError:
            continue
        found.append(name)
    return tuple(found)


@cache
def _factory(name: str) -> Any:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted({*BUILT_IN, *found}))
        raise ConfigError(f"There is no denoiser {name!r}.", hint=f"Choose one of {known}, or install its package.")
    try:
        return found[name].load()
    except ImportError as error:
        raise NotInstalledError(
            f"The denoiser {name!r} needs {error.name or error}, which is missing.", hint="Install it."
        ) from error
