"""Calls that a speech-to-speech model answers in place of an agent and a voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from duologue.agent import Reply, Turn
from duologue.realtime import RealtimeModel
from duologue.session import RealtimeResponder

__all__ = ["ONE_OF_THEM", "ModelAnswers", "realtime_source", "responder_for"]

ONE_OF_THEM: Final = "Give realtime=, or an agent and tts= or voices=."


class ModelAnswers:
    """Stands for the model where an agent has a name; it is never asked."""

    name = ""
    speculative = False
    shareable = True

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Say nothing: the model answers, from the audio."""
        yield ""


def realtime_source(source: Any) -> Any:
    """What makes a model that was given by its name; anything else as it is."""
    if not isinstance(source, str):
        return source
    from duologue.realtime.service import RealtimeService

    return partial(RealtimeService, source)


def responder_for(model: RealtimeModel, language: str | None) -> RealtimeResponder:
    """Return what answers one call with `model`, and with the tools that it was made with."""
    return RealtimeResponder(model, tools=getattr(model, "tools", None), language=language)
