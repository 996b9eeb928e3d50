"""pydantic-ai's exceptions as ours. What a provider writes in an error's body may hold a key: it is left out."""

from __future__ import annotations

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

__all__ = ["as_ours"]

_PROVIDER = "the language model's provider"

# Order matters: a category may be a subclass of one below it.
_CATEGORIES: tuple[tuple[type[theirs.ModelAPIError], type[ProviderError], str], ...] = (
    (theirs.ModelAuthenticationError, AuthenticationError, "does not accept the key"),
    (theirs.ModelQuotaExceededError, QuotaExceededError, "says that the account is used up"),
    (theirs.ModelRateLimitError, RateLimitedError, "asks for fewer requests"),
    (theirs.ModelTimeoutError, DeadlineError, "did not answer in time"),
    (theirs.ModelConnectionError, ProviderUnavailableError, "cannot be reached or dropped the connection"),
    (theirs.ModelUnavailableError, ProviderUnavailableError, "is unavailable"),
    (theirs.ModelServerError, ProviderUnavailableError, "failed"),
    (theirs.ModelContextWindowExceededError, ProviderError, "says that the conversation is too long for the model"),
    (theirs.ModelNotFoundError, ProviderError, "does not know the model"),
    (theirs.ModelAPIError, ProviderError, "rejected the request"),
)


def as_ours(error: Exception, model: str) -> DuologueError:
    """The error of our tree that says the same; what is not a provider's failure is an AgentError."""
    if isinstance(error, DuologueError):
        return error
    if isinstance(error, theirs.ModelAPIError):
        for category, ours, what in _CATEGORIES:
            if isinstance(error, category):
                status = f" (HTTP {error.status_code})" if isinstance(error, theirs.ModelHTTPError) else ""
                return ours(
                    f"{_PROVIDER.capitalize()} {what}{status}; the model is {model!r}.",
                    provider=model,
                    retry_after=error.retry_after,
                )
    if isinstance(error, theirs.UsageLimitExceeded):
        return AgentError(f"{model!r} asked for tools too many times in one turn.", hint="Raise max_requests.")
    if isinstance(error, theirs.AgentRunError):
        return AgentError(f"{model!r} gave an answer that makes no sense: {type(error).__name__}.")
    return AgentError(f"The agent on {model!r}, or one of its tools, raised {type(error).__name__}.")
