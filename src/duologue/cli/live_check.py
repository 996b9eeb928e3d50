"""The check of a provider that is a service: one tiny request, with the key that is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.errors import ConfigError, DeadlineError, ProviderError

__all__ = ["check_live"]

LIMIT_S: Final = 30.0
"""For all of it."""
SILENCE_S: Final = 2.0
TEXT: Final = "One."
Options = Mapping[str, Mapping[str, Mapping[str, Any]]]


def check_live(name: str, options: Options | None = None) -> tuple[str, float]:
    """Make one request to the provider called `name`; what came back, and the seconds that it took.

    A name that both a recognizer and a voice have is the recognizer's; `tts:NAME` is the voice. `realtime:openai:MODEL`
    is a speech-to-speech model, and `llm:openai:MODEL` a language model. `options` are those of providers, by kind and
    name, as in `duologue.toml`; those of language models have an empty name.

    Raises the error of the tree that says what is wrong with the provider, its key or its service.
    """
    kind, _, plain = name.partition(":")
    given = options or {}
    if kind == "realtime":
        return asyncio.run(_run(lambda: _realtime(plain, given), _check_realtime, name))
    if kind == "llm":
        return asyncio.run(_run(lambda: _language_model(plain, given), _check_language_model, name))
    return asyncio.run(_run(lambda: _provider(name, given), _check_provider, name))


def _provider(name: str, options: Options) -> Any:
    """The recognizer or the voice that a name stands for."""
    from duologue.settings.providers import provider_key, provider_names, stt_provider, tts_provider

    kind, _, plain = name.partition(":")
    if kind not in ("stt", "tts"):
        kind, plain = "", name
    key = provider_key(plain)
    own = plain.partition("/")[0]
    if kind in ("", "stt") and key in provider_names("stt"):
        provider: Any = stt_provider(plain, **options.get("stt", {}).get(own, {}))
    elif kind in ("", "tts") and key in provider_names("tts"):
        provider = tts_provider(plain, **options.get("tts", {}).get(own, {}))
    else:
        names = ", ".join(sorted({*provider_names("stt"), *provider_names("tts")}))
        raise ConfigError(f"There is no provider {name!r}.", hint=f"Choose one of {names}, or install its package.")
    if not hasattr(provider, "aclose"):
        raise ConfigError(f"{name} is a model on this machine.", hint="`duologue doctor` checks it without --live.")
    return provider


def _realtime(name: str, options: Options) -> Any:
    from duologue.realtime.service import RealtimeService

    return RealtimeService(name, **options.get("realtime", {}).get(name.partition(":")[0], {}))


def _language_model(name: str, options: Options) -> Any:
    from duologue.agent.llm import LLMAgent
    from duologue.services import read_key

    own = options.get("llm", {}).get("", {})
    file = own.get("api_key_file")
    key = None if file is None else read_key(file, None)
    return LLMAgent(name, instructions="Answer with one word.", base_url=own.get("base_url"), api_key=key)


async def _run(make: Callable[[], Any], check: Any, name: str) -> tuple[str, float]:
    provider = make()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(LIMIT_S):
            said = await check(provider)
    except TimeoutError:
        raise DeadlineError(f"{name} gave no answer within {LIMIT_S:g} s.", provider=name) from None
    finally:
        if (close := getattr(provider, "aclose", None)) is not None:
            await close()
    return said, time.perf_counter() - began


async def _check_provider(provider: Any) -> str:
    return await (_check_voice(provider) if hasattr(provider, "synthesize") else _check_recognizer(provider))


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


async def _check_realtime(model: Any) -> str:
    """Have a speech-to-speech model say one word."""
    from duologue.realtime import RealtimeAudio, RealtimeDone, RealtimeFailed

    connection = await model.connect()
    seconds = 0.0
    try:
        connection.respond("check", say=TEXT)
        async for event in connection:
            if isinstance(event, RealtimeAudio):
                seconds += len(event.pcm) / 2 / model.rate
            elif isinstance(event, RealtimeFailed):
                raise event.error
            elif isinstance(event, RealtimeDone):
                break
    finally:
        await connection.aclose()
    if not seconds:
        raise ProviderError(f"{model.name} gave no audio.", provider=model.name)
    return f"spoke {seconds:.2f} s"


async def _check_language_model(agent: Any) -> str:
    """Have a language model answer with a word."""
    from duologue.agent import Turn

    async def committed() -> None:
        return

    letters = 0
    async with aclosing(agent.reply(Turn(1, "Say yes.", (), committed))) as pieces:
        async for piece in pieces:
            letters += len(piece) if isinstance(piece, str) else 0
    return f"answered with {letters} characters"
