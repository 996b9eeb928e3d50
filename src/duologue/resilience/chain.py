"""The order in which the providers of a list are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from duologue.agent.faults import is_fault
from duologue.errors import ConfigError, DuologueError, ProviderUnavailableError
from duologue.resilience.breaker import BreakerRegistry, Capability
from duologue.resilience.failures import as_provider_error
from duologue.resilience.guard import Guard
from duologue.resilience.settings import ResilienceSettings

__all__ = [
    "MAX_PROVIDERS",
    "Attempt",
    "Member",
    "attempts",
    "check_members",
    "for_all",
    "members_of",
    "none_left",
    "with_models",
]

MAX_PROVIDERS = 8

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Member(Generic[P]):
    """One provider of a list, and its guard."""

    provider: P
    guard: Guard


@dataclass(frozen=True, slots=True)
class Attempt(Generic[P]):
    """A provider to be asked."""

    member: Member[P]
    is_last: bool
    """No provider is left."""


def members_of(
    capability: Capability,
    providers: Sequence[Any],
    settings: ResilienceSettings | None,
    breakers: BreakerRegistry | None,
) -> list[Member[Any]]:
    """Make the members of a list, each with its guard."""
    guards = Guard.of_all(capability, providers, settings, breakers)
    return [Member(provider, guard) for provider, guard in zip(providers, guards, strict=True)]


def with_models(members: list[Member[Any]], kind: type, adapt: Callable[[Any], Any]) -> list[Member[Any]]:
    """Return the members with each model of this kind adapted to a service; the list itself if there is none."""

    def adapted(provider: Any) -> Any:
        if isinstance(provider, kind):
            return adapt(provider)
        wrapper = getattr(provider, "with_models", None)
        return provider if wrapper is None else wrapper(adapt)

    providers = [adapted(member.provider) for member in members]
    if all(member.provider is provider for member, provider in zip(members, providers, strict=True)):
        return members
    return [Member(provider, member.guard) for member, provider in zip(members, providers, strict=True)]


def check_members(what: str, providers: Sequence[Any]) -> None:
    """Raise ConfigError unless there are 1 to 8 providers, each once."""
    if not 1 <= len(providers) <= MAX_PROVIDERS:
        raise ConfigError(f"{len(providers)} {what} were named; expected 1 to {MAX_PROVIDERS}.")
    if len({id(provider) for provider in providers}) < len(providers):
        raise ConfigError(f"One of the {what} is named twice.", hint="Name each once.")


def attempts(members: Sequence[Member[P]], may: Callable[[Member[P]], bool] | None = None) -> Iterator[Attempt[P]]:
    """Yield the providers to try: first those whose breaker admits a call, in order; then the rest as a last resort.

    Stop iterating once one has answered. `may` says who can serve the call at all.
    """
    able = [member for member in members if may is None or may(member)]
    asked: list[Member[P]] = []
    for i, member in enumerate(able):
        if member.guard.breaker.admits:
            asked.append(member)
            yield Attempt(member, not any(other.guard.breaker.admits for other in able[i + 1 :]))
    for member in able:
        if not any(member is other for other in asked):
            yield Attempt(member, True)


def none_left(name: str, error: DuologueError | None) -> DuologueError:
    """Return the error of a call that no provider has answered: that of the last which was asked."""
    if error is not None:
        return error
    return ProviderUnavailableError(f"{name} has no provider that can answer.", provider=name)


async def for_all(members: Sequence[Member[Any]], method: Literal["warm", "aclose"]) -> None:
    """Call a method of all providers at once; models have none.

    Raises the first failure if all fail; otherwise breakers count them.
    """

    async def one(member: Member[Any]) -> DuologueError | None:
        try:
            if (do := getattr(member.provider, method, None)) is not None:
                await do()
        except BaseException as cause:  # SystemExit, too: it would end the loop
            if not is_fault(cause):
                raise
            return as_provider_error(member.guard.name, cause)
        return None

    failures = await asyncio.gather(*(one(member) for member in members))
    for member, failure in zip(members, failures, strict=True):
        if failure is not None and member.guard.breaker.admits:
            member.guard.breaker.enter().failed(failure)
    if (first := failures[0]) is not None and all(failures):
        raise first
