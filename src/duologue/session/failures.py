"""What is reported of code of a provider that raises."""

from __future__ import annotations

from duologue.errors import DuologueError, ProviderError, with_cause

__all__ = ["provider_failed"]


def provider_failed(name: str, cause: BaseException, what: str = "") -> DuologueError:
    """Return the error for what the provider `name` raised, when it was to do `what`: its own, if it is of the tree."""
    if isinstance(cause, DuologueError):
        return cause
    doing = f" to {what}" if what else ""
    return with_cause(ProviderError(f"{name} failed{doing}: {type(cause).__name__}.", provider=name), cause)
