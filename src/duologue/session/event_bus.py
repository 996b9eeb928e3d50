"""The events of one session: transports get them by a call, everyone else through a queue of their own."""

from __future__ import annotations

from collections.abc import Callable

from duologue.conversation.events import Event
from duologue.session.events import Subscription

__all__ = ["EventBus"]


class EventBus:
    """Delivers the events of one session until it ends."""

    def __init__(self) -> None:
        self.over: bool = False
        """The last event has been published."""
        self._subscriptions: list[Subscription] = []
        self._watchers: list[tuple[Callable[[Event], None], Callable[[str], None]]] = []

    def subscribe(self, max_queue: int) -> Subscription:
        """A queue of all events from now on; one that is closed has left."""
        subscription = Subscription(max_queue)
        if self.over:
            subscription.close()
        self._subscriptions = [s for s in (*self._subscriptions, subscription) if not s.closed]
        return subscription

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        """Call `on_event` with each event from now on, and `on_end` with the reason after the last."""
        self._watchers.append((on_event, on_end))

    def tell(self, event: Event) -> None:
        """Call all subscribers in the order in which they subscribed; errors after the end are dropped."""
        if self.over:
            return
        for on_event, _ in self._watchers:
            on_event(event)
        for subscription in self._subscriptions:
            subscription.put(event)

    def end(self, reason: str) -> None:
        """End: no event follows."""
        self.over = True
        for _, on_end in self._watchers:
            on_end(reason)
        self._watchers.clear()
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()
