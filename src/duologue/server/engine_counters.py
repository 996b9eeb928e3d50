"""What `/ops` shows of an engine."""

from __future__ import annotations

import asyncio

from duologue.engine import Engine

__all__ = ["engine_counters"]


def engine_counters(engine: Engine) -> dict[str, float]:
    """What an engine has done, as plain numbers; a name with `worst` is a maximum and no sum."""
    ticks, work, load, phrases = engine.counters, engine.model_threads, engine.load, engine.phrases
    return {
        "ticks": ticks.ticks,
        "late_ticks": ticks.late,
        "worst_tick_late_s": round(ticks.worst_late, 4),
        "windows": ticks.windows,
        "starved_frames": ticks.starved_frames,
        "late_frames": ticks.late_frames,
        "response_faults": ticks.response_faults,
        "recognition_faults": ticks.recognition_faults,
        "vad_faults": ticks.vad_faults,
        "batches": work.counters.batches,
        "jobs_waiting": work.waiting,
        "jobs_done": work.counters.done,
        "jobs_dropped": work.counters.dropped,
        "jobs_refused": work.counters.refused,
        "jobs_failed": work.counters.failed,
        "threads_replaced": work.counters.threads_replaced,
        "jobs_rationed": work.counters.rationed,
        "backlog_s": round(load.backlog, 3),
        "worst_tick_lag_s": round(load.tick_lag, 4),
        "worst_lateness_s": round(load.lateness, 4),
        "loop_stalls": engine.stalls.count,
        "worst_loop_stall_s": round(engine.stalls.worst, 3),
        "tasks": len(asyncio.all_tasks()),
        **{f"cpu_s_{name}": round(cost.cpu, 3) for name, cost in work.costs.of.items()},
        **{f"sound_s_{name}": round(cost.size, 2) for name, cost in work.costs.of.items()},
        **{f"runs_{name}": cost.runs for name, cost in work.costs.of.items()},
        **{f"items_{name}": cost.items for name, cost in work.costs.of.items()},
        "cache_bytes": phrases.bytes,
        "cache_hits": phrases.counters.hits,
        "cache_misses": phrases.counters.misses,
        "cache_evicted": phrases.counters.evicted,
    }
