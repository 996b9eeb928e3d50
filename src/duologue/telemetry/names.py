"""Every name that telemetry uses: metrics with their units, spans and attributes. No other module spells one.

Names of the GenAI, process and code conventions of OpenTelemetry are used where they exist; those of
duologue begin with `voice.`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["METRICS", "Metric"]

SERVICE: Final = "duologue"

# --- attributes ---

REASON: Final = "reason"
RESULT: Final = "result"
STATE: Final = "state"
STAGE: Final = "voice.stage"
MODEL: Final = "gen_ai.request.model"
PROVIDER: Final = "gen_ai.provider.name"
OPERATION: Final = "gen_ai.operation.name"
TOKEN_TYPE: Final = "gen_ai.token.type"
ERROR: Final = "error.type"
CODE: Final = "code.function.name"
CPU_MODE: Final = "cpu.mode"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
TOOL: Final = "gen_ai.tool.name"
TURN: Final = "voice.turn"
GENERATION: Final = "voice.generation"
LATENCY: Final = "voice.latency"
PROCESSING: Final = "voice.processing"
SPECULATION: Final = "voice.speculation"
INTERRUPTED: Final = "voice.interrupted"
OVER_BUDGET: Final = "voice.over_budget"
LANGUAGE: Final = "voice.language"

# --- values of gen_ai.operation.name ---

CHAT: Final = "chat"
SPEECH_TO_TEXT: Final = "speech_to_text"
TEXT_TO_SPEECH: Final = "text_to_speech"

# --- spans ---

CONVERSATION_SPAN: Final = "voice.conversation"
TURN_SPAN: Final = "voice.turn"
STAGE_SPAN: Final = "voice.stage."
"""Followed by the name of the stage."""
TOOL_SPAN: Final = "execute_tool"

# --- metrics ---

LATENCY_BUCKETS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3, 1.7, 2.5, 4.0, 8.0)
SHORT_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.5, 5.0, 10.0)
LONG_BUCKETS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
SIZE_BUCKETS: Final = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, kind and unit (UCUM), and the attributes of its series."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    total: Literal["sum", "max"] = "sum"
    """How the values of several processes are joined."""
    buckets: tuple[float, ...] = LATENCY_BUCKETS

    def __hash__(self) -> int:
        return hash(self.name)


METRICS: Final[dict[str, Metric]] = {}
"""All metrics by name."""


def _metric(*args: object, **options: object) -> Metric:
    metric = Metric(*args, **options)  # type: ignore[arg-type]
    METRICS[metric.name] = metric
    return metric


SESSIONS_ACTIVE: Final = _metric("voice.session.active", "gauge", "{session}", "Sessions that are live now.")
SESSION_LATENCY: Final = _metric(
    "voice.session.latency",
    "histogram",
    "s",
    "Voice-to-voice latency of a turn: the user's last sample to the first audible sample of the answer.",
)
THROUGHPUT: Final = _metric(
    "voice.session.throughput", "counter", "{chunk}", "Chunks of input audio that sessions took."
)
ERRORS: Final = _metric(
    "voice.session.errors", "counter", "{error}", "Errors published in sessions, by code.", (ERROR, PROVIDER)
)
SESSIONS_STARTED: Final = _metric("voice.session.started", "counter", "{session}", "Sessions that were admitted.")
SESSIONS_ENDED: Final = _metric(
    "voice.session.ended", "counter", "{session}", "Sessions that ended, by reason.", (REASON,)
)
SESSIONS_REFUSED: Final = _metric(
    "voice.session.refused", "counter", "{session}", "Connections that were refused, by reason.", (REASON,)
)
SESSION_DURATION: Final = _metric(
    "voice.session.duration", "histogram", "s", "How long sessions lasted.", buckets=LONG_BUCKETS
)
SESSION_MEMORY: Final = _metric(
    "voice.session.memory",
    "gauge",
    "By",
    "Growth of the process since its models were loaded, per live session; the largest of all processes.",
    total="max",
)
CONNECTIONS: Final = _metric("voice.connection.active", "gauge", "{connection}", "Open connections of clients.")

TURN_DURATION: Final = _metric(
    "voice.turn.duration",
    "histogram",
    "s",
    "A turn and its answer: the user's first sample to the end of the answer.",
    buckets=LONG_BUCKETS,
)
TURN_PROCESSING: Final = _metric(
    "voice.turn.processing", "histogram", "s", "Turn decided to the first audible sample of the answer."
)
STAGE_DURATION: Final = _metric(
    "voice.stage.duration",
    "histogram",
    "s",
    "What each stage of a turn added to its voice-to-voice latency; the stages of a turn add up to it.",
    (STAGE,),
)
OVERRUNS: Final = _metric(
    "voice.budget.overruns", "counter", "{turn}", "Turns that exceeded their latency budget, by stage.", (STAGE,)
)
SPECULATIONS: Final = _metric(
    "voice.turn.speculations",
    "counter",
    "{reply}",
    "Replies prepared before the turn was decided: hit, or discarded.",
    (RESULT,),
)
YIELD_LATENCY: Final = _metric(
    "voice.barge_in.yield_latency",
    "histogram",
    "s",
    "Decision to yield to the user until nothing of the agent sounds at the sink.",
    (REASON,),
    buckets=SHORT_BUCKETS,
)
BARGE_INS: Final = _metric(
    "voice.barge_in.count",
    "counter",
    "{event}",
    "What the user's voice did to the agent's: interrupted, false_interruption, backchannel.",
    (RESULT,),
)

AUDIO_LATE: Final = _metric(
    "voice.audio.late", "counter", "{frame}", "Frames of 20 ms that were ready, and were sent 20 ms or more late."
)
AUDIO_STARVED: Final = _metric(
    "voice.audio.starved", "counter", "{frame}", "Frames of 20 ms in which speech was due and none was ready."
)
AUDIO_DROPPED: Final = _metric(
    "voice.audio.dropped", "counter", "s", "Seconds of input dropped because they waited too long."
)

BATCH_SIZE: Final = _metric(
    "voice.inference.batch_size",
    "histogram",
    "{item}",
    "Items in one run of a model.",
    (MODEL,),
    buckets=SIZE_BUCKETS,
)
INFERENCE_DURATION: Final = _metric(
    "voice.inference.duration", "histogram", "s", "Wall time of one run of a model.", (MODEL,), buckets=SHORT_BUCKETS
)
INFERENCE_CPU: Final = _metric("voice.inference.cpu_time", "counter", "s", "CPU time of a model's runs.", (MODEL,))
INFERENCE_ITEMS: Final = _metric("voice.inference.items", "counter", "{item}", "Items that a model took.", (MODEL,))
INFERENCE_AUDIO: Final = _metric(
    "voice.inference.audio", "counter", "s", "Seconds of audio in the items that a model took.", (MODEL,)
)
QUEUE_WAIT: Final = _metric(
    "voice.queue.wait",
    "histogram",
    "s",
    "How long a piece of work waited for a model thread.",
    (MODEL,),
    buckets=SHORT_BUCKETS,
)
QUEUE_DEPTH: Final = _metric("voice.queue.depth", "gauge", "{job}", "Pieces of work that wait for model threads.")
QUEUE_BACKLOG: Final = _metric(
    "voice.queue.backlog", "gauge", "s", "Seconds of work that wait for model threads.", total="max"
)
QUEUE_DISCARDED: Final = _metric(
    "voice.queue.discarded",
    "counter",
    "{job}",
    "Work that was not done: cancelled, refused, rationed, failed.",
    (REASON,),
)
UTILIZATION: Final = _metric(
    "voice.inference.utilization", "gauge", "1", "Share of recent time in which model threads ran.", total="max"
)

CACHE_REQUESTS: Final = _metric(
    "voice.cache.requests", "counter", "{request}", "Lookups in the cache of spoken phrases: hit, miss.", (RESULT,)
)
CACHE_SIZE: Final = _metric("voice.cache.size", "gauge", "By", "Speech held by the cache.")
CACHE_EVICTIONS: Final = _metric("voice.cache.evictions", "counter", "{phrase}", "Phrases dropped from a full cache.")

LOOP_LAG: Final = _metric(
    "voice.event_loop.lag", "gauge", "s", "How late ticks of the event loop begin, a recent average.", total="max"
)
LOOP_BLOCKS: Final = _metric(
    "voice.event_loop.blocks",
    "counter",
    "{block}",
    "Times that code blocked the event loop, by the function that did.",
    (CODE,),
)
TICKS_LATE: Final = _metric("voice.event_loop.late_ticks", "counter", "{tick}", "Ticks that began a tick late or more.")

PROVIDER_REQUESTS: Final = _metric(
    "voice.provider.requests",
    "counter",
    "{request}",
    "Requests to providers: done, failed, cancelled.",
    (PROVIDER, OPERATION, RESULT),
)
PROVIDER_RETRIES: Final = _metric(
    "voice.provider.retries", "counter", "{request}", "Requests made again after a failure.", (PROVIDER, OPERATION)
)
PROVIDER_STATE: Final = _metric(
    "voice.provider.state",
    "gauge",
    "{state}",
    "The circuit breaker of a provider: 0 closed, 0.5 half-open, 1 open; the worst of all processes.",
    (PROVIDER, OPERATION),
    total="max",
)
BREAKER_OPENED: Final = _metric(
    "voice.breaker.opened", "counter", "{time}", "Times that a circuit breaker opened.", (PROVIDER, OPERATION)
)
BREAKER_CALLS: Final = _metric(
    "voice.breaker.calls",
    "counter",
    "{call}",
    "Calls that a circuit breaker saw: done, failed, or refused because it was open.",
    (PROVIDER, OPERATION, RESULT),
)
HEDGES: Final = _metric(
    "voice.provider.hedges", "counter", "{request}", "Second requests for a late answer: won, lost.", (PROVIDER, RESULT)
)
POOL_CONNECTIONS: Final = _metric(
    "voice.pool.connections", "gauge", "{connection}", "Connections to a provider: leased, idle.", (PROVIDER, STATE)
)
POOL_LEASES: Final = _metric(
    "voice.pool.leases",
    "counter",
    "{lease}",
    "Connections that were leased, requests that had to wait for one, and those that timed out.",
    (PROVIDER, RESULT),
)
PROVIDER_DURATION: Final = _metric(
    "voice.provider.duration",
    "histogram",
    "s",
    "Request to the answer, or to the first audio of a voice.",
    (PROVIDER, OPERATION),
)
PROVIDER_AUDIO: Final = _metric(
    "voice.provider.audio",
    "counter",
    "s",
    "Seconds of audio that providers transcribed or synthesized.",
    (PROVIDER, OPERATION),
)
PROVIDER_CHARACTERS: Final = _metric(
    "voice.provider.characters", "counter", "{character}", "Characters that providers were given to speak.", (PROVIDER,)
)
PROVIDER_COST: Final = _metric(
    "voice.provider.cost",
    "counter",
    "{USD}",
    "Cost by the table of prices, or by those that providers declare.",
    (PROVIDER, OPERATION),
)
TOKENS: Final = _metric(
    "gen_ai.client.token.usage", "counter", "{token}", "Tokens of language models.", (PROVIDER, TOKEN_TYPE)
)

MEMORY: Final = _metric("process.memory.usage", "gauge", "By", "Resident memory of the process.")
CPU_TIME: Final = _metric("process.cpu.time", "counter", "s", "CPU time of the process.", (CPU_MODE,))
UPTIME: Final = _metric("process.uptime", "gauge", "s", "Age of the oldest process.", total="max")
SERIES_DROPPED: Final = _metric(
    "voice.telemetry.overflows", "counter", "{value}", "Values counted as `other`: a metric has too many series."
)
