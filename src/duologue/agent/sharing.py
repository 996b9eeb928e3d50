"""Keeps an agent with state to one session: what it learned in one call must never reach another."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from duologue.agent import Agent, Cloneable, Stateful
from duologue.errors import ConfigError

__all__ = ["claim", "for_each_call", "has_state", "is_unclaimed"]

_claimed: dict[int, weakref.ref[Any]] = {}
"""The agents with state that serve a session, or served one; by identity, as an agent need not be hashable."""


def has_state(holder: object) -> bool:
    """Whether an agent may hold anything of a call: it has attributes of its own, and does not say otherwise.

    `shareable = True` on its class says that what it holds, such as a client or a pool, is of no call.
    """
    if holder is None or getattr(holder, "shareable", False) is True:
        return False
    return isinstance(holder, Stateful) or bool(_attributes(holder))


def claim(agent: Agent, holder: object) -> Agent:
    """The agent, for one session. One with state that has been claimed before is copied, if it can be.

    `holder` is what may have state: the agent, or the object whose method answers. Raises ConfigError if an agent that
    cannot be copied has been claimed before.
    """
    if not has_state(holder):
        return agent
    known = _claimed.get(id(holder))
    if known is None or known() is not holder:
        _remember(holder)
        return agent
    if isinstance(agent, Cloneable):
        copy = agent.clone()
        return claim(copy, copy)
    raise _shared(holder, "has served a session before")


def is_unclaimed(holder: object) -> bool:
    """Whether an agent with state has served no session, so that it may be closed if no call wants it."""
    if not has_state(holder):
        return False
    known = _claimed.get(id(holder))
    return known is None or known() is not holder


def for_each_call(agent: Agent, holder: object) -> Callable[[], Agent]:
    """A factory of agents for many sessions, from one instance. Raises ConfigError if it cannot be shared or copied."""
    if not has_state(holder):
        return lambda: agent
    if isinstance(agent, Cloneable):
        return agent.clone
    raise _shared(holder, "would be shared by all calls")


def _shared(holder: object, what: str) -> ConfigError:
    name = type(holder).__name__
    return ConfigError(
        f"One {name} {what}, and what it keeps of one caller would reach another.",
        hint=f"Give the class, {name}, or a function that makes one for each call, `lambda: {name}(...)`. If it keeps "
        f"nothing of a call, set `shareable = True` on the class; if it can be copied, give it a method `clone`.",
    )


def _attributes(holder: object) -> list[str]:
    """The attributes that the object itself has, and not its class."""
    slots = [name for kind in type(holder).__mro__ for name in _slots(kind) if hasattr(holder, name)]
    return [*getattr(holder, "__dict__", {}), *slots]


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _remember(holder: object) -> None:
    key = id(holder)
    try:
        _claimed[key] = weakref.ref(holder, lambda _: _claimed.pop(key, None))
    except TypeError:  # a class with slots and without __weakref__ cannot be watched
        return
