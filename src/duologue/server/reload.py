"""SIGHUP: the settings are read again, and what can change while calls run is changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from duologue.errors import DuologueError
from duologue.server.application import Application
from duologue.server.configured import policy_of, session_config_of
from duologue.server.logs import set_log_level
from duologue.settings.load import Loaded
from duologue.settings.schema import Settings
from duologue.settings.toml_file import Keys

__all__ = ["Reload"]

log: Final = logging.getLogger(__name__)

LIVE: Final[tuple[Keys, ...]] = (
    ("log", "level"),
    ("limits", "max_sessions"),
    ("limits", "admission"),
    ("session",),
    ("turn_taking",),
    ("policy",),
    ("costs",),
)
"""What is changed at once; of a call, for calls that begin later."""
FIXED: Final[tuple[Keys, ...]] = (("session", "enable_keep_alive"), ("session", "keep_alive_interval"))
"""What is not, although it is in one of these tables: the listener has it."""


class Reload:
    """Reads settings again for a process that serves.

    Args:
        loaded: The settings with which it started.
        application: What is served.
        given: Options that were given beside the settings, and win over them.
    """

    def __init__(self, loaded: Loaded, application: Application, given: Mapping[str, Any]) -> None:
        self._loaded = loaded
        self._application = application
        self._given = dict(given)
        self._running: asyncio.Task[None] | None = None
        self.quiet = False
        """Whether another process tells what changed."""

    def start(self) -> None:
        """Read and apply the settings in a task of the event loop, one at a time."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="duologue-reload")

    def run(self) -> bool:
        """Read and apply the settings. Returns False, with a line in the log, if they cannot be meant."""
        new = self._read()
        return new is not None and self._apply(new)

    async def _run(self) -> None:
        new = await asyncio.to_thread(self._read)  # a file and its checks take longer than a tick
        if new is not None:
            self._apply(new)

    def _read(self) -> Loaded | None:
        assert self._loaded.reread is not None
        try:
            new = self._loaded.reread()
        except DuologueError as error:
            log.error("The settings are not changed: %s", error)
            return None
        return new

    def _apply(self, new: Loaded) -> bool:
        before = self._loaded.values
        changed = [keys for keys in {**before, **new.values} if before.get(keys) != new.values.get(keys)]
        settings = in_force(self._loaded.settings, new.settings)
        try:
            self._application.change(
                self._given.get("config") or session_config_of(settings, self._application.options.greeting),
                self._given.get("policy") or policy_of(settings),
                self._given.get("engine") or settings.engine_config(),
                self._given.get("costs") or settings.costs.table(),
            )
        except DuologueError as error:
            log.error("The settings are not changed: %s", error)
            return False
        self._loaded = Loaded(settings, new.file, new.origins, new.reread, self._loaded.made)
        set_log_level(settings.log.level)
        keys_read = sum(self._read_key(provider) for provider in self._loaded.made)
        if self.quiet:
            return True
        live = [".".join(keys) for keys in changed if is_live(keys)]
        log.warning("Settings read again from %s. Changed: %s. Keys read: %d.", new.file, _listed(live), keys_read)
        if later := [".".join(keys) for keys in changed if not is_live(keys)]:
            log.warning("These settings change with the next start of the server: %s.", _listed(later))
        return True

    def _read_key(self, provider: object) -> bool:
        """Have a provider read its key again; True if it has one in a file."""
        reload_key = getattr(provider, "reload_key", None)
        if reload_key is None:
            return False
        try:
            return bool(reload_key())
        except DuologueError as error:
            log.error("A key is not changed: %s", error)
            return False


def is_live(keys: Keys) -> bool:
    """Whether a setting is changed while the server runs."""
    return keys not in FIXED and any(keys[: len(live)] == live for live in LIVE)


def in_force(old: Settings, new: Settings) -> Settings:
    """The old settings with those of the new ones that can change while the server runs."""
    keep_alive = {name: getattr(old.session, name) for _, name in FIXED}
    limits = {name: getattr(new.limits, name) for name in ("max_sessions", "admission")}
    return old.model_copy(
        update={
            "log": old.log.model_copy(update={"level": new.log.level}),
            "limits": old.limits.model_copy(update=limits),
            "session": new.session.model_copy(update=keep_alive),
            "turn_taking": new.turn_taking,
            "policy": new.policy,
            "costs": new.costs,
        }
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
