"""From settings to a server: the options of `serve` that a configuration stands for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from duologue.agent.function import AgentFactory
from duologue.errors import ConfigError, DuologueError
from duologue.resilience import ResilienceSettings, resilient_stt, resilient_tts
from duologue.server.auth.options import Security
from duologue.server.listener import protocol_of
from duologue.server.origins import TRUSTED_PROXIES, Origins
from duologue.server.policy import CallPolicy
from duologue.session.config import MAX_AGENT_NAME, SessionConfig
from duologue.settings.agents import agent_factories, greeting_of
from duologue.settings.languages import CallLanguages
from duologue.settings.load import Loaded, load_settings
from duologue.settings.providers import Kind, check_provider, provider_factory, provider_key, provider_names
from duologue.settings.schema import Settings
from duologue.settings.toml_file import Keys

__all__ = ["agents_of", "check_configuration", "check_tables", "loaded_from", "options_of", "provider_of"]

KINDS: Final[tuple[Kind, ...]] = ("stt", "tts")
SERVICES: Final = ["azure", "elevenlabs", "google", "google-cloud", "openai", "xai"]
"""Speech-to-speech services that may have options."""
EVERY_KIND: Final[tuple[Kind, ...]] = (*KINDS, "vad")
DEFAULT_PROVIDERS: Final = {"stt": "moonshine", "tts": "hibari"}


def loaded_from(settings: str | os.PathLike[str] | Loaded) -> Loaded:
    """The settings themselves, or those of a file and the environment."""
    return settings if isinstance(settings, Loaded) else load_settings(settings)


def options_of(loaded: Loaded, agent: Any = None) -> dict[str, Any]:
    """The keyword arguments of `serve` that the settings stand for, except for `server`.

    `agent` answers in place of the one in the settings. Raises ConfigError, which names the place of a value that is
    wrong, and what cannot be loaded.
    """
    settings = loaded.settings
    check_tables(loaded)
    realtime = realtime_of(loaded) if agent is None else None
    agents = agents_of(loaded) if agent is None and realtime is None else {}
    greeting = settings.agent.greeting
    if isinstance(agents, AgentFactory):
        agent, agents = agents, {}
        if greeting is None and agent.sample is not None:
            greeting = greeting_of(agent)
    with loaded.naming(("session",), ("turn_taking",), ("agent",)):
        config = session_config_of(settings, greeting)
    with loaded.naming(("limits",)):
        engine = settings.engine_config()
    with loaded.naming(("policy",)):
        policy = policy_of(settings)
    with loaded.naming(("recording",)):
        recording = settings.recording_config()
    voices = voices_of(loaded)
    with loaded.naming(("telemetry",)):
        telemetry = settings.telemetry_config()
    return {
        "agent": agent,
        "agents": agents,
        "greeting": greeting,
        "config": config,
        "engine": engine,
        "policy": policy,
        "stt": provider_of(loaded, "stt"),
        "tts": provider_of(loaded, "tts") if realtime is None and not voices else None,
        "voices": voices,
        "realtime": realtime,
        "languages": languages_of(loaded),
        "vad": vad_of(loaded),
        "resilience": limits_of(loaded),
        "smart_turn": settings.providers.smart_turn,
        "allowed_origins": settings.security.allowed_origins,
        "trusted_proxies": (*TRUSTED_PROXIES, *settings.security.trusted_proxies),
        "expose_headers": settings.security.expose_headers,
        "security": Security(
            keys=settings.security.keys,
            insecure=settings.security.insecure,
            certfile=settings.security.certfile,
            keyfile=settings.security.keyfile,
            ticket_ttl=settings.security.ticket_ttl,
            max_calls_per_token=settings.security.calls_per_token or None,
            max_calls_per_address=settings.security.calls_per_address or None,
        ),
        "store": settings.server.store,
        "drain_timeout": settings.server.drain_timeout,
        "resume_window": settings.server.resume_window,
        "records": settings.records.folder,
        "recording": recording,
        "telemetry": telemetry,
        "costs": settings.costs.table(),
        "log_words": settings.log.words,
    }


def session_config_of(settings: Settings, greeting: str | None) -> SessionConfig:
    """The settings of sessions whose agent says `greeting` first. Raises ConfigError."""
    name = _model_name(settings.agent.llm or settings.agent.realtime or "")
    config = settings.session_config(agent_name=name[:MAX_AGENT_NAME])
    return replace(config, rules=replace(config.rules, greeting=greeting or ""))


def policy_of(settings: Settings) -> CallPolicy:
    """What clients may choose. Raises ConfigError."""
    return CallPolicy(**settings.policy.model_dump())


def check_configuration(loaded: Loaded) -> None:
    """Raise ConfigError for whatever would keep `serve` from working, as far as that shows without loading models."""
    options_of(loaded)
    protocol_of(loaded.settings.server.listener)
    Origins(loaded.settings.security.allowed_origins, loaded.settings.security.trusted_proxies)
    for kind in KINDS:
        for name in getattr(loaded.settings.providers, kind):
            with loaded.naming((kind, _key(name))):
                check_provider(kind, name, **options_for(loaded, kind, name))
    vad = loaded.settings.providers.vad
    with loaded.naming(("vad", _key(vad)), ("providers",)):
        check_provider("vad", vad, **options_for(loaded, "vad", vad))
    for voice, table in loaded.settings.voices.items():
        for name in table.provider:
            with loaded.naming(("voices", voice), ("tts", _key(name))):
                check_provider("tts", name, **{**options_for(loaded, "tts", name), **(table.model_extra or {})})


def agents_of(loaded: Loaded) -> AgentFactory | dict[str, AgentFactory]:
    """The agent of the settings, or several by name; a module beside the file is found. Raises ConfigError."""
    table = loaded.settings.agent
    if loaded.file is not None and (folder := str(loaded.file.resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)
    return agent_factories(
        table.name,
        llm=table.llm,
        base_url=table.base_url,
        api_key_file=table.api_key_file,
        instructions=table.instructions,
        first_token_timeout=table.first_text_timeout,
        stall_timeout=table.stall_timeout,
    )


def realtime_of(loaded: Loaded) -> Callable[[], Any] | None:
    """What makes the speech-to-speech model of the settings; None if they name none. Raises ConfigError."""
    table = loaded.settings.agent
    if table.realtime is None:
        return None
    from duologue.realtime.service import RealtimeService

    service = table.realtime.partition(":")[0]
    given = {"base_url": table.base_url, "api_key_file": table.api_key_file, "instructions": table.instructions}
    options: dict[str, Any] = {
        **loaded.settings.realtime.get(service, {}),
        **{option: value for option, value in given.items() if value is not None},
    }
    with loaded.naming(("realtime", service), ("agent",)):
        if "tools" in options:
            raise ConfigError(
                "tools cannot be set in a file.", hint="A model with tools is made in Python: RealtimeService(...)."
            )
        RealtimeService(table.realtime, **options)
    name = table.realtime

    def make() -> Any:
        model = RealtimeService(name, **options)
        loaded.made.append(model)
        return model

    return make


def languages_of(loaded: Loaded) -> CallLanguages:
    """The languages of calls, and the options of the models for them. Raises ConfigError."""
    whisper, kokoro = options_for(loaded, "stt", "whisper"), options_for(loaded, "tts", "kokoro")
    with loaded.naming(("providers",)):
        return CallLanguages(loaded.settings.providers.languages, whisper, kokoro)


def vad_of(loaded: Loaded) -> Callable[[], Any] | None:
    """What makes the detector of speech; None for the default one. Raises ConfigError."""
    name = loaded.settings.providers.vad
    options = options_for(loaded, "vad", name)
    if name == "silero" and not options:
        return None
    with loaded.naming(("providers",)):
        factory = provider_factory("vad", name, **options)

    def make() -> Any:
        with loaded.naming(("vad", _key(name)), ("providers",)):
            return factory()

    return make


def provider_of(loaded: Loaded, kind: Kind) -> Callable[[], Any] | None:
    """What makes the provider of speech that the settings name; None for the local model without options."""
    names: tuple[str, ...] = getattr(loaded.settings.providers, kind)
    where = loaded.origin(("providers", kind))
    if not names:
        raise ConfigError(f"{where}: providers.{kind} names no provider.", hint="Name one, or leave the line out.")
    limits = limits_of(loaded)
    if names == (DEFAULT_PROVIDERS[kind],) and not options_for(loaded, kind, names[0]) and limits is None:
        return None
    makers = [_maker(loaded, kind, name, where) for name in names]
    if len(makers) == 1 and limits is None:
        return makers[0]
    return _composed(kind, makers, limits)


def _composed(kind: Kind, makers: list[Callable[[], Any]], limits: ResilienceSettings | None) -> Callable[[], Any]:
    composed = resilient_stt if kind == "stt" else resilient_tts

    def make() -> Any:
        return composed([maker() for maker in makers], limits)

    return make


def voices_of(loaded: Loaded) -> dict[str, Callable[[], Any]]:
    """What makes each voice that has a name. Raises ConfigError, also where `providers.tts` is set beside them."""
    tables = loaded.settings.voices
    if tables and ("providers", "tts") in loaded.origins:
        where = loaded.origin(("providers", "tts"))
        raise ConfigError(f"{where}: providers.tts is set, and [voices] too.", hint="Leave one of them out.")
    limits = limits_of(loaded)
    made = {}
    for voice, table in tables.items():
        where = loaded.origin(("voices", voice, "provider"))
        own = table.model_extra or {}
        makers = [_maker(loaded, "tts", name, where, own, ("voices", voice)) for name in table.provider]
        made[voice] = makers[0] if len(makers) == 1 and limits is None else _composed("tts", makers, limits)
    return made


def limits_of(loaded: Loaded) -> ResilienceSettings | None:
    """The limits around providers; None if none is set. Raises ConfigError."""
    if not any(keys[0] == "resilience" for keys in loaded.origins):
        return None
    with loaded.naming(("resilience",)):
        return loaded.settings.resilience_settings()


def _maker(
    loaded: Loaded, kind: Kind, name: str, where: str, own: Mapping[str, Any] | None = None, table: Keys = ()
) -> Callable[[], Any]:
    """What makes one provider, and says where an option stands that it does not take.

    `own` are options that stand in `table`, and win over those in the provider's table.
    """
    try:
        factory = provider_factory(kind, name, **{**options_for(loaded, kind, name), **(own or {})})
    except DuologueError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.next_step) from None

    def make() -> Any:
        with loaded.naming(*([table] if table else []), (kind, _key(name))):
            provider = factory()
        loaded.made.append(provider)
        return provider

    return make


def options_for(loaded: Loaded, kind: Kind, name: str) -> dict[str, Any]:
    """The options in the table of a provider; those of `deepgram/nova-3` stand in `[stt.deepgram]`."""
    tables: dict[str, dict[str, Any]] = getattr(loaded.settings, kind)
    return tables.get(_key(name), {})


def check_tables(loaded: Loaded) -> None:
    """Raise ConfigError for a table of options whose provider is not registered."""
    tables: dict[str, list[str]] = {"realtime": SERVICES}
    for each in EVERY_KIND:
        tables[each] = provider_names(each)
    for kind, known in tables.items():
        for keys, origin in loaded.origins.items():
            if keys[0] == kind and len(keys) > 1 and provider_key(keys[1]) not in known:
                raise ConfigError(
                    f"{origin}: there is no provider for the table [{kind}.{keys[1]}].",
                    hint=f"Choose one of {', '.join(known)}, or install its package.",
                )


def _key(name: str) -> str:
    return name.partition("/")[0]


def _model_name(llm: str) -> str:
    """`gpt-6-luna` for `openai:gpt-6-luna`; empty without a language model."""
    return (llm.partition(":")[2] or llm).rpartition("/")[2]
