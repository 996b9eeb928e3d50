"""The task that reads one response and hands its items to the output."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import Any, Final, Protocol, Self

from duologue.agent.faults import is_fault
from duologue.audio.format import FRAME
from duologue.engine.accounting import owned_by
from duologue.errors import DuologueError, ProviderError
from duologue.session.agent_writer import closable
from duologue.session.cancellation import drop_cancel_traceback
from duologue.session.notify import notify, responder_failed
from duologue.session.responder import Responder, ResponseItem, ResponseRequest, SpokenAudio
from duologue.session.response_checks import check_item
from duologue.tts.placement import Placement

__all__ = ["ReplyTask"]

AT_ONCE: Final = 64
"""Items that are read before other calls have their turn, of a responder that never waits."""
ROUNDING_S: Final = 1e-6
MAX_WITHOUT_AUDIO: Final = 20_000
"""Items in a row that may come without audio."""


class ReplyTaskOutput(Protocol):
    """Where a reply goes."""

    def take(self, reply: ReplyTask, item: ResponseItem) -> None:
        """Take an item of a reply that was not cancelled."""
        ...

    def reply_done(self, reply: ReplyTask, error: DuologueError | None) -> None:
        """Note that nothing more comes."""
        ...

    def failed(self, error: DuologueError, turn: int = 0, *, repeated: bool = False) -> None:
        """Report an error that does not end the reply."""
        ...


class ReplyTask:
    """One reply: its task, and how much of it there is."""

    def __init__(self, output: ReplyTaskOutput, responder: Responder, request: ResponseRequest) -> None:
        self.request = request
        self.generation: int = request.generation
        self.turn: int = request.turn.id
        """0 for a `say`."""
        self.end_call = ""
        """The reason, once the agent has asked for the call to end."""
        self.has_audio = False
        self.ready: float = 0.0
        """Seconds of audio so far."""
        self.text_end: float = 0.0
        """Where, in these seconds, its text ends."""
        self.fillers: list[tuple[float, float]] = []
        """Where in the response, in seconds without fillers, each filler was put in, and how long it is."""
        self.own_from: float | None = None
        """Where, in these seconds, the answer itself begins, after texts that were said before it."""
        self.says_end: deque[tuple[float, int]] = deque()
        """Where each `say` inside the reply ends that was not reported as heard, and its id."""
        self.is_cancelled: bool = False
        self._output = output
        self._responder = responder
        items = self._open(request)  # before the task is made: an agent that is asked here runs ahead of it
        self._task = asyncio.create_task(
            self._run(items), name=f"reply-{self.generation}", context=owned_by(request.session)
        )
        self._task.add_done_callback(drop_cancel_traceback)

    @property
    def is_answer(self) -> bool:
        """True for an answer to a turn; False for a `say`."""
        return self.request.say is None

    @property
    def done(self) -> bool:
        """True once nothing of it runs any more."""
        return self._task.done()

    def moved(self, place: Placement) -> Placement:
        """Return where a text sounds in the reply, fillers included."""
        seconds = sum(length for at, length in self.fillers if place.start >= at - ROUNDING_S)
        return place.later(seconds) if seconds else place

    def is_own(self, seconds: float) -> bool:
        """Return True if what sounds at `seconds` of the reply is the answer, and not a `say` before it."""
        return self.own_from is not None and seconds >= self.own_from - FRAME

    def commit(self) -> None:
        """The turn is decided: side effects are allowed, and more than the first clause is spoken."""
        self.request.committed.set()
        notify(self._responder, "commit", self.generation, self._output, self.turn)

    def cancel(self) -> None:
        """Stop; a plain call. The task ends when the responder has let go."""
        notify(self._responder, "cancel", self.generation, self._output, self.turn)
        if not self.is_cancelled:  # a second time would interrupt its waiting for the responder
            self.is_cancelled = True
            self._task.cancel()

    async def closed(self, timeout: float) -> None:
        """Return when nothing of it runs any more, or after `timeout` seconds."""
        await asyncio.wait([self._task], timeout=timeout)

    def _open(self, request: ResponseRequest) -> Any:
        try:
            return closable(self._responder.respond(request))
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            return _Failing(cause)

    async def _run(self, items: Any) -> None:
        error: DuologueError | None = None
        try:
            try:
                await self._read(items)
            except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
                # A provider that cancelled the task that runs it has failed: the reply is waited for.
                by_itself = isinstance(cause, asyncio.CancelledError) and not self.is_cancelled
                if not (by_itself or is_fault(cause)):
                    raise
                error = responder_failed(self._responder, cause)
            if not self.is_cancelled:
                self._output.reply_done(self, error)
            elif error is not None:
                self._output.failed(error, self.turn)
        finally:
            await self._release()

    async def _release(self) -> None:
        try:
            await self._responder.released(self.generation)
        except BaseException as cause:
            if not is_fault(cause):
                raise
            self._output.failed(responder_failed(self._responder, cause, "let go of a response"), self.turn)

    async def _read(self, items: Any) -> None:
        async with aclosing(items):
            read = without_audio = 0
            async for item in items:
                if self.is_cancelled:
                    name = self._responder.name
                    what = ProviderError(f"{name} went on with a response after it was cancelled.", provider=name)
                    self._output.failed(what, self.turn)
                    return
                check_item(self._responder.name, item)
                self._output.take(self, item)
                read += 1
                without_audio = 0 if isinstance(item, SpokenAudio) and item.pcm else without_audio + 1
                if without_audio > MAX_WITHOUT_AUDIO:
                    name = self._responder.name
                    raise ProviderError(f"{name} gave {without_audio} items without audio.", provider=name)
                if read % AT_ONCE == 0:
                    await asyncio.sleep(0)


class _Failing:
    """Items of a responder that failed before it gave any: the error is handled where items are read."""

    def __init__(self, cause: BaseException) -> None:
        self._cause = cause

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ResponseItem:
        raise self._cause

    async def aclose(self) -> None:
        """Nothing to close."""
