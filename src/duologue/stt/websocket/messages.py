"""JSON messages of a recognizer's WebSocket."""

from __future__ import annotations

import json
from typing import Any

from duologue.errors import ProviderUnavailableError

__all__ = ["no_message", "parse_message"]


def parse_message(name: str, frame: str | bytes) -> dict[str, Any]:
    """Return the JSON object in a text frame. Raises ProviderUnavailableError, of `name`, for anything else."""
    try:
        message = json.loads(frame) if isinstance(frame, str) else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise no_message(name)
    return message


def no_message(name: str) -> ProviderUnavailableError:
    """Return the error for a frame that is no message, or lacks what the protocol promises."""
    return ProviderUnavailableError(
        f"{name} sent what is no message of its protocol.", provider=name, hint="The stream is opened again."
    )
