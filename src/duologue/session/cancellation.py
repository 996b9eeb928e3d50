"""Telling a task that is cancelled from code in it that was cancelled by itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["cancelled_from_outside", "drop_cancel_traceback", "finishes"]


def cancelled_from_outside() -> bool:
    """True if the task that runs is being cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def drop_cancel_traceback(task: asyncio.Task[Any]) -> None:
    """Take from a task what cancelled it, when it is done: the exception holds the frames, and they all they knew."""
    if task.cancelled():
        with suppress(asyncio.CancelledError):
            task.exception()


async def finishes(task: asyncio.Task[Any], timeout: float) -> bool:
    """True where `task` ends within `timeout` seconds; else it is cancelled, and its end is not waited for.

    It is cancelled with the caller, too.
    """
    try:
        await asyncio.wait([task], timeout=timeout)
        return task.done()
    finally:
        task.cancel()
