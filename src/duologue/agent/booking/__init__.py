"""An agent that books a table: for demonstrations, for load tests that count completed tasks, and to learn from."""

from __future__ import annotations

from duologue.agent.booking.agent import BookingAgent
from duologue.agent.booking.state import Booking

__all__ = ["Booking", "BookingAgent"]
