"""What a failure says: whether the provider is to blame, and for how long it should be left alone."""

from __future__ import annotations

import asyncio

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DuologueError,
    InputError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    SessionError,
    with_cause,
)

__all__ = ["as_provider_error", "is_hopeless", "is_providers_fault", "loop_time"]


def loop_time() -> float:
    """Monotonic seconds of the running event loop."""
    return asyncio.get_running_loop().time()


def as_provider_error(name: str, cause: BaseException) -> DuologueError:
    """Return `cause` itself if it is an error of the tree, or a ProviderError that names its type and not its words."""
    if isinstance(cause, DuologueError):
        return cause
    return with_cause(ProviderError(f"{name} failed: {type(cause).__name__}.", provider=name), cause)


def is_providers_fault(error: DuologueError) -> bool:
    """Return True if another provider may do better; False for input or settings that none would accept."""
    if isinstance(error, OverloadedError):
        return True
    return not isinstance(error, InputError | SessionError | ConfigError)


def is_hopeless(error: DuologueError) -> bool:
    """Return True if the next call will fail as well: the key, the quota, a rate limit with a time to wait."""
    if isinstance(error, AuthenticationError | QuotaExceededError):
        return True
    return isinstance(error, RateLimitedError) and error.retry_after is not None
