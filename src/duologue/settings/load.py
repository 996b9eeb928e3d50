"""Settings from `duologue.toml`, the environment and flags, of which the later wins, with the place of each value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from duologue.errors import ConfigError
from duologue.settings.problems import close_to, describe, named_field
from duologue.settings.schema import Settings
from duologue.settings.toml_file import Keys, TomlFile, is_secret, leaves, read_toml

__all__ = ["DEFAULT_FILE", "Loaded", "load_settings"]

DEFAULT_FILE: Final = Path("duologue.toml")
PREFIX: Final = "DUOLOGUE_"
SEPARATOR: Final = "__"
PLAIN_VARIABLES: Final[Mapping[str, Keys]] = {"HOST": ("server", "host"), "PORT": ("server", "port")}
"""Variables without the prefix, which platforms set. Those with it come first."""
PATHS: Final = (("records", "folder"), ("recording", "folder"), ("security", "keys"))
"""Settings that are paths, besides those whose names end in `file`."""
EITHER: Final = (("agent", "name"), ("agent", "llm"), ("agent", "realtime"))
"""Settings of which the later one takes the place of the other."""


@dataclass(frozen=True)
class Loaded:
    """Settings, and where each of those that are set was set."""

    settings: Settings
    file: Path | None = None
    """The file that was read."""
    origins: Mapping[Keys, str] = field(default_factory=dict)
    """Where a value was set: a file with its line, an environment variable or a flag."""
    reread: Callable[[], Loaded] | None = None
    """Reads the same sources again."""
    made: list[Any] = field(default_factory=list, compare=False)
    """Providers that this process has made of the settings."""

    @cached_property
    def values(self) -> dict[Keys, Any]:
        """Every setting with its value, in the order of the file."""
        every = leaves(self.settings.model_dump(mode="python"))
        return {keys: value for keys, value in every if not isinstance(value, Mapping)}

    def origin(self, keys: Keys) -> str:
        """Where a value was set; `default` if nowhere."""
        return next((self.origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.origins), "default")

    @contextmanager
    def naming(self, *tables: Keys) -> Iterator[None]:
        """Add to a ConfigError raised in this context where the value that it names was set, in one of `tables`."""
        try:
            yield
        except ConfigError as error:
            known = [keys for table in tables for keys in self.origins if keys[: len(table)] == table]
            if (keys := named_field(error.message, known)) is None:
                raise
            raise type(error)(f"{self.origins[keys]}: {error.message}", hint=error.next_step) from None


def load_settings(
    file: str | os.PathLike[str] | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    flag_names: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the settings.

    Args:
        file: The file; by default `duologue.toml` in the current folder, if there is one.
        flags: What comes last, by dotted name, as `{"server.port": 8000}`.
        flag_names: What errors call a flag, by the same names.
        environment: In place of `os.environ`.

    Raises:
        ConfigError: The file cannot be read, or a value is not allowed. It names the place, the value and what is
            allowed, for each value that is wrong.
    """
    path = Path(file) if file is not None else DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    toml = None if path is None else read_toml(path)
    variables = os.environ if environment is None else environment
    origins: dict[Keys, str] = {}
    layers: list[dict[str, Any]] = []
    if toml is not None:
        _add(layers, origins, _with_paths(toml), lambda keys: toml.where(keys))
    given, names = _from_environment(variables)
    _add(layers, origins, given, lambda keys: names[keys])
    last = {tuple(name.split(".")): value for name, value in (flags or {}).items() if value is not None}
    _add(layers, origins, _nested(last), lambda keys: (flag_names or {}).get(".".join(keys), ".".join(keys)))
    try:
        settings = _merged(layers)
    except ValidationError as error:
        raise _refusal(error, origins, toml) from None
    return Loaded(
        settings,
        path,
        origins,
        lambda: load_settings(path, flags=flags, flag_names=flag_names, environment=variables),
    )


def _merged(layers: list[dict[str, Any]]) -> Settings:
    """Settings of layers, each of which wins over those before it."""

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(InitSettingsSource(settings_cls, layer) for layer in reversed(layers)) or (init_settings,)

    layered = Layered()
    return Settings.model_construct(**{name: getattr(layered, name) for name in Settings.model_fields})


def _add(
    layers: list[dict[str, Any]], origins: dict[Keys, str], layer: dict[str, Any], where: Callable[[Keys], str]
) -> None:
    """Put a layer over the others, and note where its values are from."""
    given = dict(leaves(layer))
    if {keys for keys in EITHER if keys in given}:
        for table, name in EITHER:
            for below in layers:
                if isinstance(found := below.get(table), dict):
                    found.pop(name, None)
            origins.pop((table, name), None)
    layers.append(layer)
    for keys, value in given.items():
        if not isinstance(value, Mapping):
            origins[keys] = where(keys)


def _nested(flat: Mapping[Keys, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for keys, value in flat.items():
        table = root
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = value
    return root


def _with_paths(toml: TomlFile) -> dict[str, Any]:
    """The values of a file, with the paths in it resolved against its folder."""
    values = dict(leaves(toml.data))
    for keys, value in values.items():
        is_path = keys[-1].endswith("file") or keys in PATHS
        if is_path and isinstance(value, str) and value:
            try:
                values[keys] = str(toml.path.parent / Path(value).expanduser())
            except RuntimeError:
                said = f"{toml.where(keys)}: {'.'.join(keys)} is {value!r}, and there is no such home folder."
                raise ConfigError(said, hint="Write the whole path.") from None
    return _nested(values)


def _from_environment(variables: Mapping[str, str]) -> tuple[dict[str, Any], dict[Keys, str]]:
    """The values of variables such as `DUOLOGUE_SERVER__PORT`, and the variable of each; empty ones are not set."""
    values: dict[Keys, Any] = {}
    names: dict[Keys, str] = {}
    for name, at in PLAIN_VARIABLES.items():
        if variables.get(name):
            values[at], names[at] = variables[name], name
    for name in sorted(variables):
        if not name.startswith(PREFIX) or SEPARATOR not in name or not variables[name]:
            continue
        keys = tuple(name.removeprefix(PREFIX).lower().split(SEPARATOR))
        if keys[0] not in Settings.model_fields or not all(keys):
            known = [f"{PREFIX}{table.upper()}{SEPARATOR}…" for table in Settings.model_fields]
            raise ConfigError(
                f"The environment variable {name} is no setting.", hint=close_to(name, known, "variables")
            )
        values[keys], names[keys] = _of_text(keys, variables[name]), name
    for keys in names:
        for length in range(1, len(keys)):
            if (above := names.get(keys[:length])) is not None:
                raise ConfigError(f"{names[keys]} is a part of {above}, which is set, too.", hint="Unset one of them.")
    return _nested(values), names


def _of_text(keys: Keys, text: str) -> Any:
    """The value of a variable. Options of providers have no types here: what reads as JSON is taken as that."""
    if keys[0] not in ("stt", "tts", "vad", "realtime", "voices") or is_secret(keys[-1]):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _refusal(error: ValidationError, origins: Mapping[Keys, str], toml: TomlFile | None) -> ConfigError:
    """One line for each wrong value: its place, the value, and what is allowed."""
    found: list[tuple[int, str]] = []
    seen: set[Keys] = set()
    for each in error.errors(include_url=False):
        keys = tuple(str(part) for part in each["loc"])
        place = next((keys[:n] for n in range(len(keys), 0, -1) if keys[:n] in origins), None)
        if place is not None and place in seen:
            continue
        seen.add(place or keys)
        where = origins[place] if place else toml.where(keys) if toml is not None else "settings"
        line = toml.line(place or keys) if toml is not None else None
        found.append((line or 0, f"{where}: {describe(place or keys, each, Settings)}"))
    return ConfigError("\n".join(text for _, text in sorted(found, key=lambda each: each[0])))
