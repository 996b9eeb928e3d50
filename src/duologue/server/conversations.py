"""Conversations over an engine: what a client asked for becomes a session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from duologue.agent.function import name_of
from duologue.engine import Engine
from duologue.errors import ConfigError
from duologue.session import AudioSink, SessionConfig, VoiceSession
from duologue.session.config import MAX_AGENT_NAME
from duologue.settings.agents import AgentFactory
from duologue.settings.local import LocalModels
from duologue.stt.language import check_language
from duologue.wire.messages import Start

__all__ = ["Conversations"]


class Conversations:
    """A Backend whose sessions share one engine and its models.

    `agents` makes the agent of each session, by the name that the client gives; the first is the default.
    """

    def __init__(
        self,
        engine: Engine,
        models: LocalModels,
        agents: Mapping[str, AgentFactory],
        config: SessionConfig | None = None,
    ) -> None:
        self._engine = engine
        self._models = models
        self._agents = agents
        self._config = config or SessionConfig()

    def check(self) -> None:
        """Raise OverloadedError where a session would be refused now."""
        self._engine.admit()

    def counters(self) -> Mapping[str, float]:
        """What the engine has done, as plain numbers; a name with `worst` is a maximum and no sum."""
        ticks = self._engine.counters
        work = self._engine.model_threads
        return {
            "ticks": ticks.ticks,
            "late_ticks": ticks.late,
            "worst_tick_late_s": round(ticks.worst_late, 4),
            "windows": ticks.windows,
            "starved_frames": ticks.starved_frames,
            "late_frames": ticks.late_frames,
            "response_faults": ticks.response_faults,
            "batches": work.counters.batches,
            "jobs_waiting": work.waiting,
            "jobs_done": work.counters.done,
            "jobs_dropped": work.counters.dropped,
            "jobs_refused": work.counters.refused,
            "jobs_failed": work.counters.failed,
            "threads_replaced": work.counters.threads_replaced,
            "jobs_rationed": work.counters.rationed,
            "backlog_s": round(self._engine.load.backlog, 3),
            "worst_tick_lag_s": round(self._engine.load.tick_lag, 4),
            "worst_lateness_s": round(self._engine.load.lateness, 4),
            "loop_stalls": self._engine.stalls.count,
            "worst_loop_stall_s": round(self._engine.stalls.worst, 3),
            "tasks": len(asyncio.all_tasks()),
            **{f"cpu_s_{name}": round(cost.cpu, 3) for name, cost in work.costs.of.items()},
            **{f"sound_s_{name}": round(cost.size, 2) for name, cost in work.costs.of.items()},
            **{f"runs_{name}": cost.runs for name, cost in work.costs.of.items()},
            **{f"items_{name}": cost.items for name, cost in work.costs.of.items()},
            "cache_bytes": self._engine.phrases.bytes,
            "cache_hits": self._engine.phrases.counters.hits,
            "cache_misses": self._engine.phrases.counters.misses,
            "cache_evicted": self._engine.phrases.counters.evicted,
        }

    def open_session(self, start: Start, sink: AudioSink) -> VoiceSession:
        """A session as the client asked for it, not entered yet."""
        name = start.agent or next(iter(self._agents))
        if name not in self._agents:
            known = ", ".join(self._agents)
            raise ConfigError(f"There is no agent {name!r} here.", hint=f"Ask for one of: {known}.")
        language = self._config.language if start.language is None else start.language
        language = check_language(self._models.stt, language)
        rules = self._config.rules
        rules = replace(rules, turns=start.turns, greeting=rules.greeting if start.greeting else "")
        agent = self._agents[name]()
        agent_name = self._config.agent_name or name_of(agent)[:MAX_AGENT_NAME]
        return VoiceSession(
            engine=self._engine,
            stt=self._models.stt,
            tts=self._models.tts,
            agent=agent,
            config=replace(self._config, rules=rules, language=language, agent_name=agent_name),
            sink=sink,
        )
