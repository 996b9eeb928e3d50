"""What providers were asked for, counted by the code that asks, in whichever task that runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from duologue.telemetry import names
from duologue.telemetry.call_usage import CallUsage
from duologue.telemetry.context import current_metrics, current_usage
from duologue.telemetry.metrics import Metrics, Snapshot

__all__ = [
    "ProviderUse",
    "Served",
    "count_retry",
    "count_tokens",
    "count_use",
    "served_by",
    "usage_rows",
    "watch_service",
]


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
    read: int = 0
    """Tokens that a language model read..."""
    written: int = 0
    """...and wrote."""
    cost: float | None = None
    """US dollars, by the price that the provider declares; None if it declares none."""


class Served:
    """Which provider of a list has served a request; None if the request went to no list, or nobody has served it."""

    provider: Any = None


_served: Final[ContextVar[Served | None]] = ContextVar("duologue_served", default=None)


def watch_service() -> Served:
    """Have lists of providers note who serves what this code asks for from now on."""
    served = Served()
    _served.set(served)
    return served


def served_by(provider: Any) -> None:
    """Note that this provider of a list serves the request: its use is counted under its own name."""
    if (served := _served.get()) is not None:
        served.provider = provider


def count_use(use: ProviderUse, metrics: Metrics | None = None, usage: CallUsage | None = None) -> None:
    """Count a use: in `metrics` and `usage`, or in those of the session that this code works for.

    Its cost is by the table of prices, or else as the provider declares it.
    """
    metrics, usage = metrics or current_metrics(), usage or current_usage()
    if metrics is None:
        return
    price = metrics.costs.price(use.operation, use.provider)
    cost = use.cost
    if price is not None:
        cost = price.of(audio=use.audio, characters=use.characters, read=use.read, written=use.written)
    if usage is not None:
        usage.add(
            use.provider,
            use.operation,
            requests=int(use.result == "done"),
            audio=use.audio,
            characters=use.characters,
            read=use.read,
            written=use.written,
            cost=cost,
        )
    who = (use.provider, use.operation)
    if use.result:
        metrics.add(names.PROVIDER_REQUESTS, 1, *who, use.result)
    if use.seconds is not None:
        metrics.record(names.PROVIDER_DURATION, use.seconds, *who)
    if use.audio:
        metrics.add(names.PROVIDER_AUDIO, use.audio, *who)
    if use.characters:
        metrics.add(names.PROVIDER_CHARACTERS, use.characters, use.provider)
    for kind, tokens in (("input", use.read), ("output", use.written)):
        if tokens:
            metrics.add(names.TOKENS, tokens, use.provider, kind)
    if cost is not None:
        metrics.add(names.PROVIDER_COST, cost, *who)


def count_retry(provider: str, operation: str) -> None:
    """Count a request that is made again."""
    if (metrics := current_metrics()) is not None:
        metrics.add(names.PROVIDER_RETRIES, 1, provider, operation)


def count_tokens(provider: str, *, read: int, written: int) -> None:
    """Count the tokens of a language model's run."""
    count_use(ProviderUse(provider, names.CHAT, read=read, written=written))


_COLUMNS: Final = {
    names.PROVIDER_AUDIO.name: "audio_s",
    names.PROVIDER_COST.name: "cost_usd",
}


def usage_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """A row for each provider and what it does, as plain JSON types; `cost_usd` is None if no price is known."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    counters: Mapping[str, Mapping[tuple[str, ...], Any]] = snapshot

    def row(provider: str, operation: str) -> dict[str, Any]:
        empty = {"requests": 0, "audio_s": 0.0, "characters": 0, "input_tokens": 0, "output_tokens": 0}
        return rows.setdefault(
            (provider, operation), {"provider": provider, "operation": operation, **empty, "cost_usd": None}
        )

    for (provider, operation, result), value in counters.get(names.PROVIDER_REQUESTS.name, {}).items():
        if result == "done":
            row(provider, operation)["requests"] += value
    for metric, column in _COLUMNS.items():
        for (provider, operation), value in counters.get(metric, {}).items():
            into = row(provider, operation)
            into[column] = (into[column] or 0.0) + value
    for (provider,), value in counters.get(names.PROVIDER_CHARACTERS.name, {}).items():
        row(provider, names.TEXT_TO_SPEECH)["characters"] += value
    for (provider, kind), value in counters.get(names.TOKENS.name, {}).items():
        row(provider, names.CHAT)[f"{kind}_tokens"] += value
    return [rows[key] for key in sorted(rows)]
