"""Finds the page of a live call that another worker holds, by way of the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from duologue.errors import DeadlineError, OverloadedError
from duologue.server.letters import write_letter, write_shortened
from duologue.telemetry.hub import LiveCall

__all__ = ["CallPages"]

MAX_ASKED: Final = 32
"""Pages that one worker waits for at once."""
MAX_ID: Final = 128
"""Characters of a call's id."""
TIMEOUT_S: Final = 1.0


@dataclass(slots=True)
class _Asked:
    """A page that is waited for: the workers that have not answered, and what was found."""

    left: int
    found: asyncio.Future[dict[str, Any] | None]


class CallPages:
    """Asks the other workers, and answers them. `send` takes a packed message for the supervisor."""

    def __init__(self, live: Mapping[str, LiveCall], others: Callable[[], int], send: Callable[[bytes], None]) -> None:
        self._live = live
        self._others = others
        self._send = send
        self._asked: dict[int, _Asked] = {}
        self._number = 0

    async def find(self, call: str) -> dict[str, Any] | None:
        """Return the page of a call; None if no other worker holds it.

        Raises OverloadedError if too many pages are waited for, and DeadlineError if the worker that may hold the call
        does not answer.
        """
        if len(call) > MAX_ID:
            return None
        others = self._others()
        if not others:
            raise DeadlineError("The other workers have said nothing for seconds.")
        if len(self._asked) >= MAX_ASKED:
            raise OverloadedError("Too many pages of calls are looked for at once.", retry_after=1.0, reason="other")
        self._number += 1
        number, asked = self._number, _Asked(others, asyncio.get_running_loop().create_future())
        self._asked[number] = asked
        self._send(write_letter({"ask": {"number": number, "call": call}}))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asked.found
        except TimeoutError:
            raise DeadlineError(f"A worker did not tell in {TIMEOUT_S:g} s whether it holds the call.") from None
        finally:
            del self._asked[number]

    def answer(self, ask: Mapping[str, Any]) -> None:
        """Send another worker the page of a call; the oldest turns are left out if the page is too long."""
        call = self._live.get(ask["call"])
        page = None if call is None else call.page()
        content = {"answer": {"number": ask["number"], "pid": ask["pid"], "page": page}}
        self._send(write_shortened(content, [] if page is None else page["turns_of_call"], keep="last"))

    def take(self, answer: Mapping[str, Any]) -> None:
        """Take what another worker tells."""
        asked = self._asked.get(answer["number"])
        if asked is None or asked.found.done():
            return
        asked.left -= 1
        if answer["page"] is not None or asked.left <= 0:
            asked.found.set_result(answer["page"])
