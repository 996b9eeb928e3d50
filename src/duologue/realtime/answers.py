"""The session's responses, and the service's own responses that they are made of."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from duologue.realtime import RealtimeDone, RealtimeResponseEvent

__all__ = ["Answer", "Answers"]

MAX_KEPT: Final = 16
"""Responses that are remembered: a truncation may name one that is over."""
MAX_HELD: Final = 4096
"""Events that a service may send before the session asks for the response."""


class Answer:
    """One response of the session: with tools, several of the service's."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.items: dict[str, int] = {}
        """Bytes of audio by the service's item, in their order."""
        self.open_calls = 0
        """Calls of tools without a result."""
        self.has_called = False
        """The service's newest response called tools: another one follows."""
        self.is_cancelled = False
        self.is_over = False
        self.began: float = 0.0
        """When the service began it by itself, in seconds of the loop."""
        self._has_text = False

    def add(self, item: str, size: int) -> None:
        """Count audio."""
        self.items[item] = self.items.get(item, 0) + size

    def new_text(self, text: str, *, is_final: bool) -> str:
        """Return what a piece of transcript adds; a final one repeats all the pieces of its item."""
        had_text, self._has_text = self._has_text, not is_final
        return "" if is_final and had_text else text

    def cuts(self, seconds: float, rate: int) -> Iterator[tuple[str, float]]:
        """Yield the items that were not heard to their end, and how many seconds of each were."""
        left = seconds
        for item, size in self.items.items():
            length = size / 2 / rate
            if left < length:
                yield item, max(left, 0.0)
            left -= length


class Answers:
    """Finds the session's response for each event of the service.

    Args:
        owns_turns: The service answers when it likes. Its response is held until the session asks for one.
    """

    def __init__(self, *, owns_turns: bool) -> None:
        self._owns_turns = owns_turns
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._of: OrderedDict[str, Answer] = OrderedDict()
        """By the id of the service's response."""
        self._current: Answer | None = None
        self._held: Answer | None = None
        self._events: deque[RealtimeResponseEvent] = deque(maxlen=MAX_HELD)
        """Those of the response that is held."""
        self._wanted: deque[str] = deque()
        """Responses that the session asked for, of a service that answers when it likes."""

    @property
    def is_due(self) -> bool:
        """A response was asked for, and is not over. One of a service that answers when it likes may never begin."""
        late = (a for a in self._answers.values() if not (a.is_over or a.is_cancelled or a.open_calls))
        return any(answer.id not in self._wanted for answer in late)

    def get(self, response: str) -> Answer | None:
        """Return a response of the session."""
        return self._answers.get(response)

    def of(self, provider_id: str | None) -> Answer | None:
        """Return the response that one of the service's belongs to; None: the newest."""
        return self._current if provider_id is None else self._of.get(provider_id)

    def ask(self, response: str) -> None:
        """Note that the session asks for a response."""
        self._answers[response] = Answer(response)
        if len(self._answers) > MAX_KEPT:
            self._answers.popitem(last=False)

    def held_since(self) -> float | None:
        """When the response that is held began; None if none is."""
        return None if self._held is None else self._held.began

    def want(self, response: str) -> None:
        """Give the next response the session's id."""
        self._wanted.append(response)

    def bind(self, response: str) -> list[RealtimeResponseEvent]:
        """Give a response that is held, or the next one, the session's id; return its events so far."""
        held, self._held = self._held, None
        if held is None:
            self.want(response)
            return []
        held.id = response
        self._answers[response] = held
        events = [replace(event, response=response) for event in self._events]
        self._events.clear()
        return events

    def bind_late(self, response: str) -> list[RealtimeResponseEvent]:
        """Do so if no other response has begun since the session asked for this one."""
        if self._held is None or response not in self._wanted:
            return []
        self._wanted.remove(response)
        return self.bind(response)

    def start(self, provider_id: str, response: str | None, now: float = 0.0) -> bool:
        """Note that the service starts a response; return True if the session has not asked for it yet."""
        answer = self._answers.get(response) if response is not None else None
        if answer is None and self._owns_turns:
            following = self._current
            if following is not None and following.has_called and not following.is_over:
                answer = following  # it goes on after the results of its tools
            else:
                answer = self._next_wanted()
            if self._held is not None and self._held is not answer:
                self._held.is_cancelled = True  # it answered something that the session did not ask
                self._held = None
                self._events.clear()
            if answer is None:
                answer = self._held = Answer("")
                answer.began = now
        self._current = answer
        if answer is not None:
            answer.has_called = False
            self._of[provider_id] = answer
            if len(self._of) > 4 * MAX_KEPT:
                self._of.popitem(last=False)
        return answer is not None and answer is self._held

    def claim(self, provider_id: str, response: str) -> Iterator[RealtimeResponseEvent]:
        """Note that a response of the service that is under way answers another request of the session from now on."""
        answer, before = self._answers.get(response), self._of.get(provider_id)
        if answer is None or answer.is_over:
            return
        self._of[provider_id] = self._current = answer
        self._held = None
        self._events.clear()
        if before is not None and before.id and not before.is_over:
            before.is_over = True
            yield RealtimeDone(before.id)

    def ignore(self) -> None:
        """Note that the service starts a response that answers nothing."""
        self._current = None

    @property
    def goes_on(self) -> bool:
        """The newest response called tools, and is answered by another one."""
        return self._current is not None and self._current.has_called and not self._current.is_over

    def _next_wanted(self) -> Answer | None:
        while self._wanted:
            answer = self._answers.get(self._wanted.popleft())
            if answer is not None and not answer.is_cancelled:
                return answer
        return None

    def end(self, provider_id: str) -> Answer | None:
        """Note that the service's response is over; return the one that it belongs to."""
        answer = self._of.get(provider_id)
        return None if answer is None or answer.is_over else answer

    def pass_on(self, answer: Answer, event: RealtimeResponseEvent) -> Iterator[RealtimeResponseEvent]:
        """Yield an event, unless the session has not asked for its response."""
        if answer is not self._held:
            if answer.id:
                yield event
        elif isinstance(event, RealtimeDone) and not answer.items:
            self._held = None  # the service took back what the session never asked for
        else:
            self._events.append(event)
