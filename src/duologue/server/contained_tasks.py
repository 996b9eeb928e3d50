"""Tasks that an application starts while it serves a call: an exit in one ends that task only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import Any, Final

from duologue.agent.faults import is_fault
from duologue.engine.accounting import OWNER
from duologue.errors import AgentError, with_cause

__all__ = ["contained_tasks"]

_OWN: Final = str(Path(__file__).parent.parent)


@contextmanager
def contained_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Contain SystemExit and KeyboardInterrupt in the tasks that application code starts on `loop` meanwhile.

    asyncio lets these two end the loop, and with it all other calls. Tasks that belong to no call, and those of this
    package, which contain what they run, are left as they are.
    """
    before: Any = loop.get_task_factory()

    def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        if _is_of_a_call(options.get("context")) and not _is_own(work):
            work = _contained(work)
        return before(loop, work, **options) if before is not None else asyncio.Task(work, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield
    finally:
        loop.set_task_factory(before)


def _is_of_a_call(context: Context | None) -> bool:
    return bool(OWNER.get() if context is None else context.get(OWNER, ""))


def _is_own(work: Any) -> bool:
    code = getattr(work, "cr_code", None)
    return code is None or code.co_filename.startswith(_OWN)


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        if not is_fault(error):
            raise  # what a signal handler raised
        failure = AgentError(f"A task that was started in a call raised {type(error).__name__}.")
        raise with_cause(failure, error) from error
