"""The errors of pydantic-ai's realtime connections, in duologue's tree."""

from __future__ import annotations

import json
from typing import Any

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UserError

from duologue.errors import DeadlineError, DuologueError, ProviderError, ProviderUnavailableError, with_cause
from duologue.services import error_code, error_for

__all__ = ["error_of", "response_error"]


def error_of(name: str, error: BaseException, what: str) -> DuologueError:
    """Return the error of the tree for what a connection raised. Its own words are dropped: they may hold a secret."""
    if isinstance(error, DuologueError):
        return error
    if isinstance(error, ModelHTTPError):
        return error_for(name, error.status_code, error_code(_json(error.body)))
    if isinstance(error, UserError):
        return with_cause(ProviderError(f"{name} cannot do what was asked for.", provider=name), error)
    if isinstance(error, TimeoutError):
        return DeadlineError(f"{name} {what} in time.", provider=name)
    if isinstance(error, ModelAPIError | OSError):
        return with_cause(ProviderUnavailableError(f"{name} {what}.", provider=name), error)
    return with_cause(ProviderUnavailableError(f"{name} {what}: {type(error).__name__}.", provider=name), error)


def response_error(name: str, code: str | None) -> DuologueError:
    """Return the error of a response that failed, by the code that the service gave."""
    if code:
        return error_for(name, None, error_code({"code": code}))
    return ProviderUnavailableError(f"{name} failed to answer.", provider=name)


def _json(body: object) -> Any:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body[:65_536])
    except ValueError:
        return {}
