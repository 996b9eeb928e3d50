"""Checks the items of a response: a responder that gives what cannot be is named, and its reply ends."""

from __future__ import annotations

import math

from duologue.agent import EndCall, FunctionCall
from duologue.errors import ProviderError
from duologue.session.responder import ResponseItem, SpokenAudio, SpokenText
from duologue.tts.placement import Placement

__all__ = ["check_item"]


def check_item(name: str, item: object) -> None:
    """Raise ProviderError for what is no item of a response, or holds what none may."""
    if wrong := _wrong(item):
        raise ProviderError(f"{name} gave {wrong}.", provider=name)


def _wrong(item: object) -> str:
    """What is wrong; empty if nothing."""
    if not isinstance(item, ResponseItem):
        return f"{type(item).__name__}, which is no item of a response"
    match item:
        case SpokenAudio():
            return _wrong_audio(item.pcm)
        case SpokenText():
            return _wrong_place(item.place)
        case EndCall():
            return "" if isinstance(item.reason, str) else "EndCall with a reason that is no text"
        case FunctionCall():
            texts = (item.name, item.arguments, item.id)
            return "" if all(isinstance(text, str) for text in texts) else "FunctionCall with what is no text"
    return ""


def _wrong_audio(pcm: object) -> str:
    if not isinstance(pcm, bytes):
        return f"audio that is {type(pcm).__name__}, and must give bytes"
    return f"audio of {len(pcm)} bytes, and must give whole 16-bit samples" if len(pcm) % 2 else ""


def _wrong_place(place: object) -> str:
    if not isinstance(place, Placement) or not isinstance(place.text, str):
        return "SpokenText without a text and its place"
    start, end = place.start, place.end
    if not all(isinstance(at, int | float) and math.isfinite(at) for at in (start, end)) or not 0 <= start <= end:
        return f"text in the impossible stretch from {start!r} to {end!r} s"
    return ""
