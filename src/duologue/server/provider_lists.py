"""Providers as applications give them: by name, as objects, by what makes them, or several as a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from duologue.errors import ConfigError
from duologue.resilience import ResilienceSettings, resilient_stt, resilient_tts
from duologue.resilience.chain import MAX_PROVIDERS
from duologue.server.call_options import is_provider_factory
from duologue.settings.providers import provider_factory

__all__ = ["ProviderList", "check_source", "source_of"]

SpeechKind = Literal["stt", "tts", "vad"]


@dataclass(frozen=True, slots=True)
class ProviderList:
    """Providers of which the first answers, and the next one when it fails or is slow."""

    kind: Literal["stt", "tts"]
    members: tuple[Any, ...]
    """Providers, or what makes them."""

    def compose(self, providers: Sequence[Any], limits: ResilienceSettings | None) -> Any:
        """One provider of those that the members stand for. Raises ConfigError if they cannot stand together."""
        if len(providers) == 1 and limits is None:
            return providers[0]
        return (resilient_stt if self.kind == "stt" else resilient_tts)(providers, limits)


def source_of(kind: SpeechKind, source: Any, what: str) -> Any:
    """What makes a provider that was given by its name, a ProviderList of a list; anything else as it is.

    `what` is the option that it was given as. Raises ConfigError for a name that is not registered, and for a list that
    is empty, too long, nested or names a provider twice.
    """
    if isinstance(source, str):
        return _named(kind, source, what)
    if not isinstance(source, list | tuple):
        return source
    if kind == "vad":
        raise ConfigError(f"{what} is a list, and takes one detector.")
    if not 1 <= len(source) <= MAX_PROVIDERS:
        raise ConfigError(
            f"{what} is a list of {len(source)}; expected 1 to {MAX_PROVIDERS} providers.",
            hint="The first answers, and the next one when it fails or is slow.",
        )
    for at, each in enumerate(source):
        if isinstance(each, list | tuple):
            raise ConfigError(f"{what}[{at}] is a list in a list.", hint="Write one list.")
        first = next(i for i, other in enumerate(source) if other is each or (isinstance(each, str) and other == each))
        if first < at:
            shown = repr(each) if isinstance(each, str) else "the same provider"
            raise ConfigError(f"{what}[{at}] is {shown}, as {what}[{first}] is.", hint="Name each provider once.")
    members = [_named(kind, each, f"{what}[{at}]") if isinstance(each, str) else each for at, each in enumerate(source)]
    return ProviderList(kind, tuple(members))


def check_source(source: Any, what: str, workers: int) -> None:
    """Raise ConfigError for what is no provider and makes none, or is one object for several workers."""
    if source is None:
        return
    if isinstance(source, ProviderList):
        for at, each in enumerate(source.members):
            if each is None:
                raise ConfigError(f"{what}[{at}] is None, which is no provider.")
            check_source(each, f"{what}[{at}]", workers)
        return
    if is_provider_factory(source):
        return
    if workers > 1:
        raise ConfigError(
            f"{what} is one object, and each of the {workers} workers needs one of its own.",
            hint="Give a name, a class, or a function that makes it.",
        )
    if not hasattr(source, "name"):
        raise ConfigError(
            f"{what} is {type(source).__name__}, which is no provider.",
            hint='Give a name such as "deepgram/nova-3", a provider, what makes one, or a list of these.',
        )


def _named(kind: SpeechKind, name: str, what: str) -> Any:
    try:
        return provider_factory(kind, name)
    except ConfigError as error:
        raise type(error)(f"{what}: {error.message}", hint=error.next_step) from None
