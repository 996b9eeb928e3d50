"""What an agent may do to its call from a turn: `turn.call`."""

from __future__ import annotations

import os
import weakref
from collections.abc import Awaitable, Callable
from typing import BinaryIO

from duologue.agent import Call, CallInfo
from duologue.agent.call import detached_call
from duologue.conversation.eagerness import Eagerness
from duologue.conversation.question import AnswerKind
from duologue.errors import SessionNotActiveError
from duologue.session.commands import CallCommands
from duologue.session.saying import SpeechHandle

__all__ = ["LiveCall", "live_call"]


class LiveCall:
    """The call of one turn, as `duologue.agent.Call` describes it.

    An agent may keep its turn: this refers to the session weakly, so that the session is freed when it has ended.
    """

    def __init__(self, session: CallCommands, committed: Callable[[], Awaitable[object]]) -> None:
        self._ref = weakref.ref(session)
        self._info = session.info
        self._committed = committed

    @property
    def info(self) -> CallInfo:
        """What was known of the call when it began."""
        return self._info

    @property
    def agent(self) -> str:
        """The name of the agent that answers now."""
        return self._session.agent_name

    async def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle:
        """Say `text` at this point of the answer."""
        await self._committed()
        return await self._session.say(text, interruptible=interruptible)

    async def play(
        self, wav: str | os.PathLike[str] | bytes | BinaryIO, *, text: str = "", interruptible: bool = True
    ) -> SpeechHandle:
        """Play a WAV file at this point of the answer."""
        await self._committed()
        return await self._session.play(wav, text=text, interruptible=interruptible)

    async def configure(
        self,
        *,
        voice: str | None = None,
        action_delay: float | None = None,
        timeout: float | None = None,
        barge_in: bool | None = None,
        eagerness: Eagerness | None = None,
    ) -> None:
        """Change settings of the call from now on."""
        await self._committed()
        self._session.configure(
            voice=voice, action_delay=action_delay, timeout=timeout, barge_in=barge_in, eagerness=eagerness
        )

    async def expect(self, kind: AnswerKind, *lengths: int) -> None:
        """Declare what the user's next turn is to answer."""
        await self._committed()
        self._session.expect(kind, *lengths)

    async def hand_over(self, agent: str, *, greeting: str | None = None) -> None:
        """Have another agent answer from the next turn on."""
        await self._committed()
        await self._session.hand_over(agent, greeting=greeting)

    async def end(self, reason: str = "agent_done") -> None:
        """End the call once what is being said has been heard."""
        await self._committed()
        await self._session.close(reason)

    @property
    def _session(self) -> CallCommands:
        session = self._ref()
        if session is None:
            raise SessionNotActiveError(f"Session {self._info.id} is ended.")
        return session


def live_call(session: weakref.ref[CallCommands], committed: Callable[[], Awaitable[object]]) -> Call:
    """The call of a turn of this session; `committed` returns when the turn is decided."""
    alive = session()
    return detached_call() if alive is None else LiveCall(alive, committed)
