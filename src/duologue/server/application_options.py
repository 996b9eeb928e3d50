"""The options that `serve`, `aserve` and `asgi` have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypedDict

from duologue.engine import EngineConfig
from duologue.errors import ConfigError
from duologue.recording.config import RecordingConfig
from duologue.resilience import ResilienceSettings
from duologue.server.auth.options import Security
from duologue.server.policy import CallPolicy
from duologue.session import SessionConfig
from duologue.session.hooks import Hook
from duologue.settings.languages import CallLanguages
from duologue.telemetry import CostTable, TelemetryConfig

__all__ = ["ApplicationOptions", "check_options"]


class ApplicationOptions(TypedDict, total=False):
    """The options that `serve`, `aserve` and `asgi` have in common; docs/serving.md describes each with an example."""

    agents: Mapping[str, object]
    """Agents by name, beside or in place of `agent`: what `as_agent` takes, or a class or function that makes one from
    the `call`. The first is the default."""
    greeting: str | None
    """What an agent says first: "" for nothing, None for `config.rules.greeting` or the agent's own `greeting`."""
    config: SessionConfig | None
    """Settings of sessions."""
    stt: Any
    """What recognizes speech: a name such as `deepgram/nova-3`, a service, a model, or a class or function without
    arguments that makes one. Of a list of these the first answers, and the next one when it fails or is slow."""
    tts: Any
    """What speaks, likewise."""
    languages: CallLanguages | Sequence[str]
    """Codes of the languages that calls may be in; the first is the default. Whisper hears and Kokoro speaks those that
    `stt` and `tts` do not know."""
    vad: Any
    """What hears whether somebody speaks: `silero` by default, `webrtc`, `energy`, or a detector, likewise."""
    realtime: Any
    """A speech-to-speech model in place of an agent and a voice: a name such as `openai:gpt-realtime-2.1`, a
    RealtimeModel, or a class or function without arguments that makes one."""
    voices: Mapping[str, Any]
    """Voices by name in place of `tts`; the first is the default."""
    resilience: ResilienceSettings | None
    """Limits around the providers of a list."""
    policy: CallPolicy | None
    """What clients may choose."""
    user_data: Any
    """`turn.user_data` of each call: an object, or a function that makes it, given the `call` if it takes an
    argument."""
    on_start: Hook | None
    """Called with the session when it begins."""
    on_turn: Hook | None
    """Called with the session and what was measured, once a turn is answered audibly."""
    on_end: Hook | None
    """Called with the session and its record when it has ended; the record alone for a function of one argument."""
    expose_headers: Sequence[str]
    """Headers that `call.headers` keeps though their names look like secrets."""
    log_words: bool
    """Whether the log has what was said."""
    records: str | os.PathLike[str] | None
    """A folder to which a record of each call is written when it has ended, with what was said."""
    recording: RecordingConfig | None
    """Where calls are recorded, if callers agree: both voices, and every decision."""
    engine: EngineConfig | None
    """How much the process may carry."""
    telemetry: TelemetryConfig | None
    """What is counted, and where metrics and traces are sent."""
    costs: CostTable | None
    """What providers charge, in place of the prices that they declare."""
    smart_turn: bool
    """Whether Smart Turn judges the end of turns, if it is installed."""
    allowed_origins: Sequence[str]
    """Pages of other hosts that may connect."""
    trusted_proxies: Sequence[str]
    """Proxies whose forwarding headers are believed."""
    security: Security | None
    """Who may call."""
    drain_timeout: float
    """Seconds that turns have to end when the server ends."""
    resume_window: float
    """Seconds for which a call is kept whose connection broke; 0: not at all."""
    store: str | None
    """Where tickets and the state of calls are kept for other processes: a folder, or `redis://host:6379/0`."""


def check_options(options: Mapping[str, object]) -> None:
    """Raise ConfigError for an option that does not exist, with a hint that says where its setting is."""
    known = ApplicationOptions.__annotations__
    unknown = next((name for name in options if name not in known), None)
    if unknown is None:
        return
    if unknown in {field.name for field in fields(EngineConfig)}:
        hint = f"Give engine=EngineConfig({unknown}=...)."
    elif unknown in {field.name for field in fields(SessionConfig)}:
        hint = f"Give config=SessionConfig({unknown}=...)."
    elif unknown in ("log_format", "log_level"):
        hint = "Open duologue.server.logs.logging_to(...) around the call, or configure the standard library's logging."
    else:
        names = get_close_matches(unknown, known, n=1) or sorted(known)
        hint = f"Use {names[0]}." if len(names) == 1 else f"The options are {', '.join(names)}."
    raise ConfigError(f"There is no option {unknown!r}.", hint=hint)
