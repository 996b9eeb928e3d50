"""Reads an agent's answer piece by piece: with deadlines on its progress, within bounds, and as text to be spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from duologue.agent import EndCall, FunctionCall, Progress, Reply
from duologue.agent.reasoning import ReasoningFilter, Shown
from duologue.agent.text import TextRepair
from duologue.errors import AgentError, DeadlineError

__all__ = ["AnswerLimits", "AnswerReader"]

_IDLE_PIECES_AT_ONCE = 100
_IDLE_PIECES_PER_SECOND = 1000.0
"""Pieces without a word are taken no faster, so that an agent that yields them without end does not fill the loop."""
_PAUSE = 0.01
"""Seconds that the agent waits when it is too fast."""
_SLICE = 0.005
"""Seconds that an agent may yield pieces without waiting for anything; then other calls have their turn."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Deadlines in seconds and bounds in characters on one answer."""

    first_text_timeout: float = 15.0
    """To the first word, or to a sign of progress."""
    stall_timeout: float = 15.0
    """From a word or a sign of progress to the next, once there was a word."""
    text_timeout: float = 120.0
    """From one word to the next, whatever progress there is between them."""
    max_piece_chars: int = 20_000
    max_answer_chars: int = 60_000


class AnswerReader:
    """The pieces of one answer, as the agent yields them.

    Words restart both deadlines and `Progress` restarts the first two; an empty piece, white space and punctuation
    restart none. Only the time counts in which the agent is waited for.
    """

    def __init__(self, pieces: AsyncIterator[Reply], limits: AnswerLimits) -> None:
        self.has_words: bool = False
        """True once there was a word."""
        self._pieces = pieces
        self._limits = limits
        self._filter = ReasoningFilter()
        self._repair = TextRepair()
        self._left = limits.max_answer_chars
        self._waited = 0.0
        """Seconds since the last progress."""
        self._wordless = 0.0
        """Seconds since the last word."""
        self._idle_pieces = 0
        """Pieces since the last word."""
        self._gave_way_at = asyncio.get_running_loop().time()
        self._waiting: asyncio.Timeout | None = None
        self._over = False
        self._end_call: EndCall | None = None

    async def next(self) -> Shown | FunctionCall | EndCall | None:
        """Return the next text, which may be white space, a FunctionCall, an EndCall, or None at the end.

        Raises DeadlineError if the agent makes no progress, and AgentError if it yields what it must not.
        """
        while not self._over:
            piece = await self._piece()
            if isinstance(piece, Progress):  # an empty text, too
                self._waited = 0.0
                self._idle_pieces += 1
                continue
            if isinstance(piece, FunctionCall):
                self._waited = 0.0
                self._idle_pieces += 1
                return piece
            if isinstance(piece, str):
                shown = self._read(piece)
            else:
                self._over, self._end_call = True, piece
                shown = self._finish()
            if shown.text or shown.forget:
                return shown
        end_call, self._end_call = self._end_call, None
        return end_call

    def extend(self, seconds: float) -> None:
        """Give the agent as much more time: it had something else spoken, and may wait until that was heard."""
        self._waited -= seconds
        self._wordless -= seconds
        if self._waiting is not None and (at := self._waiting.when()) is not None and not self._waiting.expired():
            self._waiting.reschedule(at + seconds)

    def _finish(self) -> Shown:
        """What the answer ends with, of what was held."""
        shown = self._filter.push(self._repair.end())
        shown = Shown(shown.text + self._filter.end(), shown.forget)
        self.has_words = self.has_words or _has_words(shown.text)
        return shown

    def _read(self, piece: str) -> Shown:
        limits = self._limits
        if len(piece) > limits.max_piece_chars:
            raise AgentError(
                f"The agent yielded {len(piece)} characters at once; the limit is {limits.max_piece_chars}.",
                hint="Yield the answer in pieces, or raise max_piece_chars.",
            )
        shown = self._filter.push(self._repair.push(piece))
        self._left -= len(shown.text)
        if self._left < 0:
            raise AgentError(
                f"The agent's answer is longer than {limits.max_answer_chars} characters.",
                hint="End the answer, or raise max_answer_chars.",
            )
        if _has_words(shown.text):
            self.has_words = True
            self._waited = self._wordless = 0.0
            self._idle_pieces = 0
        else:
            self._idle_pieces += 1
            if self._filter.inside and _has_words(piece):
                self._waited = 0.0  # reasoning is progress
        return shown

    async def _piece(self) -> Reply | None:
        """The next piece, or None at the end; the time that it takes is counted."""
        now = asyncio.get_running_loop().time
        began = now()
        limit = self._limits.stall_timeout if self.has_words else self._limits.first_text_timeout
        left = min(limit - self._waited, self._limits.text_timeout - self._wordless)
        try:
            async with asyncio.timeout(max(left, 0.0)) as waiting:
                self._waiting = waiting
                if self._idle_pieces > _IDLE_PIECES_AT_ONCE + _IDLE_PIECES_PER_SECOND * self._wordless or left <= 0:
                    await asyncio.sleep(_PAUSE)
                elif began - self._gave_way_at > _SLICE:
                    await asyncio.sleep(0)
                    self._gave_way_at = now()
                piece = await anext(self._pieces)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if not waiting.expired():
                raise
            raise self._late(limit) from None
        finally:
            self._waiting = None
            took = now() - began
            self._waited += took
            self._wordless += took
        if isinstance(piece, FunctionCall):
            self._check_call(piece)
        elif not isinstance(piece, str | EndCall | Progress):
            raise AgentError(
                f"The agent yielded {type(piece).__name__}; expected str, EndCall, Progress or FunctionCall.",
                hint="Correct the agent.",
            )
        return piece

    def _check_call(self, call: FunctionCall) -> None:
        """Function calls are bounded like text."""
        if not all(isinstance(part, str) for part in (call.name, call.arguments, call.id)):
            raise AgentError("The agent yielded a FunctionCall whose parts are not all str.", hint="Correct the agent.")
        size = len(call.name) + len(call.arguments) + len(call.id)
        if size > self._limits.max_piece_chars:
            raise AgentError(
                f"The agent yielded a FunctionCall of {size} characters; the limit is {self._limits.max_piece_chars}.",
                hint="Make its arguments shorter, or raise max_piece_chars.",
            )

    def _late(self, limit: float) -> DeadlineError:
        if self._limits.text_timeout - self._wordless < limit - self._waited:
            return DeadlineError(
                f"The agent was at work for {self._limits.text_timeout:g} s without a word.",
                hint="Speed it up, or raise text_timeout.",
            )
        what = "go on with its answer" if self.has_words else "begin to answer"
        setting = "stall_timeout" if self.has_words else "first_text_timeout"
        return DeadlineError(
            f"The agent did not {what} within {limit:g} s.",
            hint=f"Yield Progress() while it works, or raise {setting}.",
        )


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))
