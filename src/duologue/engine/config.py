"""How much an engine may carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.conversation.config import check_fields
from duologue.engine.admission import Admission
from duologue.errors import ConfigError

__all__ = ["EngineConfig"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Limits and timing of an engine."""

    max_sessions: int = 200
    """Sessions at once; one more is refused with `overloaded`."""
    model_threads: int = 2
    """Threads for models. One more is reserved for the first clauses of answers."""
    max_waiting: int = 4096
    """Pieces of work that may wait for the model threads."""
    tick: float = 0.01
    """Seconds between ticks, each of which serves all sessions."""
    batch: int = 64
    """The most windows (32 ms of audio) that the VAD scores in one batch."""
    catch_up: int = 2
    """The most windows scored for one session in one tick, so that a client that sends faster than real time takes no
    more than its share."""
    admission: Admission = field(default_factory=Admission)
    """Measurements beyond which a new session is refused, even if there are fewer than `max_sessions`."""
    cache_max_bytes: int = 33_554_432
    """Bytes of synthesized speech that are kept to be played again; 0 keeps none. Holds for local voices."""
    stall_warning: float = 0.5
    """Seconds for which the event loop may be blocked before the log names what blocks it; 0 turns the warning off."""
    switch_interval: float = 0.0005
    """`sys.setswitchinterval` while the engine runs: how long a thread may keep the loop from the interpreter."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("max_sessions", "model_threads", "max_waiting", "batch", "catch_up"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, and must be at least 1.")
        for name in ("tick", "switch_interval"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)} s, and must be more than 0 s and less than 1 s.")
