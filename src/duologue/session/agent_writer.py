"""Has an agent answer one turn, and cuts its text into pieces for the voice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from duologue.agent import Agent, EndCall, FunctionCall, Stateful
from duologue.agent.faults import FaultLog, is_fault
from duologue.agent.reader import AnswerLimits, AnswerReader
from duologue.agent.reasoning import Shown
from duologue.engine.accounting import owned_by
from duologue.errors import AgentError, DuologueError, with_cause
from duologue.session.cancellation import drop_cancel_traceback
from duologue.session.responder import ResponseRequest, current_writer
from duologue.session.text_queue import Piece, TextQueue
from duologue.tts.clauses import ClauseSplitter, clauses_of

__all__ = ["AgentWriter", "closable", "say_pieces", "without_frames"]

HANDOVER: Final = 0.1
"""Seconds that earlier answers have to release the agent."""
SETTLE: Final = 0.15
"""Seconds after which a finished sentence is spoken although no word has followed it."""
SLICE: Final = 2000
"""Characters that are cut into clauses at once; then other calls have their turn."""

_faults = FaultLog(logging.getLogger(__name__))


class AgentWriter:
    """A task that asks the agent and queues its text, in clauses or as it arrives."""

    def __init__(
        self,
        agent: Agent,
        request: ResponseRequest,
        queue: TextQueue,
        *,
        in_clauses: bool,
        after: Sequence[AgentWriter] = (),
    ) -> None:
        """Begin as soon as the writers `after` have released the agent."""
        self.request = request
        self.error: DuologueError | None = None
        self.end_call: EndCall | None = None
        self.may_stay_silent: bool = bool(getattr(agent, "may_stay_silent", False))
        self._agent = agent
        self._queue = queue
        self._in_clauses = in_clauses
        self._splitter = ClauseSplitter()
        self._reader: AnswerReader | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._stateful: Stateful | None = None
        """The agent, while its state may have to be put back to `_before`."""
        self._before: object = None
        self._rolls_back = self._is_cancelled = False
        before = [writer._task for writer in after if not writer.is_written]
        self._task: asyncio.Task[None] = asyncio.create_task(
            self._run(before), name=f"think-{request.generation}", context=owned_by(request.session)
        )
        self._task.add_done_callback(drop_cancel_traceback)

    @property
    def is_written(self) -> bool:
        """True once the agent has finished, or was cancelled and has let go."""
        return self._task.done()

    def cancel(self) -> None:
        """Stop asking; the agent's iterator is closed as the task ends."""
        self._is_cancelled = True
        self._task.cancel()

    def stop(self) -> None:
        """Cancel, unless that was done before: a second time would interrupt what the agent does to end."""
        if not self._is_cancelled:
            self.cancel()

    async def closed(self) -> None:
        """Return when the agent has let go."""
        await asyncio.wait([self._task])

    def roll_back(self) -> None:
        """Nothing of the answer was heard: put an agent with state back as soon as it has let go."""
        self._rolls_back = True
        if self.is_written:
            self._restore()

    def extend(self, seconds: float) -> None:
        """Give the agent more time, because a `say` of its own is being spoken."""
        if self._reader is not None:
            self._reader.extend(seconds)

    async def say_within(self, text: str, say: int, *, interruptible: bool) -> None:
        """Have `text` spoken, or its recording played, at this point of the answer; returns when it is queued."""
        for clause in self._splitter.flush():
            await self._queue.put(Piece(clause))
        for piece in say_pieces(text, say, interruptible, self._in_clauses, self.request.recordings):
            await self._queue.put(piece)

    async def _run(self, before: Sequence[asyncio.Task[None]]) -> None:
        token = current_writer.set(self)
        try:
            if before:
                await asyncio.wait(before, timeout=HANDOVER)
            if not self._agent.speculative:  # the rules may take it for the agent before it, which speculated
                await self.request.committed.wait()
            await self._write()
        except asyncio.CancelledError as cancelled:
            self._restore()
            if not self._is_cancelled:  # code of the agent cancelled the task that runs it: the answer is waited for
                self.error = agent_failed(cancelled)
                self._queue.put_nowait(None)
            raise
        finally:
            current_writer.reset(token)  # the task keeps its context, which would keep the writer alive

    async def _write(self) -> None:
        try:
            if isinstance(self._agent, Stateful):
                self._before, self._stateful = self._agent.snapshot(), self._agent
            await self._ask()
        except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(error):
                raise
            if self._is_cancelled:
                # It failed while it was cancelled: its answer is not waited for.
                failed = agent_failed(error)
                call, turn = self.request.session, self.request.turn.id
                _faults.write(f"Session {call}, turn {turn}", failed, call=call, turn=turn)
                without_frames(failed)
                raise asyncio.CancelledError from None
            self.error = agent_failed(error)
        finally:
            self._stop_settling()
        for clause in self._splitter.settle() if self.error else self._splitter.flush():
            await self._queue.put(Piece(clause))
        await self._queue.put(None)

    async def _ask(self) -> None:
        c = self.request.config
        limits = AnswerLimits(
            c.first_text_timeout, c.stall_timeout, c.text_timeout, c.max_piece_chars, c.max_answer_chars
        )
        async with aclosing(closable(self._agent.reply(self.request.turn))) as pieces:
            self._reader = reader = AnswerReader(pieces, limits)
            has_words = False
            while (shown := await reader.next()) is not None:
                if isinstance(shown, EndCall):
                    self.end_call = shown
                    return
                if reader.has_words and not has_words:
                    has_words = True
                    self.request.output.text_started(self.request.generation)
                if isinstance(shown, FunctionCall):
                    await self._call(shown)
                else:
                    await self._take(shown)

    async def _call(self, call: FunctionCall) -> None:
        """Pass a function call on, after what was written before it."""
        for clause in self._splitter.flush():
            await self._queue.put(Piece(clause))
        await self._queue.put(call)

    async def _take(self, shown: Shown) -> None:
        """Queue text of the agent."""
        if shown.forget:
            self._splitter = ClauseSplitter()
            self._queue.forget_written()
        text = shown.text
        if text and not text.isspace():
            self._stop_settling()
        for at in range(0, len(text), SLICE):
            if at:
                await asyncio.sleep(0)
            part = text[at : at + SLICE]
            for piece in self._splitter.push(part) if self._in_clauses else [part]:
                await self._queue.put(Piece(piece))
        # White space does not start it again: a sentence is spoken at once, whatever blanks follow it.
        if self._in_clauses and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE, self._settle)

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _settle(self) -> None:
        """The agent pauses: speak what it has ended, unless there is enough to be spoken."""
        self._settling = None
        if self._queue.is_empty:
            for clause in self._splitter.settle():
                self._queue.put_nowait(Piece(clause))

    def _restore(self) -> None:
        if not self._rolls_back or self._stateful is None:
            return
        agent, self._stateful = self._stateful, None
        try:
            agent.restore(self._before)
        except BaseException as error:
            if not is_fault(error):
                raise
            self.request.output.failed(agent_failed(error), self.request.turn.id)


def say_pieces(
    text: str, say: int, interruptible: bool, in_clauses: bool, recordings: Mapping[int, bytes]
) -> list[Piece]:
    """Return the pieces of a `say` inside a response; the last one ends it."""
    if say in recordings:
        return [Piece(text, say, True, interruptible, recordings[say])]
    texts = (clauses_of(text) if in_clauses else []) or [text]
    return [Piece(clause, say, i == len(texts), interruptible) for i, clause in enumerate(texts, 1)]


def agent_failed(cause: BaseException) -> DuologueError:
    """Return the error to report for what an agent raised."""
    if isinstance(cause, DuologueError):
        return cause
    if isinstance(cause, asyncio.CancelledError):
        return with_cause(AgentError("The agent's answer was cancelled by the agent itself."), cause)
    return with_cause(AgentError(f"The agent failed: {type(cause).__name__}."), cause)


def without_frames(error: DuologueError) -> None:
    """Drop the traceback of a reported error: its frames keep everything alive that they refer to."""
    error.__cause__ = error.__context__ = error.__traceback__ = None


def closable(iterator: AsyncIterator[Any]) -> Any:
    """Return an iterator with `aclose`: async generators have one; for others, closing does nothing."""
    return iterator if hasattr(iterator, "aclose") else _Closable(iterator)


class _Closable:
    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator

    def __anext__(self) -> Any:
        return self._iterator.__anext__()

    async def aclose(self) -> None:
        """Nothing to close."""
