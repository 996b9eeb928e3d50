"""What the application's own code makes and decides for a call: its agent, its data, its consent, its hooks."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from duologue.agent import Agent, CallInfo
from duologue.agent.closing import close_unused
from duologue.agent.faults import FaultLog, is_fault
from duologue.agent.function import AgentFactory, is_unused
from duologue.agent.signature import name_of as function_name
from duologue.errors import AgentError, ConfigError, DuologueError, HookError, with_cause
from duologue.recording.config import refuses
from duologue.recording.recordings import Recordings
from duologue.server.application_code import ApplicationCode, is_async
from duologue.server.call_options import CallOptions, arguments_needed
from duologue.session import CallRequest
from duologue.session.hooks import Hook

__all__ = ["CallCode", "close_unused_agent"]

_faults = FaultLog(logging.getLogger(__name__))


class CallCode:
    """Runs the application's code for calls: contained, with deadlines, and counted where it fails."""

    def __init__(self, options: CallOptions) -> None:
        self.options: CallOptions = options
        self.agents_failed: int = 0
        self.user_data_failed: int = 0
        self._code = ApplicationCode()
        self._hook_code = ApplicationCode()

    @property
    def stuck(self) -> int:
        """Threads in which the application's code does not come to an end."""
        return self._code.stuck + self._hook_code.stuck

    def close(self) -> None:
        """Let the threads of the application go."""
        self._code.close()
        self._hook_code.close()

    async def agrees(self, recordings: Recordings, info: CallInfo) -> bool:
        """Whether this call may be recorded. A function of the application that fails counts as a refusal."""
        consent = recordings.config.consent
        agrees: object = consent is True
        if refuses(info):
            agrees = False
        elif callable(consent):
            what = f"consent={function_name(consent)}"
            try:
                agrees = await self._code.call(consent, info, what=what)
            except BaseException as error:
                if not is_fault(error):
                    raise
                ours = error if isinstance(error, DuologueError) else _failed(HookError, f"{what} failed", error)
                _faults.write(f"The call {info.id} is not recorded", ours, call=info.id)
                agrees = False
        recordings.refused += agrees is not True
        return agrees is True

    def hook(self, name: str) -> Hook | None:
        """A hook of the application; a plain one runs in a thread, so that it may block."""
        hook: Hook | None = getattr(self.options, name)
        if hook is None or is_async(hook):
            return hook
        code = self._hook_code

        async def run(*args: Any) -> None:
            await code.call(hook, *args, what=f"The hook {run.__name__}")

        run.__name__ = getattr(hook, "__name__", type(hook).__name__)
        return run

    async def user_data(self, request: CallRequest, info: CallInfo) -> Any:
        """What `user_data=` gives for this call. Raises the error of code of the application that fails."""
        source = self.options.user_data
        if request.user_data is not None or not callable(source):
            return source if request.user_data is None else request.user_data
        what = f"user_data={function_name(source)}"
        try:
            return await self._code.call(source, *((info,) if arguments_needed(source) else ()), what=what)
        except BaseException as error:
            if not is_fault(error):
                raise
            self.user_data_failed += 1
            ours = error if isinstance(error, DuologueError) else _failed(HookError, f"{what} failed", error)
            _faults.write(f"No user data for the call {info.id}", ours, call=info.id)
            raise ours from ours.__cause__

    async def make_agent(self, name: str, info: CallInfo) -> Agent:
        """The agent that a call is handed over to. Raises ConfigError if there is none, and as `make_by` does."""
        factories = self.options.agents
        if name not in factories:
            known = f"Known: {', '.join(factories)}."
            raise ConfigError(f"There is no agent {name!r} to hand over to.", hint=known)
        return await self.make_by(factories[name], info)

    async def make_by(self, factory: AgentFactory, info: CallInfo) -> Agent:
        """The agent that this factory makes for a call. Raises AgentError, or its own DuologueError, if it fails."""
        if not factory.runs_code:
            return factory(info)
        what = f"The factory {factory.name} of the agent {info.agent!r}"
        try:
            if factory.is_async:
                made = await self._code.wait(factory.amake(info), what=what)
            else:
                made = await self._code.call(
                    factory.make, info, what=what, dispose=partial(close_unused_agent, info.id)
                )
        except BaseException as error:
            if not is_fault(error):
                raise
            self.agents_failed += 1
            ours = error if isinstance(error, DuologueError) else _failed(AgentError, f"{what} failed", error)
            _faults.write(f"No agent for the call {info.id}", ours, call=info.id)
            raise ours from ours.__cause__
        assert isinstance(made, Agent)
        return made


async def close_unused_agent(call: str, made: Agent) -> None:
    """Close an agent whose call does not come about, unless it is one that answers others."""
    if is_unused(made):
        await close_unused(made, call)


def _failed(kind: type[DuologueError], what: str, error: BaseException) -> DuologueError:
    """Make an error with the type of the application's exception, without its message, which may hold a secret."""
    return with_cause(kind(f"{what}: {type(error).__name__}."), error)
