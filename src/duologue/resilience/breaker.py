"""Circuit breakers: calls to a provider that fails for everybody are stopped, and tried again a few at a time.

There is one breaker for each capability, provider, region and key in the process, shared by all sessions. The model is
Envoy's outlier detection: an ejection lasts longer each time, and ends with bounded probes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from duologue.errors import DuologueError, ProviderUnavailableError
from duologue.resilience.failures import is_hopeless, is_providers_fault, loop_time
from duologue.resilience.settings import BreakerSettings

__all__ = [
    "BREAKERS",
    "BreakerKey",
    "BreakerRegistry",
    "BreakerState",
    "BreakerStatus",
    "CircuitBreaker",
    "Permit",
    "breaker_key",
    "breaker_keys",
]

BUCKETS: Final = 10
"""Parts of the window in which calls are counted."""
MAX_BREAKERS: Final = 256
MAX_WATCHERS: Final = 16
USUAL_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}

Capability = Literal["stt", "tts", "model"]


class BreakerState(StrEnum):
    """Closed: calls pass. Open: they fail at once. Half-open: one probe at a time passes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerKey(NamedTuple):
    """What a breaker is for. Holds no secret."""

    capability: Capability
    provider: str
    region: str = ""
    """The host of the endpoint, if the provider has one, with its port unless that is the usual one."""
    key: str = ""
    """Where the key comes from: the name of a variable or a file."""
    place: int = 0
    """Tells providers of one list apart that are otherwise alike, such as those with keys given in code."""


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The state of one breaker, for metrics and people."""

    key: BreakerKey
    state: BreakerState
    opened: int
    """How often it has opened."""
    retry_in: float
    """Seconds until a probe is let through; 0 if one is or if the breaker is closed."""
    calls: int
    failures: int
    refused: int
    """Calls that were not made because it was open."""
    last_error: str
    """The code of the newest failure."""


def breaker_key(capability: Capability, provider: Any) -> BreakerKey:
    """Return the key of a provider: its own `breaker_key`, or one made of its name and settings."""
    own = getattr(provider, "breaker_key", None)
    if isinstance(own, BreakerKey):
        return own
    settings = getattr(provider, "settings", None)
    urls = (getattr(settings, name, None) for name in ("base_url", "url", "api_host"))
    url = next((url for url in (*urls, getattr(provider, "base_url", None)) if isinstance(url, str)), "")
    source = getattr(settings, "api_key_file", None) or getattr(settings, "api_key_env", None) or ""
    name = getattr(provider, "name", None) or getattr(provider, "model_id", None) or type(provider).__name__
    return BreakerKey(capability, str(name), _address(url), str(source))


def _address(url: str) -> str:
    """Host and port; on one host there may be several servers, of which one is down."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a provider of somebody else, which has not checked it
        return ""
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        port = None
    if port is None or port == USUAL_PORTS.get(parts.scheme):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def breaker_keys(capability: Capability, providers: Sequence[Any]) -> list[BreakerKey]:
    """Return the keys of a list of providers. Those that would be alike differ in `place`."""
    keys: list[BreakerKey] = []
    for provider in providers:
        key = breaker_key(capability, provider)
        if not isinstance(getattr(provider, "breaker_key", None), BreakerKey):
            key = key._replace(place=sum(other._replace(place=0) == key for other in keys))
        keys.append(key)
    return keys


class Permit:
    """One call that a breaker has let through. Report what became of it: progress, a failure, or neither."""

    __slots__ = ("_began", "_breaker", "_first", "_is_probe", "_reported")

    def __init__(self, breaker: CircuitBreaker, *, is_probe: bool) -> None:
        self._breaker = breaker
        self._began = loop_time()
        self._first: float | None = None
        """Seconds to the first answer."""
        self._is_probe = is_probe
        self._reported = False

    def progressed(self) -> None:
        """Note that the answer has begun. If the caller gives up after that, the call has succeeded."""
        if self._first is None:
            self._first = loop_time() - self._began

    def succeeded(self) -> None:
        """Note that the call was answered. A stream may report this again and again, and a failure later."""
        if not self._reported:
            self.progressed()
            self._reported = True
            self._breaker._succeeded(self._first or 0.0, is_probe=self._is_probe)

    def failed(self, error: DuologueError) -> None:
        """Note that the call failed. An error that is not the provider's counts as an answer."""
        if not is_providers_fault(error):
            self.succeeded()
            return
        self._reported = True
        self._breaker._failed(error, is_probe=self._is_probe)

    def released(self) -> None:
        """Note that the caller is done with it, if nothing else was reported."""
        if self._first is not None:
            self.succeeded()
        elif not self._reported:
            self._reported = True
            self._breaker._released(is_probe=self._is_probe)


class CircuitBreaker:
    """Counts what becomes of the calls to one provider, and stops them. For the event loop's thread."""

    def __init__(
        self,
        key: BreakerKey,
        settings: BreakerSettings | None = None,
        *,
        on_change: Callable[[CircuitBreaker], None] | None = None,
    ) -> None:
        self.key = key
        self.settings: BreakerSettings = settings or BreakerSettings()
        self.opened: int = 0
        self.calls: int = 0
        self.failures: int = 0
        self.refused: int = 0
        self.last_error: str = ""
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._open_until = 0.0
        self._lasts = self.settings.open_for
        """Seconds that the next opening lasts."""
        self._in_a_row = self._probes_passed = 0
        self._probing = False
        self._last_resort_at = float("-inf")
        self._buckets: list[list[int]] = [[0, 0, 0] for _ in range(BUCKETS)]
        """Calls, failures and slow calls of each part of the window."""
        self._bucket = 0

    @property
    def state(self) -> BreakerState:
        """Closed, open or half-open."""
        if self._state is BreakerState.OPEN and loop_time() >= self._open_until:
            return BreakerState.HALF_OPEN
        return self._state

    @property
    def admits(self) -> bool:
        """True if a call would be let through now."""
        if self._state is BreakerState.CLOSED:
            return True
        return not self._probing and loop_time() >= self._open_until

    def enter(self, *, is_last: bool = False) -> Permit:
        """Let a call through.

        Args:
            is_last: There is no other provider to ask: an open breaker lets one call through each `probe_every`.

        Raises:
            ProviderUnavailableError: The breaker is open.
        """
        if self._state is BreakerState.CLOSED:
            return Permit(self, is_probe=False)
        now = loop_time()
        is_urgent = is_last and now - self._last_resort_at >= self.settings.probe_every
        if not self._probing and (now >= self._open_until or is_urgent):
            self._probing = True
            self._last_resort_at = now
            if self._state is BreakerState.OPEN:
                self._change(BreakerState.HALF_OPEN)
            return Permit(self, is_probe=True)
        self.refused += 1
        raise ProviderUnavailableError(
            f"{self.key.provider} has failed and is left alone for now.",
            hint="It is tried again by itself.",
            provider=self.key.provider,
            retry_after=max(self._open_until - now, 0.0),
        )

    def status(self) -> BreakerStatus:
        """Return what there is to know."""
        is_open = self.state is BreakerState.OPEN
        retry_in = max(self._open_until - loop_time(), 0.0) if is_open else 0.0
        return BreakerStatus(
            self.key, self.state, self.opened, retry_in, self.calls, self.failures, self.refused, self.last_error
        )

    def _succeeded(self, seconds: float, *, is_probe: bool) -> None:
        is_slow = self.settings.slow_after is not None and seconds > self.settings.slow_after
        counts = self._count(0, int(is_slow))
        self._in_a_row = 0
        if is_probe:
            self._probing = False
            if is_slow:
                self._open()
                return
            self._probes_passed += 1
            if self._probes_passed >= self.settings.successes:
                self._close()
            else:
                self._open_until = 0.0  # the next call is the next probe
        elif is_slow and counts[0] >= self.settings.slow_calls and counts[2] >= self.settings.share * counts[0]:
            self._open()

    def _failed(self, error: DuologueError, *, is_probe: bool) -> None:
        self.failures += 1
        self.last_error = error.code
        counts = self._count(1, 0)
        self._in_a_row += 1
        s = self.settings
        if is_probe:
            self._probing = False
            self._open(error.retry_after)
        elif self._state is BreakerState.CLOSED and (
            is_hopeless(error)
            or self._in_a_row >= s.consecutive
            or (self._in_a_row >= s.failures and counts[1] >= s.share * counts[0])
        ):
            self._open(error.retry_after)

    def _released(self, *, is_probe: bool) -> None:
        if is_probe:
            self._probing = False

    def _count(self, failures: int, slow: int) -> tuple[int, int, int]:
        """Add a call, and return the sums over the window."""
        self.calls += 1
        number = int(loop_time() / (self.settings.window / BUCKETS))
        for stale in range(max(self._bucket + 1, number - BUCKETS + 1), number + 1):
            self._buckets[stale % BUCKETS] = [0, 0, 0]
        self._bucket = max(number, self._bucket)
        bucket = self._buckets[self._bucket % BUCKETS]
        bucket[0] += 1
        bucket[1] += failures
        bucket[2] += slow
        calls, failed, slowly = (sum(b[i] for b in self._buckets) for i in range(3))
        return calls, failed, slowly

    def _open(self, retry_after: float | None = None) -> None:
        s = self.settings
        if retry_after is not None:  # the provider knows better, within reason
            lasts = min(max(retry_after, s.probe_every), s.max_open)
        else:
            lasts = min(self._lasts, s.max_open)
            self._lasts = min(lasts * s.growth, s.max_open)
        self._open_until = loop_time() + lasts
        self._probes_passed = 0
        self.opened += 1
        self._change(BreakerState.OPEN)

    def _close(self) -> None:
        self._lasts, self._in_a_row = self.settings.open_for, 0
        self._buckets = [[0, 0, 0] for _ in range(BUCKETS)]
        self._change(BreakerState.CLOSED)

    def _change(self, state: BreakerState) -> None:
        self._state = state
        if self._on_change is not None:
            self._on_change(self)


class BreakerRegistry:
    """The breakers of a process, by key. Beyond 256 the one that was used longest ago and is closed goes first."""

    def __init__(self) -> None:
        self._breakers: OrderedDict[BreakerKey, CircuitBreaker] = OrderedDict()
        self._watchers: list[Callable[[BreakerStatus], None]] = []

    def get(self, key: BreakerKey, settings: BreakerSettings | None = None) -> CircuitBreaker:
        """Return the breaker of `key`, made with `settings` if there is none yet."""
        breaker = self._breakers.get(key)
        if breaker is None:
            if len(self._breakers) >= MAX_BREAKERS:
                idle = (k for k, b in self._breakers.items() if b._state is BreakerState.CLOSED)
                del self._breakers[next(idle, next(iter(self._breakers)))]
            breaker = self._breakers[key] = CircuitBreaker(key, settings, on_change=self._tell)
        self._breakers.move_to_end(key)
        return breaker

    def states(self) -> list[BreakerStatus]:
        """Return the state of each breaker. Call it on the event loop's thread."""
        return [breaker.status() for breaker in self._breakers.values()]

    def watch(self, on_change: Callable[[BreakerStatus], None]) -> Callable[[], None]:
        """Call `on_change` each time a breaker changes its state; returns what ends that. At most 16 watch."""
        del self._watchers[: len(self._watchers) + 1 - MAX_WATCHERS]
        self._watchers.append(on_change)

        def end() -> None:
            with suppress(ValueError):
                self._watchers.remove(on_change)

        return end

    def _tell(self, breaker: CircuitBreaker) -> None:
        for watcher in [*self._watchers]:
            watcher(breaker.status())


BREAKERS: Final = BreakerRegistry()
"""The breakers of this process."""
