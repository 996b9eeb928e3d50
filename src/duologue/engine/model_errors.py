"""Errors of the work that model threads do."""

from __future__ import annotations

from duologue.errors import DuologueError, ProviderError, with_cause
from duologue.stt.steps import Step

__all__ = ["model_closed", "model_failure", "thread_died"]


def model_failure(model: Step, error: Exception) -> DuologueError:
    """Converts the exception of a model to a DuologueError."""
    if isinstance(error, DuologueError):
        return error
    return with_cause(
        ProviderError(f"The model {model.name} failed: {type(error).__name__}.", provider=model.name), error
    )


def model_closed(model: Step) -> ProviderError:
    """The engine was closed before the model was run."""
    return ProviderError(f"The engine is closed, and {model.name} was not run.", provider=model.name)


def thread_died(model: Step) -> ProviderError:
    """The thread that ran the model has died."""
    return ProviderError(f"The thread that ran {model.name} died.", provider=model.name)
