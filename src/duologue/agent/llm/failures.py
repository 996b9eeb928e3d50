"""Converts pydantic-ai's exceptions. The body of a provider's error may hold a key, so it is left out."""

from __future__ import annotations

import math
import re
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic_ai import exceptions as theirs

from duologue.errors import (
    AgentError,
    AuthenticationError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)

__all__ = ["Remedy", "as_ours", "remedy_for", "unreachable_hint"]

Remedy = Literal["", "shorten", "fold_system_role"]
"""What makes a request acceptable that was refused: a shorter conversation, or no system message."""


_UNREACHABLE: Final = "cannot be reached or dropped the connection"

# Order matters: a category may be a subclass of one below it.
_CATEGORIES: tuple[tuple[type[theirs.ModelAPIError], type[ProviderError], str], ...] = (
    (theirs.ModelAuthenticationError, AuthenticationError, "does not accept the key"),
    (theirs.ModelQuotaExceededError, QuotaExceededError, "says that the account is used up"),
    (theirs.ModelRateLimitError, RateLimitedError, "asks for fewer requests"),
    (theirs.ModelTimeoutError, DeadlineError, "did not answer in time"),
    (theirs.ModelConnectionError, ProviderUnavailableError, _UNREACHABLE),
    (theirs.ModelUnavailableError, ProviderUnavailableError, "is unavailable"),
    (theirs.ModelServerError, ProviderUnavailableError, "failed"),
    (theirs.ModelNotFoundError, ProviderError, "is not there"),
    (theirs.ModelHTTPError, ProviderError, "rejected the request"),
    (theirs.ModelAPIError, ProviderError, "gave an answer that cannot be understood"),
)

_TOO_LONG: Final = re.compile(
    r"context[ _](?:length|size|window|limit)|maximum context|exceed_context_size|context overflow|prompt is too long"
    r"|input is too long|too many (?:input )?tokens|reduce the length|n_ctx|token limit|greater than the context",
    re.IGNORECASE,
)
_NO_SYSTEM_ROLE: Final = re.compile(
    r"system (?:role|message|prompt)s?.{0,40}not (?:be )?(?:supported|allowed)|does not support.{0,20}system"
    r"|(?:only|must).{0,40}user.{0,20}assistant roles? (?:are )?(?:supported|allowed)",
    re.IGNORECASE,
)
_MAX_WORDS: Final = 4000
"""Characters of an error that are looked through."""


def as_ours(error: BaseException, model: str, url: str = "") -> DuologueError:
    """The error of our tree that says the same; what is not a provider's failure is an AgentError.

    `model` is its name and `url` the address of its endpoint, if it has one.
    """
    if isinstance(error, DuologueError):
        return error
    name = f"The language model {model!r}" + (f" at {url}" if url else "")
    if isinstance(error, theirs.ModelAPIError):
        return _of_the_provider(error, model, name, url)
    if isinstance(error, theirs.UsageLimitExceeded):
        return AgentError(f"{name} asked for tools too many times in one turn.", hint="Raise max_requests.")
    if isinstance(error, theirs.OutputTokenLimitExceeded):
        return AgentError(f"{name} used up its tokens before it answered.", hint="Raise max_tokens in its settings.")
    if isinstance(error, theirs.ContentFilterError):
        return AgentError(f"{name} refused to answer.", hint="Its provider's content filter stopped it.")
    if isinstance(error, theirs.UnexpectedModelBehavior) and "ended without content" in error.message:
        return AgentError(f"{name} gave an empty answer.", hint="Ask it by hand; it may have no room left to answer.")
    if isinstance(error, theirs.AgentRunError):
        return AgentError(f"{name} gave an answer that makes no sense: {type(error).__name__}.")
    return AgentError(f"The agent on {model!r}, or one of its tools, raised {type(error).__name__}.")


def remedy_for(error: BaseException | None) -> Remedy:
    """What the same request needs to be accepted, by what it failed with; empty if nothing is known."""
    if not isinstance(error, theirs.ModelAPIError) or isinstance(error, theirs.ModelConnectionError):
        return ""
    status = _status(error)
    if isinstance(error, theirs.ModelContextWindowExceededError) or status == 413:
        return "shorten"
    if status not in (None, 400, 422, 500):
        return ""
    words = f"{error.message} {getattr(error, 'body', '')}"[:_MAX_WORDS]
    if _TOO_LONG.search(words):
        return "shorten"
    return "fold_system_role" if _NO_SYSTEM_ROLE.search(words) else ""


def unreachable_hint(url: str) -> str:
    """What to do about an endpoint that is not there."""
    return f"Start it, or correct the base URL (--base-url): {url}" if url else "Check the network."


def _of_the_provider(error: theirs.ModelAPIError, model: str, name: str, url: str) -> ProviderError:
    status = _status(error)
    shown = f" (HTTP {status})" if status is not None else ""
    if remedy_for(error) == "shorten":
        return ProviderError(
            f"{name} says that the conversation is too long for it{shown}.",
            hint="Shorten the instructions and the descriptions of the tools, or lower max_context_tokens.",
            provider=model,
        )
    category, ours, what = next(entry for entry in _CATEGORIES if isinstance(error, entry[0]))
    hint: str | None = None
    if category is theirs.ModelConnectionError:
        hint = unreachable_hint(url)
    elif category is theirs.ModelNotFoundError:
        path = urlsplit(url).path
        hint = f"Check the model's name{'' if not url or '/v1' in path else f', and whether the base URL is {url}/v1'}."
    return ours(f"{name} {what}{shown}.", hint=hint, provider=model, retry_after=_seconds(error.retry_after))


def _status(error: theirs.ModelAPIError) -> int | None:
    return error.status_code if isinstance(error, theirs.ModelHTTPError) else None


def _seconds(retry_after: float | None) -> float | None:
    """A time to wait that can be waited for; None for what a server may send beside it."""
    return retry_after if retry_after is not None and math.isfinite(retry_after) and retry_after >= 0 else None
