"""What an engine tells its telemetry: the ints that its parts count in, read when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator

from duologue.audio.format import RATE
from duologue.engine.admission import Load
from duologue.engine.model_threads import ModelThreads
from duologue.engine.phrases import PhraseCache
from duologue.engine.tick import TickCounters
from duologue.telemetry import names
from duologue.telemetry.metrics import Reading

__all__ = ["engine_readings"]


def engine_readings(ticks: TickCounters, threads: ModelThreads, load: Load, phrases: PhraseCache) -> Iterator[Reading]:
    """The counters and gauges of an engine that runs."""
    yield names.SESSIONS_ACTIVE, load.sessions, ()
    yield names.THROUGHPUT, ticks.chunks, ()
    yield names.AUDIO_LATE, ticks.late_frames, ()
    yield names.AUDIO_STARVED, ticks.starved_frames, ()
    yield names.AUDIO_DROPPED, ticks.dropped_samples / RATE, ()
    yield names.TICKS_LATE, ticks.late, ()
    yield names.LOOP_LAG, load.tick_lag, ()
    yield names.QUEUE_DEPTH, threads.waiting, ()
    yield names.QUEUE_BACKLOG, load.backlog, ()
    yield names.UTILIZATION, threads.utilization, ()
    done = threads.counters
    yield names.QUEUE_DISCARDED, done.dropped, ("cancelled",)
    yield names.QUEUE_DISCARDED, done.refused, ("refused",)
    yield names.QUEUE_DISCARDED, done.rationed, ("rationed",)
    yield names.QUEUE_DISCARDED, done.failed, ("failed",)
    for model, cost in list(threads.costs.of.items()):
        yield names.INFERENCE_CPU, cost.cpu, (model,)
        yield names.INFERENCE_ITEMS, cost.items, (model,)
        yield names.INFERENCE_AUDIO, cost.size, (model,)
    yield names.CACHE_REQUESTS, phrases.counters.hits, ("hit",)
    yield names.CACHE_REQUESTS, phrases.counters.misses, ("miss",)
    yield names.CACHE_EVICTIONS, phrases.counters.evicted, ()
    yield names.CACHE_SIZE, phrases.bytes, ()
