"""The events of one session: transports get them by a call, everyone else through a queue of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duologue.agent.faults import is_fault
from duologue.conversation.events import Event
from duologue.conversation.inputs import EndRequested
from duologue.errors import HookError, with_cause
from duologue.session.events import Subscription
from duologue.session.host import Host

__all__ = ["EventBus"]


@dataclass(slots=True, eq=False)
class _Watcher:
    on_event: Callable[[Event], None] | None
    """None once it has raised."""
    on_end: Callable[[str], None]
    carries_call: bool


class EventBus:
    """Delivers the events of one session until it ends. A watcher that raises gets nothing more but the end."""

    def __init__(self, host: Host) -> None:
        self.over: bool = False
        """The last event has been published."""
        self._host = host
        self._subscriptions: list[Subscription] = []
        self._watchers: list[_Watcher] = []

    def subscribe(self, max_queue: int) -> Subscription:
        """A queue of all events from now on; one that is closed has left."""
        subscription = Subscription(max_queue)
        if self.over:
            subscription.close()
        self._subscriptions = [s for s in (*self._subscriptions, subscription) if not s.closed]
        return subscription

    def watch(
        self, on_event: Callable[[Event], None], on_end: Callable[[str], None], *, carries_call: bool = False
    ) -> None:
        """Call `on_event` with each event from now on, and `on_end` with the reason after the last.

        If one that `carries_call` raises, the call ends.
        """
        self._watchers.append(_Watcher(on_event, on_end, carries_call))

    def tell(self, event: Event) -> None:
        """Call all subscribers in the order in which they subscribed; errors after the end are dropped."""
        if self.over:
            return
        for watcher in self._watchers:
            if watcher.on_event is None:
                continue
            try:
                watcher.on_event(event)
            except BaseException as error:
                self._failed(watcher, error)
        for subscription in self._subscriptions:
            subscription.put(event)

    def end(self, reason: str) -> None:
        """End: no event follows."""
        self.over = True
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            try:
                watcher.on_end(reason)
            except BaseException as error:
                self._failed(watcher, error)
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()

    def _failed(self, watcher: _Watcher, error: BaseException) -> None:
        if not is_fault(error):  # SystemExit is one: it would end the loop, and with it all other calls
            raise error
        watcher.on_event = None
        failure = HookError(
            f"A watcher of the call's events raised {type(error).__name__}, and gets no more of them.",
            hint="A watcher never raises; correct it.",
        )
        self._host.failed(with_cause(failure, error))
        if watcher.carries_call and not self.over:
            self._host.tell_rules(EndRequested("watcher_failed"))
