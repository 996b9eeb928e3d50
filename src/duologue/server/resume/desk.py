"""Which calls of this process can be resumed, by their tokens; and their state in a store, for other processes.

The module is over 300 lines because tokens, waiting calls and the store change together.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from duologue.errors import DuologueError, InputError
from duologue.server.store import StateStore
from duologue.server.store.memory import MemoryStore

__all__ = ["MAX_TOKEN_CHARS", "Owner", "ResumeDesk"]

log: Final = logging.getLogger(__name__)

MAX_TOKEN_CHARS: Final = 128

WRITE_EVERY: Final = 0.2
"""Seconds between two rounds of writing what has changed."""

REFRESH_EVERY: Final = 20.0
"""Seconds after which the state of a call is written again although nothing has changed, so that the store keeps it."""

WATCH_EVERY: Final = 1.0
"""Seconds between two checks of whether another process has taken a call whose client is gone."""

GRACE: Final = 60.0
"""Seconds that a stored state outlives the last sign of its process, beyond the resume window."""

LOOKS: Final = 4
"""How often a state is looked for before a call counts as over, and..."""

LOOK_EVERY: Final = 0.25
"""...seconds between."""

MAX_SAVES: Final = 5
"""How often a state is written at the end that changes meanwhile."""

MAX_WRITES: Final = 16
"""Calls whose state is written at once."""

RETRY_AFTER: Final = 1.0
"""Seconds after which a state is written again that the store did not take."""

SIGN_EVERY: Final = 10.0
"""Seconds between two writes of the sign of this process..."""

SIGN_LESS: Final = 30.0
"""...which expires so many seconds before the states that were written with it: where it is, they were not lost."""


class Owner(Protocol):
    """A call that can be resumed."""

    @property
    def is_parked(self) -> bool:
        """Whether its client is gone."""
        ...

    def saved(self) -> Any:
        """Its state in JSON types."""
        ...

    def taken(self) -> None:
        """Another process has taken it: end it."""
        ...


class _Entry:
    __slots__ = (
        "dirty", "failed_at", "key", "left", "old_key", "owner", "spent", "stored", "watched_at", "writing",
        "written_at",
    )  # fmt: skip

    def __init__(self, owner: Owner, key: str, old_key: str | None) -> None:
        self.owner = owner
        self.key = key
        self.old_key = old_key
        """Valid, too, until the client shows that it has the new token."""
        self.spent: str | None = None
        """An old key under which the state is still stored."""
        self.dirty = True
        self.stored = False
        self.left = False
        """Another process has to continue it."""
        self.written_at = self.watched_at = self.failed_at = float("-inf")
        self.writing = asyncio.Lock()

    @property
    def places(self) -> list[str]:
        """Where the state is stored: under the key, and for another process also under the old one."""
        return [self.key] if self.old_key is None else [self.key, _second(self.old_key)]


class ResumeDesk:
    """Gives out tokens, each valid once, and finds the call of a token.

    `store` keeps the state of calls for other processes; with a MemoryStore there are none, and nothing is written.
    `window` is the time in seconds for which a call is kept without a connection.
    """

    def __init__(self, store: StateStore | None = None, *, window: float = 30.0) -> None:
        self.window = window
        self.resumed = 0
        """Calls taken up again in this process."""
        self.restored = 0
        """Calls of other processes that this one continued."""
        self.expired = 0
        """Calls whose client did not come back."""
        self.given_up: int = 0
        """Calls that another process took."""
        self.writes_failed: int = 0
        """States that the store did not take."""
        self._store = MemoryStore() if store is None else store
        self.is_shared: bool = not isinstance(self._store, MemoryStore)
        """Whether other processes can continue calls of this one."""
        self._entries: dict[str, _Entry] = {}
        self._of_owner: dict[Owner, _Entry] = {}
        self._settling: dict[str, asyncio.Event] = {}
        """Claims that are not settled yet."""
        self._is_broken = False
        """Writing failed, and the log says so."""
        self._sign = f"process:{secrets.token_hex(16)}"
        """The key by which this process knows whether the store has kept what it wrote."""
        self._signed_at = float("-inf")
        self._losses = 0
        """How often the store has lost what it held."""

    def __len__(self) -> int:
        return len(self._of_owner)

    @property
    def parked(self) -> int:
        """Calls whose client is gone."""
        return sum(entry.owner.is_parked for entry in self._of_owner.values())

    def issue(self, owner: Owner, *, used: str | None = None) -> str:
        """A new token for a call, which was claimed with the token `used`.

        That one stays valid until `confirm`: the client may not get the new one.
        """
        self.forget(owner)
        token = secrets.token_urlsafe(24)
        entry = _Entry(owner, _key(token), None if used is None else _key(used))
        self._entries[entry.key] = self._of_owner[owner] = entry
        if entry.old_key is not None:
            self._entries[entry.old_key] = entry
        return token

    def confirm(self, owner: Owner) -> None:
        """The client has the newest token of its call: no other is valid."""
        entry = self._of_owner.get(owner)
        if entry is not None and entry.old_key is not None:
            self._entries.pop(entry.old_key, None)
            entry.spent, entry.old_key, entry.dirty = entry.old_key, None, True

    def forget(self, owner: Owner) -> bool:
        """Revoke the token of a call. Returns True if its state has to be removed from the store."""
        entry = self._of_owner.pop(owner, None)
        if entry is None:
            return False
        for key in (entry.key, entry.old_key):
            self._entries.pop(key or "", None)
        return entry.stored

    async def end(self, owner: Owner) -> None:
        """A call is over: remove its state."""
        entry = self._of_owner.get(owner)
        if self.forget(owner) and entry is not None:
            await self._remove(entry)

    def changed(self, owner: Owner) -> None:
        """Have the state of a call written soon."""
        entry = self._of_owner.get(owner)
        if entry is not None:
            entry.dirty = True

    def holds(self, token: str) -> bool:
        """Whether the call of a token is one of this process."""
        return _key(token) in self._entries

    async def claim(self, token: str, *, is_gone: Callable[[], bool] = lambda: False) -> Owner | dict[str, Any] | None:
        """The call of a token, or the stored state of one of another process; in both cases call `settle` afterwards.

        Waits while another client with the token is served. None if `is_gone` says then that this one has gone, if the
        call is over, or if the token was used. Raises the error of the store.
        """
        if len(token) > MAX_TOKEN_CHARS:
            return None
        key = _key(token)
        while (settling := self._settling.get(key)) is not None:
            await settling.wait()
        if is_gone():
            return None
        self._settling[key] = asyncio.Event()
        found: Owner | dict[str, Any] | None = None
        try:
            entry = self._entries.get(key)
            if entry is not None:
                found = await self._take_up(entry)
            elif self.is_shared:
                found = await self._take_over(key)
        finally:
            if found is None:
                self.settle(token)
        return found

    async def _take_up(self, entry: _Entry) -> Owner | None:
        """The call of this process, unless another one has taken it."""
        self.forget(entry.owner)
        losses = self._losses
        if not entry.stored or await self._remove(entry):
            return entry.owner
        try:
            is_taken = not await self._has_lost(since=losses)
        except DuologueError:
            is_taken = False  # as where a state cannot be removed
        if not is_taken:
            return entry.owner
        self.given_up += 1
        entry.owner.taken()
        return None

    async def _take_over(self, key: str) -> dict[str, Any] | None:
        """Take the state of a call of another process.

        One that is not there may be on its way from one place to the other, for a client that did not wait for that.
        """
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_EVERY)
            found = await self._store.take(key) or await self._store.take(_second(key))
            if found is not None:
                break
        else:
            return None
        # A client that is not answered in time comes again, perhaps to another process, while this one makes a session.
        await self._try_put(_second(key), found)
        state = _parse(found)
        for place in state.get("places", ()):
            if place != _second(key):
                await self._try_take(str(place))
        return state

    def settle(self, token: str) -> None:
        """The call that was claimed has a connection, or will have none: tasks that wait for it continue."""
        if (settling := self._settling.pop(_key(token), None)) is not None:
            settling.set()

    async def put_back(self, token: str, state: dict[str, Any]) -> None:
        """Store the state of a claimed call again, because it could not be gone on with here."""
        await self._try_put(_key(token), json.dumps(state).encode())

    async def _try_put(self, key: str, data: bytes) -> None:
        """Store a state; one that the store does not take is lost only if this process cannot go on with its call."""
        try:
            await self._store.put(key, data, self.window + GRACE)
        except DuologueError as error:
            self._note_failure(error)

    async def save(self, owner: Owner) -> bool:
        """Write the state of a call now. Returns False if that fails, or if no other process could read it."""
        entry = self._of_owner.get(owner)
        if entry is None or not self.is_shared:
            return False
        entry.dirty = True  # also if only audio and marks have come since
        for _ in range(MAX_SAVES):  # it may change while it is being written
            await self._write(entry)
            if entry.stored and not entry.dirty:
                return True
        return False

    def leave(self, owner: Owner) -> None:
        """Leave a call, whose state was saved, to other processes."""
        if (entry := self._of_owner.get(owner)) is not None:
            entry.left = True
        self.forget(owner)

    async def keep(self) -> None:
        """Write the states of calls as they change, until this is cancelled."""
        if not self.is_shared:
            return
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY)
                now = time.monotonic()
                due = [entry for entry in self._of_owner.values() if self._is_due(entry, now)]
                if not self._of_owner and self._signed_at > 0:
                    await self._sign_off()
                if not due and now - self._signed_at >= SIGN_EVERY:
                    due = [entry for entry in self._of_owner.values() if now - entry.failed_at >= RETRY_AFTER][:1]
                for first in range(0, len(due), MAX_WRITES):
                    await asyncio.gather(*(self._write(entry) for entry in due[first : first + MAX_WRITES]))
        finally:
            if self._signed_at > 0:
                await self._sign_off()

    def _is_due(self, entry: _Entry, now: float) -> bool:
        if now - entry.failed_at < RETRY_AFTER:
            return False
        if entry.owner.is_parked and now - entry.watched_at >= WATCH_EVERY:
            return True
        return entry.dirty or now - entry.written_at >= REFRESH_EVERY

    async def _write(self, entry: _Entry) -> None:
        """Write a state that has changed or is old; a call whose state another process has taken is ended."""
        async with entry.writing:
            await self._write_alone(entry)

    async def _write_alone(self, entry: _Entry) -> None:
        now = time.monotonic()
        entry.watched_at = now
        try:
            losses = self._losses
            is_missing = entry.stored and not await self._store.has(entry.key)
            if is_missing and not await self._has_lost(since=losses):
                if entry.owner in self._of_owner:
                    self.forget(entry.owner)
                    self.given_up += 1
                    entry.owner.taken()
                return
            await self._sign_on(now)
            if entry.dirty or now - entry.written_at >= REFRESH_EVERY:
                entry.dirty = False
                places = entry.places
                data = json.dumps(entry.owner.saved() | {"places": places}).encode()
                for place in places:
                    await self._store.put(place, data, self.window + GRACE)
                entry.written_at = now
                was_current = self._of_owner.get(entry.owner) is entry
                entry.stored = True
                if not (was_current or entry.left):  # the call ended, or got another token meanwhile
                    await self._remove(entry)
                elif entry.spent is not None and not entry.left:
                    spent, entry.spent = entry.spent, None
                    await self._try_take(_second(spent))
                self._mend()
        except Exception as error:
            # One call whose state cannot be told must not keep those of others from being stored.
            entry.dirty, entry.failed_at = True, now
            self._note_failure(error)

    async def _has_lost(self, *, since: int) -> bool:
        """Whether a state that is not there was lost with all others, and was not taken by another process.

        A store may have restarted empty, or expired what this process could not refresh. All states are written again.
        `since` are the losses that were known before the state was looked for.
        """
        if not await self._store.has(self._sign) and self._losses == since:
            self._losses += 1
            log.warning("The store has lost the states of calls; they are written again.")
            self._signed_at = float("-inf")
            for entry in self._of_owner.values():
                entry.stored, entry.dirty = False, True
        return self._losses > since

    async def _sign_on(self, now: float) -> None:
        if now - self._signed_at >= SIGN_EVERY:
            await self._store.put(self._sign, b"", self.window + GRACE - SIGN_LESS)
            self._signed_at = now

    async def _sign_off(self) -> None:
        """Remove the sign, which says nothing while there are no calls."""
        await self._try_take(self._sign)
        self._signed_at = float("-inf")  # also if it was written meanwhile, for a new call

    def _note_failure(self, error: Exception) -> None:
        self.writes_failed += 1
        if not self._is_broken:
            self._is_broken = True
            what = error if isinstance(error, DuologueError) else type(error).__name__
            log.warning("The state of a call cannot be stored: %s", what)

    def _mend(self) -> None:
        if self._is_broken:
            self._is_broken = False
            log.warning("States of calls are stored again; %d writes failed.", self.writes_failed)

    async def _remove(self, entry: _Entry) -> bool:
        """Remove a stored state. Returns False if another process has taken it."""
        for key in filter(None, (entry.old_key, entry.spent)):
            await self._try_take(_second(key))
        return await self._try_take(entry.key)

    async def _try_take(self, key: str) -> bool:
        """Remove a state. Returns False if there is none; if the store fails, the state is taken to be there."""
        try:
            return await self._store.take(key) is not None
        except DuologueError as error:
            log.warning("The state of a call cannot be removed: %s", error)
            return True


def _key(token: str) -> str:
    return f"call:{hashlib.sha256(token.encode()).hexdigest()}"


def _second(key: str) -> str:
    """Where a state lies for a client that may not have its newest token.

    It is another place than that of the process before, which is taken for good: by that it knows to end the call.
    """
    return f"old-{key}"


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError("A stored call cannot be read.", hint="Start a new one.")
    return found
