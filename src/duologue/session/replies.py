"""The replies of one session: starts them, tracks the current one, and cleans up those that are over."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.agent import Call, ToolCall, Turn
from duologue.agent.call import detached_call
from duologue.agent.faults import is_fault
from duologue.conversation import effects, events
from duologue.conversation.history import Message
from duologue.conversation.inputs import SayRequested, TurnJudged
from duologue.engine.accounting import owned_by
from duologue.errors import AgentError, DuologueError, ProviderError, with_cause
from duologue.session.cancellation import finishes
from duologue.session.config import SessionConfig
from duologue.session.host import Host
from duologue.session.notify import notify
from duologue.session.reply_task import ReplyTask, ReplyTaskOutput
from duologue.session.responder import Heard, Responder, ResponseOutput, ResponseRequest, ResponseWriter

__all__ = ["Replies"]

CLOSING: Final = 1.0
"""Seconds in which the tasks of replies must end after the session."""
MAX_STUCK: Final = 16
"""Replies whose tasks may refuse to end; with one more the call ends."""
RESPONDER_CLOSING: Final = 65.0
"""Seconds that a responder has to close: a tool with side effects may finish."""


class RepliesOutput(ReplyTaskOutput, ResponseOutput, Protocol):
    """Where replies go."""

    def tool_called(self, turn: int, generation: int, call: ToolCall) -> None:
        """Take the times of a tool call."""
        ...


class Replies:
    """One reply at a time is current: the newest, until it is over."""

    def __init__(self, host: Host, responder: Responder, config: SessionConfig, user_data: Any) -> None:
        self.current: ReplyTask | None = None
        self.hears_audio: bool = responder.capabilities.hears_audio
        """The responder gets the user's audio."""
        self.recordings: Mapping[int, bytes] = {}
        """The audio played in place of synthesized speech, by the id of the `say`."""
        self.call_of: Callable[[Callable[[], Awaitable[object]]], Call] = lambda _: detached_call()
        """Makes `turn.call` from what returns when the turn is decided."""
        self._host = host
        self._responder = responder
        self._config = config
        self._user_data = user_data
        self._earlier: list[ReplyTask] = []
        """Replies before the current one whose tasks have not ended."""
        self._cut_off: Heard | None = None
        """The reply that was cut off last, until the text of what was heard of it is known."""
        self._typed = 0
        """The turn that was decided last, if it was typed."""
        self._is_closed = False
        self._has_heard = False
        self._heard_to = 0
        """The position up to which the responder was given the user's audio."""
        if responder.capabilities.decides_turns:
            responder.on_turn_ended = self._turn_ended

    # --- beginnings ---

    def turn_decided(self, event: events.TurnDecided) -> None:
        """Note how a turn was decided."""
        self._typed = event.turn if event.reason == "text" else 0

    def answer(self, e: effects.StartReply, output: RepliesOutput) -> None:
        """Have a turn answered."""
        committed = asyncio.Event()
        # An agent may keep its turn: a strong reference to the session would keep that alive as well.
        report = partial(_report_tool, weakref.ref(output), e.turn, e.generation)
        failed = partial(self._host.failed, turn=e.turn)
        call = self.call_of(committed.wait)
        turn = Turn(e.turn, e.text, e.history, committed.wait, self._user_data, report, call, failed)
        is_typed = e.turn == self._typed
        if not e.speculative:
            committed.set()
        self._start(self._request(e.generation, turn, output, committed, says=e.says, is_typed=is_typed), output)

    def say(self, e: effects.StartSpeech, output: RepliesOutput, audio: bytes | None = None) -> None:
        """Say a text without asking the agent; `audio` is its speech, if that exists already."""
        committed = asyncio.Event()
        committed.set()
        turn = Turn(0, "", tuple[Message, ...](), committed.wait)
        say = SayRequested(e.text, e.interruptible, e.say)
        request = self._request(e.generation, turn, output, committed, say=say)
        if audio is not None:
            request.recordings = {**self.recordings, e.say: audio}
        self._start(request, output)

    def _request(
        self, generation: int, turn: Turn, output: RepliesOutput, committed: asyncio.Event, **more: Any
    ) -> ResponseRequest:
        more |= {"committed": committed, "recordings": self.recordings}
        return ResponseRequest(generation, turn, self._host.id, self._config, output, **more)

    def _start(self, request: ResponseRequest, output: RepliesOutput) -> None:
        replies = self._earlier if self.current is None else [*self._earlier, self.current]
        self._earlier = [reply for reply in replies if not reply.done]
        if len(self._earlier) > MAX_STUCK:
            self._host.broken(
                AgentError(
                    f"The agent or the voice holds on to {len(self._earlier)} answers that were cancelled.",
                    hint="Let CancelledError through.",
                )
            )
        self.current = ReplyTask(output, self._responder, request)

    # --- ends ---

    def of(self, generation: int) -> ReplyTask | None:
        """Return the current reply if it is of this generation."""
        reply = self.current
        return reply if reply is not None and reply.generation == generation else None

    def is_answering(self, writer: ResponseWriter) -> bool:
        """Return True if `writer` writes the current reply, and has not finished."""
        return self.current is not None and writer.request is self.current.request and not writer.is_written

    def cancel(self, reply: ReplyTask, *, unheard: bool) -> None:
        """Stop a reply; `unheard`: none of it was played."""
        reply.cancel()
        if unheard:
            self.unheard(reply)

    def unheard(self, reply: ReplyTask) -> None:
        """Tell the responder that none of a finished reply was heard."""
        notify(self._responder, "truncate", Heard(reply.generation), reply.request.output, reply.turn)

    def cut_off(self, generation: int, seconds: float) -> None:
        """Note how much of a reply was played when it was cut off; `heard` follows."""
        self._cut_off = Heard(generation, seconds)

    def heard(self, generation: int, text: str) -> None:
        """Tell the responder what was heard of a reply that was cut off."""
        cut_off = self._cut_off
        if cut_off is not None and cut_off.generation == generation and self.current is not None:
            self._cut_off = None
            heard = Heard(generation, cut_off.seconds, text)
            notify(self._responder, "truncate", heard, self.current.request.output, self.current.turn)

    # --- the user ---

    def hear(self, pcm: NDArray[np.int16], end: int) -> None:
        """Pass the user's audio, which ends at the position `end`, on to a responder that hears it."""
        self._heard_to = end
        try:
            if self._has_heard:
                self._responder.hear(pcm.tobytes())
            else:
                # Work that begins with the first audio, such as a connection, is traced with the session.
                self._has_heard = True
                owned_by(self._host.id).run(self._responder.hear, pcm.tobytes())
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            self.hears_audio = False
            name = self._responder.name
            error = ProviderError(f"{name} failed to hear: {type(cause).__name__}.", provider=name)
            self._host.failed(with_cause(error, cause))

    def _turn_ended(self, probability: float) -> None:
        """Take the responder's opinion of the end of a turn for one term of several."""
        self._host.tell_rules(TurnJudged(self._heard_to, probability))

    # --- the end of the session ---

    async def close(self) -> None:
        """Cancel all work, and wait a moment until it has ended."""
        if self._responder.capabilities.decides_turns:
            self._responder.on_turn_ended = None
        replies = [reply for reply in (*self._earlier, self.current) if reply is not None]
        for reply in replies:
            reply.cancel()
        await asyncio.gather(*(reply.closed(CLOSING) for reply in replies))
        if not all(reply.done for reply in replies):
            self._host.failed(AgentError(f"The agent did not let go of its answer within {CLOSING:g} s."))
        self._earlier, self.current = [], None
        if not self._is_closed:
            self._is_closed = True
            await self._close_responder()

    async def _close_responder(self) -> None:
        """Close connections, and let tools finish that must not be cut off."""
        closing = asyncio.create_task(_closed(self._responder.aclose), name="close-responder")
        if not await finishes(closing, RESPONDER_CLOSING):
            self._host.failed(AgentError(f"The agent did not close within {RESPONDER_CLOSING:g} s."))
        elif (cause := closing.result()) is not None:
            error = AgentError(f"The agent failed to close: {type(cause).__name__}.")
            self._host.failed(cause if isinstance(cause, DuologueError) else with_cause(error, cause))


def _report_tool(output: weakref.ref[RepliesOutput], turn: int, generation: int, call: ToolCall) -> None:
    if (alive := output()) is not None:
        alive.tool_called(turn, generation, call)


async def _closed(aclose: Callable[[], Awaitable[object]]) -> BaseException | None:
    """Close a responder; return the error if that fails."""
    try:
        await aclose()
    except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
        if not is_fault(cause):
            raise
        return cause
    return None
