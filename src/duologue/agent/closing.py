"""Closes agents: all of them, whatever one of them does."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterable
from typing import Final

from duologue.agent.faults import FaultLog, is_fault
from duologue.errors import AgentError, with_cause

__all__ = ["close_agents", "close_unused"]

UNUSED_CLOSING: Final = 10.0
"""Seconds that an agent has to close that answered no call."""

_faults = FaultLog(logging.getLogger(__name__))


async def close_agents(agents: Iterable[object]) -> BaseException | None:
    """Close those that can be closed, all at once. Returns the first of what they raised."""
    raised = await asyncio.gather(*(_close(agent) for agent in agents))
    return next((cause for cause in raised if cause is not None), None)


async def close_unused(agent: object, call: str) -> None:
    """Close an agent that was made for a call that it does not answer; what goes wrong is logged."""
    cause: BaseException | None = None
    try:
        async with asyncio.timeout(UNUSED_CLOSING):
            cause = await close_agents([agent])
    except TimeoutError as error:
        cause = error
    if cause is not None:
        what = AgentError(f"An agent that was not used failed to close: {type(cause).__name__}.")
        _faults.write(f"The call {call}", with_cause(what, cause), call=call)


async def _close(agent: object) -> BaseException | None:
    try:
        if (aclose := getattr(agent, "aclose", None)) is not None:
            closing = aclose()
            if inspect.isawaitable(closing):
                await closing
    except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
        if not is_fault(cause):
            raise
        return cause
    return None
