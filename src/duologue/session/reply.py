"""One reply in the making: the agent's text is cut into clauses while the clauses before are synthesized."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from duologue.agent import Agent, EndCall, Stateful, Turn
from duologue.agent.faults import FaultLog, is_fault
from duologue.agent.reader import AnswerLimits, AnswerReader
from duologue.agent.reasoning import Shown
from duologue.agent.text import repaired
from duologue.conversation.inputs import SayRequested
from duologue.engine import ModelTextToSpeech
from duologue.engine.ledger import owned_by
from duologue.errors import AgentError, DeadlineError, DuologueError, ProviderError, because
from duologue.session.cancellation import cancelled_from_outside, forget_why
from duologue.session.retry import pause_before_retry
from duologue.tts import Speech, TextToSpeech
from duologue.tts.clauses import ClauseSplitter

if TYPE_CHECKING:
    from duologue.session.config import SessionConfig
    from duologue.session.playout import Playout

__all__ = ["Clause", "ReplyRun", "current_reply"]

current_reply: ContextVar[ReplyRun | None] = ContextVar("current_reply", default=None)
"""The reply whose agent this code runs in."""
FRAME = 0.02

MAX_CLAUSES = 4
"""Clauses that may wait for the synthesiser; then the agent waits."""
CLOSING = 0.1
"""Seconds that the reply before this one has to let go of the agent."""
SPECULATION_PATIENCE = 0.25
"""Seconds that the first clause of a reply may take which nobody waits for yet."""
SPEAKING = 0.4
"""Seconds before it is to sound at which a later clause is wanted: speaking it takes a while, also under load."""
SETTLE = 0.15
"""Seconds after which a finished sentence is spoken although no word has followed it."""
SLICE = 2000
"""Characters that are cut into clauses at once; then other calls have their turn."""

_faults = FaultLog(logging.getLogger(__name__))


class Clause(NamedTuple):
    """A stretch of text on its way to the synthesizer."""

    text: str
    say: int | None = None
    """The id of the `say` that it belongs to, if it is a part of the reply that somebody wanted said."""
    ends_say: bool = False
    interruptible: bool = True


class Host(Protocol):
    """What a reply needs of its session."""

    owner: str
    """The session's id."""
    config: SessionConfig
    playout: Playout
    tts: TextToSpeech

    @property
    def busy(self) -> bool:
        """The models have so much to do that nothing should be done in vain."""
        ...

    def reply_text(self, run: ReplyRun) -> None:
        """The first text came."""
        ...

    def reply_speech(self, run: ReplyRun, clause: Clause, speech: Speech) -> None:
        """A stretch of sound is ready."""
        ...

    def say_ready(self, run: ReplyRun, say: int) -> None:
        """All of a `say` inside the reply is ready."""
        ...

    def reply_done(self, run: ReplyRun, error: DuologueError | None) -> None:
        """Nothing more will come."""
        ...

    def failed(self, error: DuologueError, turn: int) -> None:
        """Something failed beside the reply."""
        ...


class ReplyRun:
    """Two tasks, one that asks the agent and one that speaks, with a short queue of clauses between them."""

    def __init__(self, host: Host, generation: int, turn: int, *, speculative: bool) -> None:
        self.generation = generation
        self.turn = turn
        """0 where nobody asked."""
        self.end_call = ""
        """The reason, once the agent has asked for the call to end."""
        self.asked = False
        """The agent was asked; else this is a `say`."""
        self.spoke = False
        """Some of it can be heard."""
        self._host = host
        self._committed = asyncio.Event()
        if not speculative:
            self._committed.set()
        self.committed = self._committed.wait
        """Returns when the turn is decided. An agent may keep it: it knows nothing of the run."""
        self.ready = 0.0
        """Seconds of sound that were made."""
        self.own_from: float | None = None
        """Where, in these seconds, the agent's own answer begins."""
        self.says_end: deque[tuple[float, int]] = deque()
        """Where, in these seconds, each `say` inside the reply ends that was not reported as heard; and its id."""
        self._before_answer: list[Clause] = []
        self._clauses: asyncio.Queue[Clause | None] = asyncio.Queue(MAX_CLAUSES)
        self._splitter = ClauseSplitter()
        self._reader: AnswerReader | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._error: DuologueError | None = None
        self._sounded = False
        """Some of it was synthesized."""
        self._may_stay_silent = False
        self._agent: Stateful | None = None
        """The agent, where it has state that may have to be put back to `_before`."""
        self._before: object = None
        self._rollback = False

    def answer(self, agent: Agent, turn: Turn, after: Sequence[ReplyRun], says: Sequence[SayRequested] = ()) -> None:
        """Have the agent answer, once the runs before this one have let go of it; speak `says` before the answer."""
        self.asked = True
        for say in says:
            self._before_answer += _clauses_of(say.text, say.id, interruptible=say.interruptible)
        self._may_stay_silent = bool(getattr(agent, "may_stay_silent", False))
        self._start(self._think(agent, turn, after))

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Speak a text that no agent is asked for."""
        self._start(self._recite(text, interruptible))

    async def say_within(self, text: str, say: int, *, interruptible: bool) -> None:
        """Speak a text at this point of the answer; returns when it is queued."""
        for clause in self._splitter.flush():
            await self._clauses.put(Clause(clause))
        for part in _clauses_of(text, say, interruptible=interruptible):
            await self._clauses.put(part)

    def _start(self, source: Any) -> None:
        self._tasks = [
            asyncio.create_task(work, name=f"{name}-{self.generation}", context=owned_by(self._host.owner))
            for name, work in (("think", source), ("voice", self._voice()))
        ]
        for task in self._tasks:
            task.add_done_callback(forget_why)

    @property
    def is_committed(self) -> bool:
        """True once the turn is decided."""
        return self._committed.is_set()

    def commit(self) -> None:
        """The turn is decided: side effects are allowed, and more than the first clause is spoken."""
        self._committed.set()

    @property
    def is_written(self) -> bool:
        """True once the agent has finished, or was cancelled."""
        return self._tasks[0].done()

    def is_own(self, seconds: float) -> bool:
        """Whether what sounds at `seconds` of the reply is the agent's own answer, and not a `say` before it."""
        return self.own_from is not None and seconds >= self.own_from - FRAME

    @property
    def done(self) -> bool:
        """True where both tasks have ended."""
        return all(task.done() for task in self._tasks)

    def cancel(self) -> None:
        """Stop both tasks; a plain call. The agent's iterator is closed as they end."""
        for task in self._tasks:
            task.cancel()

    def roll_back(self) -> None:
        """Nothing was heard: an agent with state goes back to where it was, as soon as it has let go."""
        self._rollback = True
        if self._tasks[0].done():
            self._restore()

    async def closed(self, timeout: float) -> None:
        """Return when both tasks have ended, or after `timeout` seconds."""
        await asyncio.wait(self._tasks, timeout=timeout)

    def _restore(self) -> None:
        if not self._rollback or self._agent is None:
            return
        agent, self._agent = self._agent, None
        try:
            agent.restore(self._before)
        except BaseException as error:
            if not is_fault(error):
                raise
            self._host.failed(self._logged(_agent_failed(error)), self.turn)

    async def _think(self, agent: Agent, turn: Turn, after: Sequence[ReplyRun]) -> None:
        inside = current_reply.set(self)
        try:
            if before := [task for run in after for task in run._tasks if not task.done()]:
                await asyncio.wait(before, timeout=CLOSING)
            await self._write(agent, turn)
        except asyncio.CancelledError:
            self._restore()
            raise
        finally:
            current_reply.reset(inside)  # the task keeps its context: it would keep the reply alive

    async def _write(self, agent: Agent, turn: Turn) -> None:
        try:
            if isinstance(agent, Stateful):
                self._before, self._agent = agent.snapshot(), agent
            await self._ask(agent, turn)
        except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(error):
                raise
            if cancelled_from_outside():
                self._logged(_agent_failed(error))  # it failed while it was cancelled: its answer is not waited for
                raise asyncio.CancelledError from None
            self._error = _agent_failed(error)
        finally:
            self._stop_settling()
        for clause in self._splitter.settle() if self._error else self._splitter.flush():
            await self._clauses.put(Clause(clause))
        await self._clauses.put(None)

    async def _ask(self, agent: Agent, turn: Turn) -> None:
        c = self._host.config
        limits = AnswerLimits(
            c.first_text_timeout, c.stall_timeout, c.text_timeout, c.max_piece_chars, c.max_answer_chars
        )
        async with aclosing(_closable(agent.reply(turn))) as pieces:
            self._reader = reader = AnswerReader(pieces, limits)
            has_words = False
            while isinstance(shown := await reader.next(), Shown):
                if reader.has_words and not has_words:
                    has_words = True
                    self._host.reply_text(self)
                await self._take(shown)
            if isinstance(shown, EndCall):
                self.end_call = shown.reason

    async def _take(self, shown: Shown) -> None:
        """Cut the agent's text into clauses."""
        if shown.forget:
            self._splitter = ClauseSplitter()
            waiting = [self._clauses.get_nowait() for _ in range(self._clauses.qsize())]
            for clause in waiting:
                if clause is not None and clause.say is not None:
                    self._clauses.put_nowait(clause)
        text = shown.text
        if text and not text.isspace():
            self._stop_settling()
        for at in range(0, len(text), SLICE):
            if at:
                await asyncio.sleep(0)
            for part in self._splitter.push(text[at : at + SLICE]):
                await self._clauses.put(Clause(part))
        # White space does not start it again: a sentence is spoken at once, whatever blanks follow it.
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE, self._settle)

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _settle(self) -> None:
        """The agent pauses: speak what it has ended, unless there is enough to be spoken."""
        self._settling = None
        if self._clauses.empty():
            for clause in self._splitter.settle():
                self._clauses.put_nowait(Clause(clause))

    def _logged(self, error: DuologueError) -> DuologueError:
        """The error, once it is in the log and has let go of the frames that it came from."""
        _faults.write(f"Session {self._host.owner}, turn {self.turn}", error)
        error.__cause__ = error.__context__ = error.__traceback__ = None
        return error

    async def _recite(self, text: str, interruptible: bool) -> None:
        for clause in (*self._splitter.push(repaired(text)), *self._splitter.flush()):
            await self._clauses.put(Clause(clause, interruptible=interruptible))
        await self._clauses.put(None)

    async def _voice(self) -> None:
        host, first = self._host, True
        while (clause := await self._next_clause()) is not None:
            if not first:
                await self._committed.wait()
                await host.playout.room()
            elif host.busy:
                await self._committed.wait()  # nothing is spoken in vain
            try:
                await self._speak(clause, self._deadline(first))
            except DuologueError as error:
                self._error = error
                break
            first = False
            if clause.say is not None and clause.ends_say:
                host.say_ready(self, clause.say)
        self._tasks[0].cancel()  # where the synthesiser failed, the agent need not go on
        if self._error is None and self.asked and not (self._sounded or self.end_call or self._may_stay_silent):
            self._error = AgentError(
                "The agent gave no answer that can be spoken.",
                hint="Yield some text, or EndCall to end the call; or set may_stay_silent = True on the agent.",
            )
        host.reply_done(self, self._error and self._logged(self._error))

    async def _next_clause(self) -> Clause | None:
        return self._before_answer.pop(0) if self._before_answer else await self._clauses.get()

    def _deadline(self, first: bool) -> float | None:
        """By when a clause is to sound: at once where it is waited for, else when what is ready has been played."""
        if not first:
            return time.monotonic() + max(0.0, self._host.playout.ready - SPEAKING)
        return None if self.is_committed else time.monotonic() + SPECULATION_PATIENCE

    async def _speak(self, clause: Clause, deadline: float | None) -> None:
        """Speak one clause; a failure that passes is tried again as long as nothing of the clause was heard."""
        c, now = self._host.config, asyncio.get_running_loop().time
        until, attempt = now() + c.speech_timeout, 0
        while True:
            heard_any = False
            try:
                async with aclosing(self._pieces(clause.text, deadline)) as pieces:
                    while (speech := await self._next_speech(pieces, until)) is not None:
                        heard_any = True
                        self._sounded = self._sounded or bool(speech.pcm)
                        self._host.reply_speech(self, clause, speech)
                        if clause.say is not None and self._reader is not None:
                            self._reader.extend(speech.duration)
                        until = now() + c.speech_timeout
                return
            except BaseException as cause:
                if not is_fault(cause):
                    raise
                error = _tts_failed(self._host.tts, cause)
            pause = pause_before_retry(attempt, error)
            if heard_any or not error.retryable or attempt == c.max_retries or now() + pause >= until:
                raise error
            await asyncio.sleep(pause)
            attempt += 1

    def _pieces(self, clause: str, deadline: float | None) -> Any:
        tts, seed = self._host.tts, self._host.config.seed
        if isinstance(tts, ModelTextToSpeech):
            return tts.stream(clause, seed=seed, deadline=deadline, is_clause=True)
        return _closable(tts.stream(clause, seed=seed, deadline=deadline))

    async def _next_speech(self, pieces: AsyncIterator[Speech], until: float) -> Speech | None:
        tts = self._host.tts
        try:
            async with asyncio.timeout_at(until) as waiting:
                speech = await anext(pieces)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if not waiting.expired():
                raise
            limit = self._host.config.speech_timeout
            raise DeadlineError(f"{tts.name} gave no speech for {limit:g} s.", provider=tts.name) from None
        except asyncio.CancelledError as error:
            if cancelled_from_outside():
                raise
            raise ProviderError(f"{tts.name} cancelled its own work.", provider=tts.name) from error
        if not isinstance(speech, Speech) or speech.rate != tts.rate or len(speech.pcm) % 2:
            what = (
                f"{len(speech.pcm)} bytes at {speech.rate} Hz" if isinstance(speech, Speech) else type(speech).__name__
            )
            raise ProviderError(
                f"{tts.name} gave {what}, and must give Speech of whole 16-bit samples at {tts.rate} Hz.",
                provider=tts.name,
            )
        return speech


def _clauses_of(text: str, say: int, *, interruptible: bool) -> list[Clause]:
    """The clauses of a `say` inside a reply; the last one ends it."""
    splitter = ClauseSplitter()
    texts = [*splitter.push(text), *splitter.flush()] or [text]
    return [Clause(clause, say, i == len(texts), interruptible) for i, clause in enumerate(texts, 1)]


def _agent_failed(cause: BaseException) -> DuologueError:
    if isinstance(cause, DuologueError):
        return cause
    if isinstance(cause, asyncio.CancelledError):
        return because(AgentError("The agent's answer was cancelled by the agent itself."), cause)
    return because(AgentError(f"The agent failed: {type(cause).__name__}."), cause)


def _tts_failed(tts: TextToSpeech, cause: BaseException) -> DuologueError:
    if isinstance(cause, DuologueError):
        return cause
    return because(ProviderError(f"{tts.name} failed: {type(cause).__name__}.", provider=tts.name), cause)


def _closable(iterator: AsyncIterator[Any]) -> Any:
    """An iterator with `aclose`: async generators have one; for others, closing is nothing."""
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
