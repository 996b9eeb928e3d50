"""The check of a provider that is a service: one tiny request, with the key that is there."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.errors import ConfigError, DeadlineError

__all__ = ["check_live"]

LIMIT_S: Final = 30.0
"""For all of it."""
SILENCE_S: Final = 2.0
TEXT: Final = "One."


def check_live(name: str) -> tuple[str, float]:
    """Make one request to the provider called `name`; what came back, and the seconds that it took.

    A name that both a recognizer and a voice have is the recognizer's; `tts:NAME` is the voice.

    Raises the error of the tree that says what is wrong with the provider, its key or its service.
    """
    from duologue.settings.providers import provider_key, provider_names, stt_provider, tts_provider

    kind, _, plain = name.partition(":")
    if kind not in ("stt", "tts"):
        kind, plain = "", name
    key = provider_key(plain)
    if kind in ("", "stt") and key in provider_names("stt"):
        provider: Any = stt_provider(plain)
        check: Any = _check_recognizer
    elif kind in ("", "tts") and key in provider_names("tts"):
        provider, check = tts_provider(plain), _check_voice
    else:
        names = ", ".join(sorted({*provider_names("stt"), *provider_names("tts")}))
        raise ConfigError(f"There is no provider {name!r}.", hint=f"Choose one of {names}, or install its package.")
    if not hasattr(provider, "aclose"):
        raise ConfigError(f"{name} is a model on this machine.", hint="`duologue doctor` checks it without --live.")
    return asyncio.run(_run(provider, check, name))


async def _run(provider: Any, check: Any, name: str) -> tuple[str, float]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(LIMIT_S):
            said = await check(provider)
    except TimeoutError:
        raise DeadlineError(f"{name} gave no answer within {LIMIT_S:g} s.", provider=name) from None
    finally:
        await provider.aclose()
    return said, time.perf_counter() - began


async def _check_recognizer(stt: Any) -> str:
    """Transcribe silence, through a stream if the provider streams."""
    silence = bytes(2 * int(SILENCE_S * RATE))
    if not stt.capabilities.streaming:
        await stt.transcribe(silence)
        return f"transcribed {SILENCE_S:g} s of silence"
    stream = stt.stream()
    try:
        stream.push(silence, 0)
        if stt.capabilities.finalizes:
            stream.finalize(len(silence) // 2)
        async with aclosing(aiter(stream)) as events:
            await anext(events)
    finally:
        await stream.aclose()
    return f"listened to {SILENCE_S:g} s of silence through a stream"


async def _check_voice(tts: Any) -> str:
    """Speak one word."""
    speech = await tts.synthesize(TEXT)
    return f"spoke {speech.duration:.2f} s"
