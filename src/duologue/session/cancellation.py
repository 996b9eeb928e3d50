"""Telling a task that is cancelled from code in it that was cancelled by itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["cancelled_from_outside", "forget_why"]


def cancelled_from_outside() -> bool:
    """True where the task that runs is being cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def forget_why(task: asyncio.Task[Any]) -> None:
    """Take from a task what cancelled it, when it is done: the exception holds the frames, and they all they knew."""
    if task.cancelled():
        with suppress(asyncio.CancelledError):
            task.exception()
