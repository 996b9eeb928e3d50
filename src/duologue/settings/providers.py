"""Providers by name: `deepgram/nova-3`, `moonshine`, `livekit:soniox`, and those of packages with an entry point.

A provider is registered in the pyproject.toml of its package, under `duologue.stt`, `duologue.tts` or `duologue.vad`:

    [project.entry-points."duologue.stt"]
    deepgram = "duologue.stt.deepgram:DeepgramSpeechToText"

The value is a class or a function that makes the provider of keyword arguments; what follows the slash of a name is its
`model`. Between a colon and the slash is the `plugin` of a provider that is a bridge to others: `livekit:soniox/MODEL`.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from duologue.errors import ConfigError, DuologueError, NotInstalledError, with_cause

if TYPE_CHECKING:
    from duologue.stt import SpeechToText, SttModel
    from duologue.tts import TextToSpeech, TtsModel

__all__ = [
    "Kind",
    "check_provider",
    "provider_factory",
    "provider_key",
    "provider_names",
    "stt_provider",
    "tts_provider",
]

Kind = Literal["stt", "tts", "vad"]

KINDS: Final = {"stt": "speech recognizer", "tts": "voice", "vad": "voice activity detector"}
EXTRAS: Final = {"moonshine": "local", "hibari": "local", "silero": "local"}
"""The extra that installs what a built-in provider needs, if its name differs from the provider's."""
SOURCE: Final = Path(__file__).parents[3] / "pyproject.toml"
"""Where duologue's own entry points are declared, if this file lies in a source tree."""


def stt_provider(name: str, **options: Any) -> SpeechToText | SttModel:
    """The speech recognizer called `name`, such as `deepgram/nova-3` or `moonshine`, made with `options`.

    Nothing of a provider is imported before. Raises ConfigError for a name that is not registered and for options that
    the provider does not take, NotInstalledError if a package that it needs is missing.
    """
    provider: SpeechToText | SttModel = _make("stt", name, options)
    return provider


def tts_provider(name: str, **options: Any) -> TextToSpeech | TtsModel:
    """The voice called `name`, such as `hibari`, made with `options`. Raises as `stt_provider` does."""
    provider: TextToSpeech | TtsModel = _make("tts", name, options)
    return provider


def provider_factory(kind: Kind, name: str, **options: Any) -> Callable[[], Any]:
    """A function that makes the provider called `name` with `options`.

    Raises ConfigError for a name that is not registered.
    """
    _find(kind, name)
    return lambda: _make(kind, name, options)


def check_provider(kind: Kind, name: str, **options: Any) -> None:
    """Load the class of a provider, and check its options, without loading a model.

    A service is made, which opens no connection. Raises ConfigError and NotInstalledError as `stt_provider` does.
    """
    point, named = _find(kind, name)
    factory = _load(point, KINDS[kind])
    if inspect.isclass(factory) and hasattr(factory, "aclose"):
        _make(kind, name, options)
    else:
        _check_options(factory, point.name, KINDS[kind], {**named, **options})


def provider_key(name: str) -> str:
    """What a provider is registered as: `deepgram` for `deepgram/nova-3`, `livekit` for `livekit:soniox`."""
    return name.partition("/")[0].partition(":")[0]


def provider_names(kind: Kind) -> list[str]:
    """The names that are registered, without models."""
    return sorted(_registered(kind))


@cache
def _registered(kind: Kind) -> dict[str, EntryPoint]:
    """Entry points by name. Those of duologue come first: no other package can replace them."""
    group = f"duologue.{kind}"
    found = entry_points(group=group)
    theirs = {point.name: point for point in found if not _is_ours(point)}
    ours = {point.name: point for point in found if _is_ours(point)}
    return {**theirs, **ours, **_of_source(group)}


def _is_ours(point: EntryPoint) -> bool:
    return point.value.startswith("duologue.")


def _of_source(group: str) -> dict[str, EntryPoint]:
    """The entry points of a source tree: it may not be installed, or have been before the newest were added."""
    try:
        project = tomllib.loads(SOURCE.read_text("utf-8"))["project"]
        if project["name"] != "duologue":
            return {}
        declared: dict[str, str] = project["entry-points"][group]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: EntryPoint(name, value, group) for name, value in declared.items()}


def _find(kind: Kind, name: str) -> tuple[EntryPoint, dict[str, str]]:
    """The entry point that a name stands for, and the options in it: `plugin` and `model`."""
    key, slash, model = name.partition("/")
    key, colon, plugin = key.partition(":")
    point = _registered(kind).get(key)
    if point is None:
        names = ", ".join(provider_names(kind))
        raise ConfigError(
            f"There is no {KINDS[kind]} {name!r}.", hint=f"Choose one of {names}, or install its package."
        )
    if slash and not model:
        raise ConfigError(f"{name!r} names no model.", hint=f"Write {key}/MODEL, or {key} for its default.")
    return point, {**({"plugin": plugin} if colon else {}), **({"model": model} if model else {})}


def _make(kind: Kind, name: str, options: dict[str, Any]) -> Any:
    what = KINDS[kind]
    point, named = _find(kind, name)
    options = {**named, **options}
    factory = _load(point, what)
    _check_options(factory, point.name, what, options)
    try:
        return factory(**options)
    except DuologueError:
        raise
    except Exception as error:
        raise with_cause(ConfigError(f"The {what} {name!r} cannot be made: {type(error).__name__}."), error) from error


def _load(point: EntryPoint, what: str) -> Any:
    try:
        factory = point.load()
    except ImportError as error:
        if _is_ours(point):
            hint = f"pip install 'duologue[{EXTRAS.get(point.name, point.name)}]'"
        else:
            hint = f"Install it, or reinstall the package that has {point.value.partition(':')[0]}."
        missing = error.name or str(error)
        raise NotInstalledError(f"The {what} {point.name!r} needs {missing}, which is missing.", hint=hint) from error
    except Exception as error:
        message = f"The {what} {point.name!r} cannot be loaded: {type(error).__name__} in {point.value}."
        raise ConfigError(message, hint="This is a fault of the package that has it.") from error
    return factory


def _check_options(factory: Any, key: str, what: str, options: dict[str, Any]) -> None:
    """Raise ConfigError unless `factory` takes `options`; those that it validates by itself are left to it."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**options)
    except TypeError:
        taken = ", ".join(parameter for parameter in signature.parameters) or "none"
        if "model" in options and "model" not in signature.parameters:
            message = f"The {what} {key!r} has no models to choose from, and {options['model']!r} was named."
            raise ConfigError(message, hint=f"Write {key!r}; its options: {taken}.") from None
        given = ", ".join(options) or "none"
        raise ConfigError(
            f"The {what} {key!r} does not take the options {given}.", hint=f"It takes: {taken}."
        ) from None
