"""What providers were asked for, counted by the code that asks, in whichever task that runs."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.telemetry import names
from duologue.telemetry.context import current_metrics
from duologue.telemetry.metrics import Metrics

__all__ = ["ProviderUse", "count_retry", "count_tokens", "count_use"]


@dataclass(frozen=True, slots=True)
class ProviderUse:
    """One request to a provider, or what was used of it."""

    provider: str
    operation: str
    """`speech_to_text`, `text_to_speech` or `chat`."""
    result: str = ""
    """`done`, `failed` or `cancelled`; empty for what is no request by itself."""
    seconds: float | None = None
    """Until the answer, or its first audio; None if there was none."""
    audio: float = 0.0
    """Seconds of audio that were transcribed or synthesized."""
    characters: int = 0
    cost: float = 0.0
    """US dollars, by the price that the provider declares."""


def count_use(use: ProviderUse, metrics: Metrics | None = None) -> None:
    """Count a use: in `metrics`, or in those of the session that this code works for."""
    metrics = metrics or current_metrics()
    if metrics is None:
        return
    who = (use.provider, use.operation)
    if use.result:
        metrics.add(names.PROVIDER_REQUESTS, 1, *who, use.result)
    if use.seconds is not None:
        metrics.record(names.PROVIDER_DURATION, use.seconds, *who)
    if use.audio:
        metrics.add(names.PROVIDER_AUDIO, use.audio, *who)
    if use.characters:
        metrics.add(names.PROVIDER_CHARACTERS, use.characters, use.provider)
    if use.cost:
        metrics.add(names.PROVIDER_COST, use.cost, *who)


def count_retry(provider: str, operation: str) -> None:
    """Count a request that is made again."""
    if (metrics := current_metrics()) is not None:
        metrics.add(names.PROVIDER_RETRIES, 1, provider, operation)


def count_tokens(provider: str, *, read: int, written: int) -> None:
    """Count the tokens of a language model's run."""
    if (metrics := current_metrics()) is not None:
        for kind, tokens in (("input", read), ("output", written)):
            if tokens:
                metrics.add(names.TOKENS, tokens, provider, kind)
